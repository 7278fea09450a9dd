"""Show an alert's story as a timeline, and why a channel was not told."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from agents.cli.alerts_view import SHORT, brief, outcome, state
from agents.cli.printing import console
from agents.runtime.visible import visible
from streams.audit.status import AlertStatus
from streams.audit.why import HistoryEntry
from streams.audit.why_not import NOT_ROUTED, NotSent, ReasonGroup
from streams.channels.plain import moment, rfc3339

_STYLES = {
    "opened": "bold red",
    "resolved": "bold green",
    "sent": "green",
    "gave up": "red",
    "dead letter": "red",
    "undeliverable": "red",
}


def entry_fields(one: HistoryEntry) -> dict[str, Any]:
    """Return an entry for a pipe, with the record it rests on."""
    return {
        "at": rfc3339(one.at_ms),
        "kind": one.kind,
        "what": one.what,
        "breach_id": one.breach_id,
        "channel": one.channel,
        "sentence": one.sentence,
        "answer": one.answer,
        "minor": one.minor,
        "record": None if one.record is None else one.record.model_dump(mode="json"),
    }


def print_story(one: AlertStatus, entries: Iterable[HistoryEntry], earlier: int) -> None:
    """Print the answer first, then what it rests on."""
    breach = one.breach
    by = f" by {one.by}" if one.by else ""
    since = moment(breach.opened_ms)
    if breach.resolved_ms is not None:
        since += f", resolved {moment(breach.resolved_ms)}"
    head = [
        f"{breach.rule} on {breach.series}: {breach.severity}, {state(one)}{by}, opened {since}",
        breach.summary,
        f"alert {breach.fingerprint}, episode {breach.id}",
    ]
    out = console()
    for line in head:
        out.print(Text(visible(line)))
    out.print()
    for telling in one.channels:
        out.print(Text(visible(f"{telling.channel}: {outcome(telling)}")))
    if not one.channels:
        out.print("Nobody is told: the rule names no channel.")
    out.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("at (UTC)", "what"):
        table.add_column(heading, no_wrap=True)
    for heading in ("channel", "why"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        if entry.minor:
            continue
        said = entry.sentence + (f" It said: {entry.answer}" if entry.answer else "")
        table.add_row(
            brief(entry.at_ms),
            Text(entry.what, style=_STYLES.get(entry.what, "")),
            Text(visible(entry.channel or "")),
            Text(visible(said)),
        )
    out.print(table)
    if earlier:
        times = "once" if earlier == 1 else f"{earlier} times"
        out.print(f"\nIt fired {times} before: --all tells of that too.")


def untold_fields(one: NotSent) -> dict[str, Any]:
    """Return a decision not to tell for a pipe."""
    return {
        "at": rfc3339(one.at_ms),
        "reason": one.reason,
        "sentence": one.sentence,
        "until": None if one.until_ms is None else rfc3339(one.until_ms),
        "event": one.event,
        "severity": one.severity,
        "rule": one.rule,
        "series": one.series,
        "fingerprint": one.fingerprint,
        "breach_id": one.breach_id,
    }


def print_untold(channel: str, groups: Sequence[ReasonGroup], since_ms: int) -> None:
    """Print the reasons, the most frequent first, and what each was about."""
    out = console()
    held = sum(len(one.decisions) for one in groups if one.reason != NOT_ROUTED)
    said = f"Not told to {channel}, or not at once, since {moment(since_ms)}: {held}"
    out.print(Text(visible(said)))
    reasons = list(dict.fromkeys(one.reason for one in groups))
    for reason in reasons:
        about = [one for one in groups if one.reason == reason]
        total = sum(len(one.decisions) for one in about)
        out.print(Text(f"\n{reason.replace('_', ' ')}: {total}", style="bold"))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for right in (True, False, False):
            table.add_column(no_wrap=True, justify="right" if right else "left")
        table.add_column(overflow="fold")
        for one in about:
            last = one.last
            subject = f"{last.rule} on {last.series}: " if last.rule else ""
            table.add_row(
                f"{len(one.decisions)}×",
                brief(last.at_ms),
                last.fingerprint[:SHORT],
                Text(visible(subject + last.sentence)),
            )
        out.print(table)
    out.print(
        "\nShown is the newest of each alert; --json has all. `opwatch why ALERT` tells more."
    )
