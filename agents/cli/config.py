"""Check the settings and the rule file, and print where each setting comes from."""

import os
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import typer

from agents.cli.command import CommandError, load_rules
from agents.cli.printing import Cell, echo, print_table
from agents.cli.rules import check_meaning, summary

if TYPE_CHECKING:
    from agents.runtime.settings import Settings
    from schemas.rule_file import RuleFile

HELP = """Check the settings, and print where they come from.

The environment (OPWATCH_…) comes first, then .env, then the defaults.

\b
Examples:
  opwatch config check
  OPWATCH_PARTITIONS=0 opwatch config check
"""

_PREFIX = "OPWATCH_"
_DOTENV = ".env"

_HEAD = """\
# Settings

All are environment variables; a file `.env` in the working directory may hold them too (the
environment wins). `opwatch config check` prints the values in force and where each comes from,
finds mistakes and misspelt names, and masks secrets. `opwatch config table` makes this page from
`agents/runtime/settings.py`.

| variable | default | takes | what for |
|---|---|---|---|
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.command()
def check() -> None:
    """Check all settings, the rule file and the quality file; print where each setting is from.

    Exit 1 with every mistake at once. A secret that a channel lacks here is only a warning: a file
    may be checked where there are no secrets.

    Examples:
      opwatch config check
      OPWATCH_PARTITIONS=0 OPWATCH_LOG_LEVEL=loud opwatch config check
    """
    from pydantic import ValidationError

    from agents.runtime.settings import Settings, mistakes

    try:
        chosen = Settings()
    except ValidationError as error:
        _print_unknown(_secrets())
        raise CommandError("\n".join(mistakes(error))) from None
    _print_unknown(_secrets(), chosen.channel_variables)
    _print(chosen)
    _check_files_of_the_database(chosen)
    _check_quality(chosen.quality_file)
    if source_of("rule_file") == "default" and not Path(chosen.rule_file).exists():
        echo(f"\nno rules: there is no {chosen.rule_file}, nor an OPWATCH_RULE_FILE")
        return
    rules = load_rules(Path(chosen.rule_file))
    check_meaning(rules, chosen)
    echo(f"\n{summary(rules)}")
    _check_secrets(rules.rules, chosen)


@app.command()
def table() -> None:
    """Print the settings as a Markdown page: docs/settings.md.

    Examples:
      opwatch config table > docs/settings.md
    """
    echo(markdown(), nl=False)


def _check_files_of_the_database(chosen: "Settings") -> None:
    """Check what only the commands with a database read, so that the others need no such files."""
    from agents.runtime import setting_checks

    for field, check_file in (
        ("db_ca_file", setting_checks.ca_file),
        ("db_password_file", setting_checks.readable),
    ):
        path = getattr(chosen, field)
        try:
            check_file(path)
        except ValueError as error:
            raise CommandError(f"{variable(field)} is {path!r}: {error}.") from None


def _check_quality(path: str | None) -> None:
    from agents.quality_file.load import BadQualityFile, load_quality

    try:
        load_quality(path)
    except BadQualityFile as error:
        raise CommandError(str(error)) from None


def _secrets() -> set[str]:
    """Return the variables that the rule file's channels name; none if the file is wrong."""
    from agents.channels.registry import variables

    try:
        return variables(load_rules().rules.channels)
    except CommandError:  # `check` raises it later
        return set()


def _check_secrets(rules: "RuleFile", chosen: "Settings") -> None:
    from agents.channels.registry import guard, refusals
    from agents.channels.secrets import NotAllowed, Secrets

    enabled = [channel for channel in rules.channels if channel.enabled]
    secrets = Secrets(allowed=chosen.channel_variables)
    wrong = []
    for name, refusal in refusals(enabled, secrets, guard(chosen)).items():
        sentence = f"the channel {name} cannot be used: {refusal}"
        if isinstance(refusal, NotAllowed):
            wrong.append(sentence)
        else:
            echo(f"opwatch: warning: {sentence}", err=True)
    if wrong:
        raise CommandError("\n".join(wrong))


def _print_unknown(secrets: Collection[str], allowed: str | None = None) -> None:
    from agents.runtime import channel_variables

    patterns = channel_variables.patterns(allowed or channel_variables.DEFAULT)
    for name, meant in unknown_variables(secrets=secrets):
        if channel_variables.is_allowed(name.removesuffix("_FILE"), patterns):
            continue  # some channel may read it, though none here
        hint = f"; did you mean {meant}?" if meant else ""
        echo(f"opwatch: {name} is no setting and has no effect{hint}", err=True)


def _print(chosen: "Settings") -> None:
    from agents.runtime.masking import masked_value

    rows: list[list[Cell]] = []
    for field in type(chosen).model_fields:
        value, source = getattr(chosen, field), source_of(field)
        rows.append(
            [
                variable(field),
                "–" if value is None else masked_value(str(value)),
                (source, "dim" if source == "default" else ""),
            ]
        )
    print_table(("variable", "value", "from"), rows, fold=("value",))


def variable(field: str) -> str:
    """Return the variable's name."""
    from agents.runtime import settings

    return settings.variable(field)


def source_of(
    field: str, environment: Mapping[str, str] = os.environ, dotenv: str = _DOTENV
) -> Literal["environment", ".env", "default"]:
    """Return where the field's value comes from."""
    from dotenv import dotenv_values

    name = variable(field)
    if name in _upper(environment):
        return "environment"
    return ".env" if name in _upper(dotenv_values(dotenv)) else "default"


def unknown_variables(
    environment: Mapping[str, str] = os.environ,
    dotenv: str = _DOTENV,
    secrets: Collection[str] = (),
) -> list[tuple[str, str | None]]:
    """Return variables that begin as ours but are no setting, each with the setting it may mean.

    Args:
        environment: the process's.
        dotenv: the path of a file with more.
        secrets: variables that channels name; these are in use though no settings.
    """
    from dotenv import dotenv_values

    from agents.runtime.settings import Settings

    ours = [variable(field) for field in Settings.model_fields]
    present = sorted(_upper(environment) | _upper(dotenv_values(dotenv)))
    unknown = [
        name for name in present if name.startswith(_PREFIX) and name not in (*ours, *secrets)
    ]
    return [(name, next(iter(get_close_matches(name, ours, 1, 0.7)), None)) for name in unknown]


def markdown() -> str:
    """Return the page that documents the settings."""
    from agents.runtime.settings import Settings

    rows = []
    for field, info in Settings.model_fields.items():
        if info.default_factory is not None:
            default = "the host's name"
        elif info.default is None or info.default == "":
            default = "–"
        else:
            shown = str(info.default).lower() if isinstance(info.default, bool) else info.default
            default = f"`{shown}`"
        cells = (f"`{variable(field)}`", default, _takes(info.annotation, info.metadata))
        rows.append(" | ".join((*cells, _cell(info.description or "–"))))
    return _HEAD + "".join(f"| {row} |\n" for row in rows)


def _takes(kind: Any, metadata: Iterable[Any]) -> str:
    from pydantic import SecretStr

    if get_origin(kind) in (Union, UnionType):
        kind = next(arg for arg in get_args(kind) if arg is not NoneType)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    word = {bool: "true, false", int: "whole number", float: "number", SecretStr: "secret"}
    text = word.get(kind, "text")
    low = next((item.ge for item in metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in metadata if hasattr(item, "le")), None)
    if low is not None and high is not None:
        return f"{text}, {low:g}–{high:g}"
    return f"{text}, from {low:g}" if low is not None else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _upper(names: Iterable[str]) -> set[str]:
    return {name.upper() for name in names}
