"""Silence alerts by their labels for a time, list the silences, end one."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.ack import By, Comment
from agents.cli.alerts import AsJson
from agents.cli.moments import since_ms
from agents.cli.printing import echo, echo_json
from agents.cli.running import NO, run, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.commands import Matcher
    from streams.audit.log import Log

HELP = """Tell nobody of some alerts for a while; each message that is held stays on record.

Matchers are Prometheus's: label="value", !=, =~ and !~ with a pattern that fits the whole value.
They see the labels of the alert's series and rule, and rule, series, severity, kind and
fingerprint. All matchers must hold. Put them in single quotes for the shell.

\b
Examples:
  opwatch silence add 'platform="lever"' --for 2h --comment 'lever moves house'
  opwatch silence list
  opwatch silence end 5d1c
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.command()
def add(
    matchers: Annotated[
        list[str], typer.Argument(metavar="MATCHER…", help="One or more; all must hold.")
    ],
    *,
    lasts: Annotated[str, typer.Option("--for", metavar="SPAN", help="Such as 30m, 2h or 1d12h.")],
    comment: Comment,
    start: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="An ISO 8601 time, UTC unless it says otherwise."),
    ] = None,
    by: By = None,
) -> None:
    """Tell nobody of what matches, from now or --start on; say its id and what it covers now.

    What still fires when the silence ends is told then. Exit 1 if it is refused, 3 if no alert
    worker answers.

    Examples:
      opwatch silence add 'platform="lever"' --for 2h --comment 'lever moves house'
      opwatch silence add 'rule=~"cache_.*", severity="low"' --for 1d -c 'new cache' --by ada
      opwatch silence add 'service="db"' --start 2026-12-01T22:00Z --for 1h -c maintenance
    """
    from agents.cli import asking, decisions

    parsed, start_ms = _matchers(matchers), _start_ms(start)
    end_ms = start_ms + _span_ms(lasts)
    chosen = settings()
    asked = asking.command(
        "silence",
        by=asking.asker(by),
        comment=comment,
        matchers=[one.model_dump() for one in parsed],
        start_ms=start_ms,
        end_ms=end_ms,
    )
    answer = run(asking.ask(chosen, asked, asked.id))
    told = asking.told(answer)
    log = run(decisions.read(chosen))
    echo(asked.id)
    echo(f"{told.sentence} {_coverage(log, parsed)}", err=True)


@app.command("list")
def list_(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are over or were refused.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the silences that stand or are to come; exit 1 where there is none.

    Examples:
      opwatch silence list
      opwatch silence list --all --json | jq -r 'select(.by == "ada") | .id'
    """
    from agents.cli import decisions, silence_view
    from streams.audit.status import silence_statuses

    found = silence_statuses(run(decisions.read(settings())), int(time.time() * 1000))
    standing = ("active", "pending", "unanswered")
    shown = [one for one in found if everything or one.state in standing]
    if not shown:
        hint = "; --all shows those that are over" if found else ""
        echo(f"there is no silence{hint}", err=True)
        raise typer.Exit(NO)
    if not as_json:
        silence_view.print_table(shown)
        return
    for one in shown:
        echo_json(silence_view.fields(one))


@app.command()
def end(
    silence: Annotated[
        str, typer.Argument(metavar="ID", help="As `silence list` shows it, or its beginning.")
    ],
    *,
    comment: Annotated[str, typer.Option("--comment", "-c", metavar="TEXT", help="Why.")] = "",
    by: By = None,
) -> None:
    """End a silence before its time: what still fires is told at once.

    Examples:
      opwatch silence end 5d1c
    """
    from agents.cli import asking, decisions
    from streams.audit.status import silence_statuses

    chosen = settings()
    log = run(decisions.read(chosen))
    known = [one.silence.id for one in silence_statuses(log, int(time.time() * 1000))]
    name = decisions.meant(silence, known, "silence", "opwatch silence list --all")
    asked = asking.command("end_silence", by=asking.asker(by), comment=comment, silence=name)
    echo(asking.told(run(asking.ask(chosen, asked, name))).sentence)


def _matchers(texts: list[str]) -> "Sequence[Matcher]":
    from schemas.matchers import parse_matchers

    try:
        return [one for text in texts for one in parse_matchers(text)]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="MATCHER") from None


def _span_ms(text: str) -> int:
    from schemas.spans import positive, to_ms

    try:
        return positive(int(str(to_ms(text))))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None


def _start_ms(text: str | None) -> int:
    now_ms = int(time.time() * 1000)
    if text is None:
        return now_ms
    start_ms = since_ms(text) if "-" in text else None
    if start_ms is None:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time", param_hint="--start")
    return start_ms


def _coverage(log: "Log", matchers: "Sequence[Matcher]") -> str:
    from schemas.matchers import matches
    from streams.alerting.silences import labels_of

    newest = [log.newest(fingerprint) for fingerprint in log.breaches]
    firing = [one for one in newest if one.state != "resolved"]
    covered = sum(matches(matchers, labels_of(one)) for one in firing)
    return f"Of {len(firing)} alerts that fire it covers {covered}."
