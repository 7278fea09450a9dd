"""Write the JSON Schema and AsyncAPI documents, or check that they are up to date."""

from pathlib import Path
from typing import Annotated

import typer

from agents.cli.command import CommandError
from agents.cli.printing import echo

HELP = """Describe the topics for other programs.

\b
Examples:
  opwatch schema export --out docs
  opwatch schema export --check
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def schema() -> None:
    """Make `export` a command of the group: an app of one command would have no group."""


@app.command()
def export(
    *,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write to.")] = Path(
        "docs"
    ),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a file is out of date.")
    ] = False,
) -> None:
    """Write asyncapi.yaml (AsyncAPI 3.0) and schemas/*.json (JSON Schema, 2020-12).

    Examples:
      opwatch schema export --out /tmp/opwatch-schemas
      opwatch schema export --check
    """
    from schemas.export import documents

    differing = []
    for name, text in documents().items():
        path = out / name
        same = path.is_file() and path.read_text(encoding="utf-8") == text
        if check:
            differing += [] if same else [str(path)]
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}.") from None
        echo(str(path))
    if differing:
        raise CommandError(
            f"{', '.join(differing)} differ from schemas/: `opwatch schema export --out {out}`"
            " writes them again."
        )
