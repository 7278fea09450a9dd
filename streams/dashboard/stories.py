"""Tell an alert's whole story, and find alerts by what people remember of them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.rules import SEVERITIES
from streams.audit.log import Log
from streams.audit.status import AlertStatus, ChannelStatus
from streams.audit.why import HistoryEntry, Undelivered, history
from streams.channels.wording import observed

#: The most alerts that a page lists.
MOST_ALERTS = 200


class AlertStory(NamedTuple):
    """An alert, and everything that happened to it."""

    status: AlertStatus
    observed: str
    entries: tuple[HistoryEntry, ...]
    """Of its newest episode, the newest first; what another entry says too is left out."""
    earlier: tuple[HistoryEntry, ...]
    """Of the episodes before."""
    episodes: int


def alert_story(log: Log, status: AlertStatus, letters: Iterable[Undelivered]) -> AlertStory:
    """Return the story of an alert, which stands as its status says."""
    breach = status.breach
    fingerprint = breach.fingerprint
    entries = [it for it in history(log, fingerprint, letters) if not it.minor]
    begins_ms = min(it.at_ms for it in entries if it.breach_id == breach.id)
    own = [
        it
        for it in entries
        if it.breach_id == breach.id or (it.breach_id is None and it.at_ms >= begins_ms)
    ]
    earlier = [it for it in entries if it not in own]
    return AlertStory(
        status=status,
        observed=observed(breach),
        entries=tuple(reversed(own)),
        earlier=tuple(reversed(earlier)),
        episodes=len({record.breach.id for record in log.breaches[fingerprint]}),
    )


class AlertList(NamedTuple):
    """The alerts that a page lists."""

    open: tuple[AlertStatus, ...]
    over: tuple[AlertStatus, ...]
    """The ones that resolved last first."""
    left_out: int
    """How many more there are."""


def listed_alerts(statuses: Sequence[AlertStatus], search: str, severity: str) -> AlertList:
    """Return the alerts that fit.

    Args:
        statuses: of all alerts, what needs somebody first.
        search: words that have to be somewhere in what is known of an alert.
        severity: the least; none: any.
    """
    words = search.casefold().split()
    least = SEVERITIES.index(severity) if severity in SEVERITIES else 0
    found = [
        status
        for status in statuses
        if SEVERITIES.index(status.breach.severity) >= least and _fits(status, words)
    ]
    firing = [status for status in found if status.state != "resolved"]
    over = [status for status in found if status.state == "resolved"]
    return AlertList(
        tuple(firing[:MOST_ALERTS]),
        tuple(over[:MOST_ALERTS]),
        max(0, len(firing) - MOST_ALERTS) + max(0, len(over) - MOST_ALERTS),
    )


def _fits(status: AlertStatus, words: Sequence[str]) -> bool:
    if not words:
        return True
    breach = status.breach
    channels = " ".join(it.channel for it in status.channels)
    text = (
        f"{breach.rule} {breach.rule.replace('_', ' ')} {breach.series} {breach.summary}"
        f" {breach.severity} {status.state} {status.by} {breach.fingerprint} {channels}"
    ).casefold()
    return all(word in text for word in words)


def notified(channels: Iterable[ChannelStatus]) -> list[tuple[str, str]]:
    """Return each channel and, in a word or two, what became of notifying it."""
    words = {"sent": "notified", "pending": "on its way", "failed": "gave up"}
    return [
        (it.channel, words.get(it.state) or (it.reason or "undecided").replace("_", " "))
        for it in channels
    ]
