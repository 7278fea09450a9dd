"""Show alerts: as fields, as a table, and one in full."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from agents.cli.letters import span, when
from agents.cli.printing import console
from agents.cli.rules_view import STYLES
from agents.runtime.visible import visible
from streams.audit.status import AlertStatus, ChannelStatus
from streams.channels.plain import moment, rfc3339
from streams.channels.wording import observed

#: Enough of a fingerprint to type; `show` and `why` take it.
SHORT = 8


def fields(one: AlertStatus) -> dict[str, Any]:
    """Return what there is to say of an alert, for a pipe."""
    breach = one.breach
    return {
        "fingerprint": breach.fingerprint,
        "state": one.state,
        "severity": breach.severity,
        "rule": breach.rule,
        "series": breach.series,
        "since": rfc3339(breach.opened_ms),
        "resolved": None if breach.resolved_ms is None else rfc3339(breach.resolved_ms),
        "breach_id": breach.id,
        "summary": breach.summary,
        "by": one.by or None,
        "comment": one.comment or None,
        "silenced_until": None if one.until_ms is None else rfc3339(one.until_ms),
        "stale": breach.stale,
        "judged": breach.judged,
        "told": [_telling_fields(telling) for telling in one.channels],
    }


def print_table(shown: Iterable[AlertStatus]) -> None:
    """Print a row an alert."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("alert", "state", "severity", "since (UTC)", "rule"):
        table.add_column(heading, no_wrap=True)
    for heading in ("series", "told"):
        table.add_column(heading, overflow="fold")
    for one in shown:
        breach = one.breach
        table.add_row(
            breach.fingerprint[:SHORT],
            state(one),
            Text(breach.severity, style=STYLES[breach.severity]),
            brief(breach.opened_ms)[:-3],
            Text(visible(breach.rule)),
            Text(visible(breach.series)),
            Text(visible(told(one.channels))),
            style="dim" if one.state == "resolved" else None,
        )
    console().print(table)


def print_one(one: AlertStatus, now_ms: int) -> None:
    """Print an alert in full."""
    breach = one.breach
    until = now_ms if breach.resolved_ms is None else breach.resolved_ms
    named = {
        "alert": breach.fingerprint,
        "episode": breach.id,
        "state": state(one) + (f", by {one.by}" if one.by else ""),
        "comment": one.comment,
        "severity": breach.severity,
        "rule": f"{breach.rule} ({breach.kind}, rule file {breach.rules_hash or '–'})",
        "series": breach.series,
        "summary": breach.summary,
        "opened": f"{moment(breach.opened_ms)}, {span(max(0, until - breach.opened_ms))} long",
        "resolved": "" if breach.resolved_ms is None else moment(breach.resolved_ms),
        "observed": observed(breach),
        "windows": f"{when(breach.span.start_ms)} to {moment(breach.span.end_ms)}",
        "confirmed": "yes, by final windows" if breach.confirmed else "not yet by final windows",
        "stale": "yes: it ended long before it was told" if breach.stale else "",
        "labels": ", ".join(f'{name}="{value}"' for name, value in breach.labels.items()),
        **{f"evidence {name}": _figure(value) for name, value in breach.evidence.items()},
        "exemplars": "\n".join(_exemplar(each) for each in breach.exemplars),
        "runbook": breach.runbook or "",
        "dashboard": breach.dashboard or "",
        "routed to": _routing(one),
    }
    _pairs({name: value for name, value in named.items() if value})
    console().print()
    _pairs({telling.channel: outcome(telling) for telling in one.channels})
    console().print(f"\n`opwatch why {breach.fingerprint[:SHORT]}` tells the whole story.")


def state(one: AlertStatus) -> str:
    """Return how it stands, and until when it is silenced."""
    until = "" if one.until_ms is None else f" until {brief(one.until_ms)}"
    open_but = one.state != "resolved" and not one.breach.judged
    return one.state + until + (", no longer judged" if open_but else "")


def told(tellings: Sequence[ChannelStatus]) -> str:
    """Return in a few words who was told, and who was not and why."""
    heard = [one.channel for one in tellings if one.state == "told"]
    rest = [f"{one.channel} ({short(one)})" for one in tellings if one.state != "told"]
    return ", ".join(heard + rest) or "nobody: no channel"


def short(one: ChannelStatus) -> str:
    """Return in a word or two why a channel was not told."""
    if one.state == "not_told":
        return (one.reason or "not told").replace("_", " ")
    return {"owed": "not yet", "given_up": "gave up", "undecided": "undecided"}[one.state]


def outcome(one: ChannelStatus) -> str:
    """Return what became of telling a channel, in sentences."""
    if one.state == "told" and one.at_ms is not None:
        how = "" if one.event in (None, "opened") else f" ({one.event.replace('_', ' ')})"
        said = f"told at {moment(one.at_ms)}{how}"
        said += f"; it said {one.answer}" if one.answer else ""
    else:
        said = f"{short(one)}: {one.sentence}"
        said += f" It said: {one.answer}" if one.answer else ""
    if one.resolved_ms is not None and one.event != "resolved":
        said += f"; told that it is over at {moment(one.resolved_ms)}"
    return said


def brief(epoch_ms: int) -> str:
    """Return a moment with its day, without its year."""
    try:
        return f"{datetime.fromtimestamp(epoch_ms / 1000, tz=UTC):%d %b %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"{epoch_ms} ms"


def _pairs(named: dict[str, str]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in named.items():
        shown = visible(value, "\n")
        table.add_row(Text(visible(name), style="dim"), Text(shown))
    console().print(table)


def _routing(one: AlertStatus) -> str:
    routing = one.breach.routing
    told = [", ".join(routing.channels) or "no channel"]
    told.append(f"cooldown {span(routing.cooldown_ms)}")
    told += [
        f"after {span(step.after_ms)} without an acknowledgement {', '.join(step.channels)}"
        for step in routing.escalation
    ]
    return "; ".join(told)


def _exemplar(one: Any) -> str:
    outcome = "" if one.success else f", failed: {one.error_type or 'no error type'}"
    return f"{one.id} ({one.duration_ms:g} ms{outcome})"


def _figure(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:,.6g}"


def _telling_fields(one: ChannelStatus) -> dict[str, Any]:
    return {
        "channel": one.channel,
        "state": one.state,
        "reason": one.reason,
        "sentence": one.sentence,
        "at": None if one.at_ms is None else rfc3339(one.at_ms),
        "until": None if one.until_ms is None else rfc3339(one.until_ms),
        "answer": one.answer,
        "told_of_end": None if one.resolved_ms is None else rfc3339(one.resolved_ms),
    }
