"""Show why somebody was notified of an alert, or why a channel was not."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.alerts import SHORT, outcome, state
from agents.cli.command import (
    FAILED,
    AsJson,
    CommandError,
    Fingerprint,
    find_fingerprint,
    run,
    settings,
    since_ms,
)
from agents.cli.printing import day_and_time, echo, echo_json, print_table, when
from streams.channels.text_format import rfc3339

if TYPE_CHECKING:
    from agents.runtime.settings import Settings
    from streams.audit.log import Log
    from streams.audit.status import AlertStatus
    from streams.audit.why import HistoryEntry, Undelivered
    from streams.audit.why_not import NotSent, ReasonGroup

_STYLES = {
    "opened": "bold red",
    "resolved": "bold green",
    "sent": "green",
    "gave up": "red",
    "dead letter": "red",
    "undeliverable": "red",
}


def why(
    fingerprint: Fingerprint,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the episodes before the newest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an alert's history, with the reason of each decision.

    The history is what was measured, asked, decided, sent and answered. It is read from `breaches`,
    `notifications`, `commands` and `dead-letters`, which Kafka keeps for 30 days.

    Examples:
      opwatch why 3f9c
      opwatch why 3f9c --all
      opwatch why 3f9c --json | jq -r 'select(.channel == "slack_engineering") | .sentence'
    """
    from streams.audit.status import alert_status
    from streams.audit.why import history

    log, letters = run(_read(settings(), fingerprint))
    name = find_fingerprint(log, fingerprint)
    alert = alert_status(log, name, int(time.time() * 1000))
    entries = history(log, name, letters)
    if not everything:
        entries = _of_newest(entries, alert.breach.id)
    if as_json:
        for entry in entries:
            echo_json(_entry_fields(entry))
        return
    _print_answer(alert)
    _print_entries(entries)
    earlier = len({it.breach.id for it in log.breaches[name]}) - 1
    if earlier and not everything:
        times = "once" if earlier == 1 else f"{earlier} times"
        echo(f"\nIt fired {times} before; --all shows that too.")


def why_not(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="As the rule file names it.")],
    *,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="90s, 30m, 2h, 1d or an ISO 8601 time.")
    ] = "1h",
    as_json: AsJson = False,
) -> None:
    """Show why a channel was not notified, or not at once.

    It prints every such decision by its reason, and the alerts that no rule routes to the channel.
    Exit 1 if there is nothing.

    Examples:
      opwatch why-not pagerduty_oncall
      opwatch why-not slack_engineering --since 2d
      opwatch why-not slack_engineering --json | jq -r .reason | sort | uniq -c
    """
    begin_ms = since_ms(since) or 0
    from agents.alert.alert_log import read_alerts
    from streams.audit.why_not import by_reason, channels
    from streams.audit.why_not import why_not as decisions_of

    log = run(read_alerts(settings()))
    decisions = decisions_of(log, channel, begin_ms)
    routed = channels(log)
    if channel not in routed and not _in_rule_file(channel):
        meant = get_close_matches(channel, routed, 1)
        hint = f"; did you mean {meant[0]}?" if meant else " (`opwatch channels list`)."
        raise CommandError(f"nothing was ever routed to a channel {channel!r}{hint}")
    if not decisions:
        echo(f"no notification of {channel} was suppressed since then", err=True)
        raise typer.Exit(FAILED)
    if as_json:
        for decision in decisions:
            echo_json(_decision_fields(decision))
        return
    _print_decisions(channel, by_reason(decisions), begin_ms)


async def _read(settings: "Settings", prefix: str) -> "tuple[Log, list[Undelivered]]":
    import asyncio

    from agents.alert.alert_log import read_alerts, read_dead_letters
    from streams.audit.why import Undelivered

    log, letters = await asyncio.gather(
        read_alerts(settings, prefix=prefix), read_dead_letters(settings)
    )
    undelivered = [
        Undelivered(letter.key, letter.about.delivery, letter.about.detail, letter.refused_at_ms)
        for letter in letters.by_key.values()
        if letter.about.delivery is not None
    ]
    return log, undelivered


def _of_newest(entries: "list[HistoryEntry]", breach_id: str) -> "list[HistoryEntry]":
    """Return the entries of an episode, and those of no episode since it opened."""
    begins_ms = min(entry.at_ms for entry in entries if entry.breach_id == breach_id)
    return [
        entry
        for entry in entries
        if entry.breach_id == breach_id or (entry.breach_id is None and entry.at_ms >= begins_ms)
    ]


def _in_rule_file(channel: str) -> bool:
    """Whether the rule file of this machine, if there is one, has the channel."""
    from agents.rule_file.load import BadRuleFile, load

    try:
        rules = load(settings().rule_file).rules
    except BadRuleFile:
        return False
    return channel in [it.name for it in rules.channels]


def _print_answer(alert: "AlertStatus") -> None:
    breach = alert.breach
    by = f" by {alert.by}" if alert.by else ""
    since = f"{when(breach.opened_ms)} UTC"
    if breach.resolved_ms is not None:
        since += f", resolved {when(breach.resolved_ms)} UTC"
    echo(
        f"{breach.rule} on {breach.series}: {breach.severity}, {state(alert)}{by}, opened {since}\n"
        f"{breach.summary}\n"
        f"alert {breach.fingerprint}, episode {breach.id}\n"
    )
    for status in alert.channels:
        echo(f"{status.channel}: {outcome(status)}")
    if not alert.channels:
        echo("Nobody is notified: the rule names no channel.")
    echo()


def _print_entries(entries: "Iterable[HistoryEntry]") -> None:
    print_table(
        ("at (UTC)", "what", "channel", "why"),
        (
            (
                day_and_time(entry.at_ms),
                (entry.what, _STYLES.get(entry.what, "")),
                entry.channel or "",
                _with_response(entry),
            )
            for entry in _folded(entries)
        ),
        fold=("channel", "why"),
    )


def _folded(entries: "Iterable[HistoryEntry]") -> "list[HistoryEntry]":
    """Return the entries that people want to read: of a delivery's retries the last, counted."""
    shown: dict[object, HistoryEntry] = {}
    first: dict[object, tuple[int, int]] = {}
    for place, entry in enumerate(entries):
        if entry.minor:
            continue
        if entry.what != "retry":
            shown[place] = entry
            continue
        key = entry.channel, getattr(entry.record, "batch", None)
        shown.pop(key, None)  # it stands where the last one does
        count, since_ms = first.get(key, (0, entry.at_ms))
        first[key] = count + 1, since_ms
        times = f"({count + 1} times since {day_and_time(since_ms)}) " if count else ""
        shown[key] = replace(entry, sentence=times + entry.sentence)
    return list(shown.values())


def _with_response(entry: "HistoryEntry") -> str:
    if not entry.answer:
        return entry.sentence
    return f"{entry.sentence.removesuffix('.')}, answered {entry.answer}"


def _print_decisions(channel: str, groups: "Sequence[ReasonGroup]", since_ms: int) -> None:
    """Print the reasons, the most frequent first, and the alerts of each."""
    from streams.audit.why_not import NOT_ROUTED

    suppressed = sum(len(it.decisions) for it in groups if it.reason != NOT_ROUTED)
    echo(f"{channel} was not notified, or not at once, since {when(since_ms)} UTC: {suppressed}")
    for reason in dict.fromkeys(group.reason for group in groups):
        of_reason = [group for group in groups if group.reason == reason]
        total = sum(len(group.decisions) for group in of_reason)
        echo(f"\n{reason.replace('_', ' ')}: {total}")
        print_table(
            ("count", "at", "alert", "why"),
            (
                (
                    f"{len(group.decisions)}×",
                    day_and_time(group.last.at_ms),
                    group.last.fingerprint[:SHORT],
                    f"{group.last.rule} on {group.last.series}: {group.last.sentence}"
                    if group.last.rule
                    else group.last.sentence,
                )
                for group in of_reason
            ),
            fold=("why",),
            right=("count",),
            show_header=False,
        )
    echo("\nThese are the newest of each alert; --json prints all. `opwatch why ALERT` shows more.")


def _entry_fields(entry: "HistoryEntry") -> dict[str, Any]:
    return {
        "at": rfc3339(entry.at_ms),
        "kind": entry.kind,
        "what": entry.what,
        "breach_id": entry.breach_id,
        "channel": entry.channel,
        "sentence": entry.sentence,
        "answer": entry.answer,
        "minor": entry.minor,
        "record": None if entry.record is None else entry.record.model_dump(mode="json"),
    }


def _decision_fields(decision: "NotSent") -> dict[str, Any]:
    return {
        "at": rfc3339(decision.at_ms),
        "reason": decision.reason,
        "sentence": decision.sentence,
        "until": None if decision.until_ms is None else rfc3339(decision.until_ms),
        "event": decision.event,
        "severity": decision.severity,
        "rule": decision.rule,
        "series": decision.series,
        "fingerprint": decision.fingerprint,
        "breach_id": decision.breach_id,
    }
