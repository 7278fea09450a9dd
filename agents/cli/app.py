"""Put the commands together; each group has a module of its own."""

import inspect
import os
import sys
from typing import Annotated

import typer

from agents.cli import (
    alerts,
    channels,
    config,
    db,
    deadletters,
    quality,
    replay,
    report,
    rules,
    schema,
    silence,
    tail,
    topics,
    why,
    worker,
)
from agents.cli.command import OK, CommandError, close_stdout, print_error
from agents.cli.printing import echo, guard_streams

HELP = """Exact, live success rates and percentiles of operations, from events on Kafka.

Settings come from the environment (OPWATCH_…) and .env: see `opwatch config check`.

\b
Examples:
  opwatch topics create            create the topics
  opwatch worker measure           count what arrives on `operations`
  opwatch tail                     watch the figures live
  opwatch tail --json | jq .       … or pipe them on
  opwatch dashboard                … or see them in a browser
  opwatch replay yesterday.jsonl   publish recorded operations
  opwatch deadletters list         list what was refused, and why
  opwatch rules check FILE         find every mistake in a rule file
  opwatch alerts list              list what fires, and who was notified
  opwatch why 3f9c                 … and why, or why not
  opwatch quality worst            list the analyses with the lowest scores, and why
  opwatch report --from 7d         report success rates and percentiles from the history

Exit codes: 0 ok; 1 the check failed, nothing was found, or the request was refused; 2 wrong usage
or settings; 3 Kafka or the database cannot be reached, or no alert worker answers; 130 Ctrl-C;
143 SIGTERM.
"""

UNEXPECTED = "unexpected {}: {}. Please report it; OPWATCH_LOG_LEVEL=debug shows where it happened."

app = typer.Typer(
    name="opwatch",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(worker.app, name="worker")
app.add_typer(topics.app, name="topics")
app.command("tail")(tail.tail)
app.command("dashboard")(worker.dashboard)
app.command("replay")(replay.replay)
app.add_typer(deadletters.app, name="deadletters")
app.add_typer(rules.app, name="rules")
app.add_typer(alerts.app, name="alerts")
app.command("why")(why.why)
app.command("why-not")(why.why_not)
app.command("ack")(alerts.ack)
app.add_typer(quality.app, name="quality")
app.command("report", help=report.HELP)(report.report)
app.add_typer(db.app, name="db")
app.add_typer(silence.app, name="silence")
app.add_typer(channels.app, name="channels")
app.add_typer(schema.app, name="schema")
app.add_typer(config.app, name="config")


_groups = [app, *(part.typer_instance for part in app.registered_groups if part.typer_instance)]
for _group in _groups:
    for _command in _group.registered_commands:
        # \b keeps the lines of a paragraph as they are.
        if _command.help:
            continue
        _help = inspect.getdoc(_command.callback) or ""
        _command.help = _help.replace("\nExamples:\n", "\n\b\nExamples:\n")


def _version(wanted: bool) -> None:  # noqa: FBT001, RUF100 - as typer calls it
    if wanted:
        from importlib.metadata import version

        echo(f"opwatch {version('opwatch')}")
        raise typer.Exit(OK)


@app.callback()
def opwatch(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Read the options that come before a command."""


def run() -> None:
    """Run the command that the arguments name, and exit."""
    guard_streams()
    try:
        app(prog_name="opwatch")
    except CommandError as error:
        sys.exit(print_error(error))
    except BrokenPipeError:
        sys.exit(close_stdout())
    except Exception as error:
        if os.environ.get("OPWATCH_LOG_LEVEL", "").lower() == "debug":
            raise
        sys.exit(print_error(CommandError(UNEXPECTED.format(type(error).__name__, error))))
