"""List, check, test and backtest the rules of a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli import backtest
from agents.cli.command import CommandError, load_rules, settings, without_mistakes
from agents.cli.printing import SEVERITY_STYLES, console, echo

if TYPE_CHECKING:
    from rich.table import Table

    from agents.rule_file.load import LoadedRules
    from agents.runtime.settings import Settings
    from schemas.rule_file import RuleFile
    from schemas.rule_kinds import Rule

HELP = """List, check, test and backtest the rules of a file.

Without FILE it is the file that OPWATCH_RULE_FILE names.

\b
Examples:
  opwatch rules list
  opwatch rules check config/opwatch.yaml
  opwatch rules test config/opwatch.tests.yaml
  opwatch rules backtest config/opwatch.yaml --from 24h
"""

#: Columns that are never folded: names are copied from there.
_WHOLE = ("name", "severity", "channels")

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
_FILE = typer.Argument(metavar="FILE", show_default=False, help="The rule file.")


@app.command("list")
def list_rules(file: Annotated[Path | None, _FILE] = None) -> None:
    """List the rules of a file: what each judges, and which channels it notifies.

    Examples:
      opwatch rules list
      opwatch rules list examples/job_parser/rules.yaml
    """
    console().print(_table(load_rules(file).rules))


@app.command()
def check(file: Annotated[Path | None, _FILE] = None) -> None:
    """Check a rule file; exit 1 with every mistake at once.

    Each mistake has its line, and what to write instead.

    Examples:
      opwatch rules check config/opwatch.yaml
    """
    rules = load_rules(file)
    check_meaning(rules, settings())
    echo(summary(rules))


@app.command("test")
def test_rules(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files of rule tests.")],
) -> None:
    """Run rule tests: judge made-up minutes, compare the breaches; exit 1 if a test fails.

    A file of tests names its rule file. Each test has the values of series, minute by minute, and
    the breaches that are open at a time. docs/rules.md describes the notation.

    Examples:
      opwatch rules test config/opwatch.tests.yaml
    """
    from agents.rule_tests.run import failures, load_tests

    failed = total = 0
    for file in files:
        tests = without_mistakes(load_tests, file)
        for test in tests.file.tests:
            total += 1
            sentences = failures(test, tests.rules)
            failed += bool(sentences)
            echo(f"{'failed' if sentences else 'ok':<6}  {file}: {test.name}")
            for sentence in sentences:
                echo(f"          {sentence}")
    if failed:
        raise CommandError(f"{failed} of {total} rule tests failed.")


app.command("backtest")(backtest.backtest)


def check_meaning(rules: "LoadedRules", chosen: "Settings") -> None:
    """Check that channels may use what they name and that templates work; print what is doubtful.

    Raises:
        CommandError: they may not, or do not; a line for each mistake.
    """
    from agents.channels.registry import guard, permit
    from agents.channels.secrets import NotAllowed, Secrets
    from agents.rule_file.doubts import doubts
    from agents.rule_file.load import read_text
    from agents.rule_file.mistakes import placed
    from agents.rule_file.yaml import read

    document = read(read_text(rules.path))
    mistakes = []
    for at, channel in enumerate(rules.rules.channels):
        try:
            permit(channel, Secrets({}, allowed=chosen.channel_variables), guard(chosen))
        except NotAllowed as error:
            path = ("channels", at, error.field)
            text = str(error).removesuffix(".")
            mistakes.append(f"{rules.path}:{placed(document, path, text)}")
    found = doubts(rules)
    for warning in found.warnings:
        echo(f"opwatch: warning: {warning}", err=True)
    if mistakes or found.mistakes:
        raise CommandError("\n".join([*mistakes, *found.mistakes]))


def summary(rules: "LoadedRules") -> str:
    """Return that a rule file is valid, and how much is in it."""
    off = sum(not rule.enabled for rule in rules.rules.rules)
    return (
        f"{rules.path}: {_counted(len(rules.rules.rules), 'rule')}"
        f"{f' ({off} not enabled)' if off else ''},"
        f" {_counted(len(rules.rules.channels), 'channel')}, all right ({rules.hash})"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(rules: "RuleFile") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from streams.rules.kinds import kind_for

    shown = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("name", "kind", "what", "series", "severity", "channels"):
        shown.add_column(heading, overflow="fold", no_wrap=heading in _WHOLE)
    for rule in rules.rules:
        kind = kind_for(rule)
        channels = rule.channels or rules.defaults.channels
        shown.add_row(
            Text(rule.name, style="bold"),
            rule.kind.replace("_", " "),
            Text(kind.condition() + ("" if rule.enabled else " (not enabled)")),
            Text(_series(rule)),
            Text("\n".join(kind.severities), style=SEVERITY_STYLES[kind.severities[-1]]),
            Text("\n".join(channels) or "–"),
            style=None if rule.enabled else "dim",
        )
    return shown


def _series(rule: "Rule") -> str:
    """Return which series a rule judges, in a line."""
    split = f"each {', '.join(rule.split_by)}" if rule.split_by else ""
    return " ".join(part for part in (split, rule.match) if part) or "all together"
