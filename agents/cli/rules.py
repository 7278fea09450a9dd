"""Look at rule files, check and test them, and say what they would have told."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agents.cli.printing import console, echo
from agents.cli.running import NO, Sentence, settings

if TYPE_CHECKING:
    from agents.rule_file.load import LoadedRules
    from agents.runtime.settings import Settings

HELP = """Look at rule files, check and test them, and say what they would have told.

Without a FILE it is the one that OPWATCH_RULE_FILE names.

\b
Examples:
  opwatch rules list
  opwatch rules check config/opwatch.yaml
  opwatch rules test config/opwatch.tests.yaml
  opwatch rules backtest config/opwatch.yaml --from 24h
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
Loaded = TypeVar("Loaded")
_FILE = typer.Argument(metavar="[FILE]", show_default=False, help="The rule file.")


@app.command("list")
def list_rules(file: Annotated[Path | None, _FILE] = None) -> None:
    """Show the rules of a file: what each looks at, and who is told.

    Examples:
      opwatch rules list
      opwatch rules list examples/job_parser/rules.yaml
    """
    from agents.cli.rules_view import table

    console().print(table(loaded(file).rules))


@app.command()
def check(file: Annotated[Path | None, _FILE] = None) -> None:
    """Check a rule file; exit 1 with every mistake at once, each with its line and what to write.

    Examples:
      opwatch rules check config/opwatch.yaml
    """
    rules = loaded(file)
    refuse_channels(rules, settings())
    echo(summed_up(rules))


@app.command()
def test(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files of rule tests.")],
) -> None:
    """Run rule tests: given these minutes, expect these breaches; exit 1 where they differ.

    A file of tests names its rule file and says, a case each, what was measured minute by minute
    and what is open when. docs/rules.md describes the notation.

    Examples:
      opwatch rules test config/opwatch.tests.yaml
    """
    from agents.cli.rule_cases import failures, load_tests

    failed = total = 0
    for file in files:
        tests = _told_well(partial(load_tests, file))
        for case in tests.file.tests:
            total += 1
            wrong = failures(case, tests.rules)
            failed += bool(wrong)
            echo(f"{'failed' if wrong else 'ok':<6}  {file}: {case.name}")
            for sentence in wrong:
                echo(f"          {sentence}")
    if failed:
        raise Sentence(f"{failed} of {total} rule tests failed.", NO)


@app.command()
def backtest(
    file: Annotated[Path | None, _FILE] = None,
    *,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="A span back (24h) or an ISO 8601 time."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="The same; by default the end.")
    ] = None,
    recorded: Annotated[
        Path | None,
        typer.Option("--input", metavar="FILE", help="A file of `opwatch tail --json`."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="OTHER", help="Show the difference to this rule file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One breach a line.")] = False,
) -> None:
    """Say what a rule file would have told: per rule what opened and resolved, and when.

    It reads `aggregates` (which are kept for a week), or a file, through the same evaluation as the
    worker. The same input gives the same output. Nobody is told of anything.

    Examples:
      opwatch rules backtest --from 24h
      opwatch rules backtest new.yaml --from 2026-03-02T08:00 --to 2026-03-02T20:00
      opwatch rules backtest new.yaml --from 7d --against config/opwatch.yaml
      opwatch tail --json --from-beginning --once > monday.jsonl
      opwatch rules backtest new.yaml --input monday.jsonl --json | jq .
    """
    from agents.cli.moments import since_ms
    from agents.cli.rule_backtest import Range
    from agents.cli.rules_backtest import Wanted, show

    over = Range(since_ms(from_), since_ms(to))
    if over.from_ms is None and recorded is None:
        raise typer.BadParameter("say from when, such as --from 24h", param_hint="--from")
    if None not in over and over.from_ms >= over.to_ms:  # type: ignore[operator]  # just looked
        raise typer.BadParameter("ends before it begins", param_hint="--to")
    files = [loaded(file), *([loaded(against)] if against is not None else [])]
    show(Wanted(files, over, recorded, as_json))


def loaded(file: Path | None) -> "LoadedRules":
    """Return the rule file, by default the settings'.

    Raises:
        Sentence: it has mistakes; all of them.
    """
    from agents.rule_file.load import load

    return _told_well(partial(load, file or settings().rule_file))


def refuse_channels(rules: "LoadedRules", chosen: "Settings") -> None:
    """Do nothing if the settings let each channel read what it names and send it there.

    Raises:
        Sentence: they do not, with the line of each.
    """
    from agents.channels.registry import guard, permit
    from agents.channels.secrets import NotAllowed, Secrets
    from agents.rule_file.load import read_text
    from agents.rule_file.yaml import read

    wrong = []
    for at, channel in enumerate(rules.rules.channels):
        try:
            permit(channel, Secrets({}, allowed=chosen.channel_variables), guard(chosen))
        except NotAllowed as error:
            line, column = read(read_text(rules.path)).place(("channels", at, error.field))
            where = f"channels[{at}] {channel.name}.{error.field}"
            wrong.append(f"{rules.path}:{line}:{column}: {where}: {error}")
    if wrong:
        raise Sentence("\n".join(wrong), NO)


def summed_up(rules: "LoadedRules") -> str:
    """Return that a rule file is right, and how much is in it."""
    off = sum(not rule.enabled for rule in rules.rules.rules)
    return (
        f"{rules.path}: {_counted(len(rules.rules.rules), 'rule')}"
        f"{f' ({off} not enabled)' if off else ''},"
        f" {_counted(len(rules.rules.channels), 'channel')}, all right ({rules.hash})"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _told_well(load: Callable[[], Loaded]) -> Loaded:
    from agents.rule_file.load import BadRuleFile

    try:
        return load()
    except BadRuleFile as error:
        raise Sentence(str(error), NO) from None
