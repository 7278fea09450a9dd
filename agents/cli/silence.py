"""Silence alerts by their labels for a time, list the silences, end one."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.command import FAILED, AsJson, By, Comment, find_id, run, settings, since_ms
from agents.cli.printing import day_and_time, echo, echo_json, print_table
from streams.channels.text_format import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.commands import Matcher
    from streams.audit.log import Log
    from streams.audit.status import SilenceStatus

HELP = """Suppress the notifications of some alerts for a while; each stays on record.

Matchers are written as in Prometheus: label="value", !=, =~ and !~ with a pattern that fits the
whole value. Their labels are those of the alert's series and rule, and rule, series, severity, kind
and fingerprint. An alert must fit all matchers. Put them in single quotes for the shell.

\b
Examples:
  opwatch silence add 'platform="lever"' --for 2h --comment 'lever moves house'
  opwatch silence list
  opwatch silence end 5d1c
"""

#: How long a schedule stands without `--for`.
_FOR_GOOD_MS = 3650 * 86_400_000

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.command()
def add(
    matchers: Annotated[
        list[str], typer.Argument(metavar="MATCHER", help="One or more; an alert must fit all.")
    ],
    *,
    lasts: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="Such as 30m, 2h or 1d12h.")
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="SCHEDULE",
            help="Only then: 'sat 02:00-04:00 Europe/Berlin'; without --for until it is ended.",
        ),
    ] = None,
    comment: Comment,
    start: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="An ISO 8601 time, UTC unless it says otherwise."),
    ] = None,
    by: By = None,
) -> None:
    """Silence the alerts that match, from now or from --start on; print the silence's id.

    Alerts that still fire when the silence ends are notified then. Exit 1 if it is refused, 3 if
    no alert worker answers.

    Examples:
      opwatch silence add 'platform="lever"' --for 2h --comment 'lever moves house'
      opwatch silence add 'rule=~"cache_.*", severity="low"' --for 1d -c 'new cache' --by ada
      opwatch silence add 'service="db"' --start 2026-12-01T22:00Z --for 1h -c maintenance
      opwatch silence add 'service="db"' --every 'sat 02:00-04:00 Europe/Berlin' -c backup
    """
    from agents.alert.alert_log import read_alerts
    from agents.cli import ask_worker

    parsed, start_ms = _matchers(matchers), _start_ms(start)
    end_ms = start_ms + _lasts_ms(lasts, every)
    chosen = settings()
    command = ask_worker.new_command(
        "silence",
        by=ask_worker.user_name(by),
        comment=comment,
        matchers=[matcher.model_dump() for matcher in parsed],
        start_ms=start_ms,
        end_ms=end_ms,
        every=every,
    )
    decision = ask_worker.final_decision(run(ask_worker.ask(chosen, command, command.id)))
    log = run(read_alerts(chosen))
    echo(command.id)
    echo(f"{decision.sentence} {_coverage(log, parsed)}", err=True)


@app.command("list")
def list_(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also silences that are over or were refused.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the silences that are active or still to begin; exit 1 if there is none.

    Examples:
      opwatch silence list
      opwatch silence list --all --json | jq -r 'select(.by == "ada") | .id'
    """
    from agents.alert.alert_log import read_alerts
    from streams.audit.status import silence_statuses

    found = silence_statuses(run(read_alerts(settings())), int(time.time() * 1000))
    current = ("active", "pending", "unanswered")
    shown = [silence for silence in found if everything or silence.state in current]
    if not shown:
        hint = "; --all lists those that are over" if found else ""
        echo(f"there is no silence{hint}", err=True)
        raise typer.Exit(FAILED)
    if not as_json:
        _print_table(shown)
        return
    for silence in shown:
        echo_json(_fields(silence))


@app.command()
def end(
    silence: Annotated[
        str, typer.Argument(metavar="ID", help="As `silence list` shows it, or its beginning.")
    ],
    *,
    comment: Annotated[str, typer.Option("--comment", "-c", metavar="TEXT", help="Why.")] = "",
    by: By = None,
) -> None:
    """End a silence before its time: alerts that still fire are notified at once.

    Examples:
      opwatch silence end 5d1c
    """
    from agents.alert.alert_log import read_alerts
    from agents.cli import ask_worker
    from streams.audit.status import silence_statuses

    chosen = settings()
    found = silence_statuses(run(read_alerts(chosen)), int(time.time() * 1000))
    ids = [it.silence.id for it in found]
    name = find_id(silence, ids, "silence", "opwatch silence list --all")
    command = ask_worker.new_command(
        "end_silence", by=ask_worker.user_name(by), comment=comment, silence=name
    )
    echo(ask_worker.final_decision(run(ask_worker.ask(chosen, command, name))).sentence)


def _matchers(texts: list[str]) -> "Sequence[Matcher]":
    from schemas.matchers import parse_matchers

    try:
        return [matcher for text in texts for matcher in parse_matchers(text)]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="MATCHER") from None


def _lasts_ms(lasts: str | None, every: str | None) -> int:
    from schemas import schedules

    if every is None:
        if lasts is None:
            raise typer.BadParameter("say for how long, or on which schedule", param_hint="--for")
        return _span_ms(lasts)
    if (why := schedules.problem(every)) is not None:
        raise typer.BadParameter(why, param_hint="--every")
    return _FOR_GOOD_MS if lasts is None else _span_ms(lasts)


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
    from schemas.guesses import meant
    from schemas.matchers import matches
    from streams.alerting.pipeline import labels_of

    newest = [log.newest(fingerprint) for fingerprint in log.breaches]
    firing = [breach for breach in newest if breach.state != "resolved"]
    covered = sum(matches(matchers, labels_of(breach)) for breach in firing)
    coverage = f"It covers {covered} of the {len(firing)} alerts that fire."
    labels = {label for breach in newest for label in labels_of(breach)}
    wanted = [it.label for it in matchers if not matches([it], {})]
    if labels and (strange := [label for label in wanted if label not in labels]):
        likely = meant(strange[0], sorted(labels))
        hint = f"; did you mean {likely[0]}?" if len(likely) == 1 else "."
        coverage += f" No alert so far has a label {strange[0]}{hint}"
    return coverage


def _print_table(silences: "Sequence[SilenceStatus]") -> None:
    print_table(
        ("id", "state", "from (UTC)", "to (UTC)", "matchers", "by", "comment"),
        (
            (
                it.silence.id,
                (it.state, "yellow" if it.state == "active" else ""),
                day_and_time(it.silence.start_ms),
                day_and_time(it.end_ms),
                _as_typed(it.silence.matchers),
                it.silence.by,
                _comment(it),
            )
            for it in silences
        ),
        fold=("matchers", "by", "comment"),
    )


def _comment(status: "SilenceStatus") -> str:
    if status.state == "refused":
        return status.sentence
    every = f"{status.silence.every}: " if status.silence.every else ""
    return every + status.silence.comment


def _fields(status: "SilenceStatus") -> dict[str, Any]:
    silence = status.silence
    return {
        "id": silence.id,
        "state": status.state,
        "matchers": _as_typed(silence.matchers),
        "start": rfc3339(silence.start_ms),
        "end": rfc3339(status.end_ms),
        "every": silence.every,
        "by": silence.by,
        "comment": silence.comment,
        "ended_by": status.ended_by or None,
        "sentence": status.sentence,
    }


def _as_typed(matchers: "Sequence[Matcher]") -> str:
    parts = []
    for matcher in matchers:
        escaped = matcher.value.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f'{matcher.label}{matcher.operator}"{escaped}"')
    return ", ".join(parts)
