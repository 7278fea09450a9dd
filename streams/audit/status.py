"""Return how each alert stands, which channels were notified of it, and how silences stand."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from schemas.breaches import Breach
from schemas.commands import Acknowledge, EndSilence, Silence
from schemas.matchers import matches
from schemas.notifications import Event, Notification, NotSentReason, Reason
from schemas.rules import SEVERITIES
from streams.alerting.inputs import why_gone
from streams.alerting.pipeline import labels_of
from streams.audit.log import ON_ITS_WAY, SHARED, Log, ends

#: Decisions by which nothing is sent, or nothing yet.
NOT_SENT: frozenset[Reason] = frozenset(get_args(NotSentReason))
#: These say nothing of whether a channel knows that it fires.
_ASIDE: frozenset[Event] = frozenset({"acknowledged", "test"})
_UNDECIDED = "Nothing is decided about it yet: does an alert worker run?"

ChannelOutcome = Literal["sent", "pending", "failed", "not_sent", "undecided"]


@dataclass(frozen=True, kw_only=True)
class ChannelStatus:
    """Whether one channel was notified of one episode, and if not, why not."""

    channel: str
    state: ChannelOutcome
    reason: Reason | None
    sentence: str
    at_ms: int | None
    """When it was notified, or that was decided."""
    until_ms: int | None = None
    answer: str | None = None
    event: Event | None = None
    resolved_ms: int | None = None
    """When the end was delivered."""


def channel_statuses(breach: Breach, decisions: Iterable[Notification]) -> list[ChannelStatus]:
    """Return the status of each channel: those the rule routes to first.

    Args:
        breach: the episode.
        decisions: about its alert, in their order.
    """
    found: dict[str, ChannelStatus] = {
        name: ChannelStatus(
            channel=name, state="undecided", reason=None, sentence=_UNDECIDED, at_ms=None
        )
        for name in breach.routing.channels
    }
    for decision in decisions:
        if decision.breach_id == breach.id and decision.event not in _ASIDE:
            channel = decision.channel
            for name in breach.routing.channels if channel is None else [channel]:
                _take(found, name, decision)
    return list(found.values())


def _take(found: dict[str, ChannelStatus], name: str, decision: Notification) -> None:
    before = found.get(name)
    notified = before is not None and before.state == "sent"
    if decision.event == "resolved":
        if decision.reason == "sent":
            # Where the opening could not be delivered in time this message reports both.
            status = before if before is not None and notified else _status(name, decision)
            found[name] = replace(status, resolved_ms=decision.now_ms)
        return
    state = _state(decision)
    if notified or state is None:
        return
    waits = before is not None and before.state == "pending" and not ends(decision)
    if state == "not_sent" and waits:
        return  # a further notification is suppressed; the first is still on its way
    found[name] = _status(name, decision)


def _status(name: str, decision: Notification) -> ChannelStatus:
    return ChannelStatus(
        channel=name,
        state=_state(decision) or "undecided",
        reason=decision.reason,
        sentence=decision.sentence,
        at_ms=decision.now_ms,
        until_ms=decision.until_ms,
        answer=decision.answer,
        event=decision.event,
    )


def _state(decision: Notification) -> ChannelOutcome | None:
    if decision.reason == "sent":
        return "sent"
    if decision.reason == "gave_up":
        return "failed"
    grouped = decision.delivery is not None and decision.reason in SHARED
    if grouped or decision.reason in ON_ITS_WAY:
        return "pending"
    return "not_sent" if decision.reason in NOT_SENT else None


def channels_gone(decisions: Iterable[Notification]) -> dict[str, str]:
    """Return why nothing is sent to each, by its name; the decisions come in their order."""
    found: dict[str, str] = {}
    for decision in decisions:
        name = decision.channel
        if name is None:
            continue
        if decision.reason == "sent":
            found.pop(name, None)
        elif decision.gave_up == "channel_gone":
            found[name] = why_gone(name)
    return found


State = Literal["firing", "acknowledged", "silenced", "resolved"]
SilenceState = Literal["active", "pending", "expired", "ended", "refused", "unanswered"]
_ORDER: tuple[State, ...] = ("firing", "acknowledged", "silenced", "resolved")


@dataclass(frozen=True, kw_only=True)
class AlertStatus:
    """How an alert's newest episode stands."""

    breach: Breach
    state: State
    by: str
    """Who acknowledged or silenced it."""
    comment: str
    until_ms: int | None
    """When the silence ends."""
    channels: tuple[ChannelStatus, ...]


@dataclass(frozen=True, kw_only=True)
class SilenceStatus:
    """How a silence stands."""

    silence: Silence
    state: SilenceState
    end_ms: int
    """Earlier than the silence's own if it was ended."""
    until_ms: int | None
    """When what is in force now ends: by its schedule, or at its end."""
    ended_by: str
    sentence: str
    """What the alert role answered."""


def alert_statuses(log: Log, now_ms: int) -> list[AlertStatus]:
    """Return all alerts: what needs somebody first, of those the worst, then the oldest."""
    active = active_silences(log, now_ms)
    found = [status_under(log, fingerprint, active) for fingerprint in log.breaches]
    return sorted(found, key=urgency)


def alert_status(log: Log, fingerprint: str, now_ms: int) -> AlertStatus:
    """Return how one alert stands.

    Raises:
        KeyError: there is none.
    """
    log.newest(fingerprint)
    statuses = alert_statuses(log, now_ms)
    return next(status for status in statuses if status.breach.fingerprint == fingerprint)


def silence_statuses(log: Log, now_ms: int) -> list[SilenceStatus]:
    """Return all silences in the order they were asked for."""
    ended = {
        record.command.silence: record
        for record in log.done()
        if isinstance(record.command, EndSilence)
    }
    found = []
    for offset, record in log.commands.items():
        silence = record.command
        if not isinstance(silence, Silence):
            continue
        answer, end = log.answers.get(offset), ended.get(silence.id)
        end_ms = silence.end_ms if end is None else min(silence.end_ms, end.at_ms)
        until_ms = silence.until_ms(now_ms, end_ms)
        state: SilenceState
        if answer is None:
            state = "unanswered"
        elif answer.reason == "command_refused":
            state = "refused"
        elif end is not None and end_ms <= now_ms:
            state = "ended"
        elif end_ms <= now_ms:
            state = "expired"
        else:
            state = "pending" if until_ms is None else "active"
        found.append(
            SilenceStatus(
                silence=silence,
                state=state,
                end_ms=end_ms,
                until_ms=until_ms,
                ended_by="" if end is None else end.command.by,
                sentence="" if answer is None else answer.sentence,
            )
        )
    return found


def active_silences(log: Log, now_ms: int) -> list[SilenceStatus]:
    """Return the silences that hold now."""
    return [status for status in silence_statuses(log, now_ms) if status.state == "active"]


def status_under(log: Log, fingerprint: str, active: Iterable[SilenceStatus]) -> AlertStatus:
    """Return how one alert stands under the silences that hold.

    Raises:
        KeyError: there is none.
    """
    breach = log.newest(fingerprint)
    labels = labels_of(breach)
    silence = next((status for status in active if matches(status.silence.matchers, labels)), None)
    by = log.acknowledgement(fingerprint)
    state: State = "firing"
    command: Acknowledge | Silence | None = None
    if breach.state == "resolved":
        state = "resolved"
    elif by is not None:
        state, command = "acknowledged", by
    elif silence is not None:
        state, command = "silenced", silence.silence
    return AlertStatus(
        breach=breach,
        state=state,
        by="" if command is None else command.by,
        comment="" if command is None else command.comment,
        until_ms=silence.until_ms if silence is not None and state == "silenced" else None,
        channels=tuple(channel_statuses(breach, log.about(fingerprint))),
    )


def urgency(status: AlertStatus) -> tuple[int, int, int]:
    """Return what is smaller for an alert that needs somebody more."""
    breach = status.breach
    if status.state == "resolved":
        return _ORDER.index("resolved"), 0, -(breach.resolved_ms or 0)
    return _ORDER.index(status.state), -SEVERITIES.index(breach.severity), breach.opened_ms
