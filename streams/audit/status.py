"""Say how each alert stands: firing, acknowledged, silenced or resolved, and who was told."""

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

#: Decisions that tell nobody, or nobody yet.
NOT_SENT: frozenset[Reason] = frozenset(get_args(NotSentReason))
#: These say nothing of whether a channel knows that it fires.
_ASIDE: frozenset[Event] = frozenset({"acknowledged", "test"})
_UNDECIDED = "Nothing is decided about it yet: does an alert worker run?"

ChannelOutcome = Literal["told", "owed", "given_up", "not_told", "undecided"]


@dataclass(frozen=True, kw_only=True)
class ChannelStatus:
    """What became of telling one channel of one episode."""

    channel: str
    state: ChannelOutcome
    reason: Reason | None
    sentence: str
    at_ms: int | None
    """When it was told, or that was decided."""
    until_ms: int | None = None
    answer: str | None = None
    event: Event | None = None
    resolved_ms: int | None = None
    """When it was told that it is over."""


def channel_statuses(breach: Breach, decisions: Iterable[Notification]) -> list[ChannelStatus]:
    """Return a telling a channel: those the rule routes to first.

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
    for one in decisions:
        if one.breach_id == breach.id and one.event not in _ASIDE:
            for name in breach.routing.channels if one.channel is None else [one.channel]:
                _take(found, name, one)
    return list(found.values())


def _take(found: dict[str, ChannelStatus], name: str, one: Notification) -> None:
    before = found.get(name)
    if one.event == "resolved":
        if one.reason == "sent":
            # Also where the opening could not be told in time: this message tells of both.
            told = before if before is not None and before.state == "told" else _telling(name, one)
            found[name] = replace(told, resolved_ms=one.now_ms)
        return
    if before is not None and before.state == "told":
        return
    state = _state(one)
    if state is None:
        return
    waits = before is not None and before.state == "owed" and not ends(one)
    if state == "not_told" and waits:
        return  # a further telling is held; the first is still on its way
    found[name] = _telling(name, one)


def _telling(name: str, one: Notification) -> ChannelStatus:
    return ChannelStatus(
        channel=name,
        state=_state(one) or "undecided",
        reason=one.reason,
        sentence=one.sentence,
        at_ms=one.now_ms,
        until_ms=one.until_ms,
        answer=one.answer,
        event=one.event,
    )


def _state(one: Notification) -> ChannelOutcome | None:
    if one.reason == "sent":
        return "told"
    if one.reason == "gave_up":
        return "given_up"
    if one.reason in ON_ITS_WAY or (one.delivery is not None and one.reason in SHARED):
        return "owed"
    return "not_told" if one.reason in NOT_SENT else None


def channels_gone(decisions: Iterable[Notification]) -> dict[str, str]:
    """Return why nothing is sent to each, by its name; the decisions come in their order."""
    found: dict[str, str] = {}
    for one in decisions:
        name = one.channel
        if name is None:
            continue
        if one.reason == "sent":
            found.pop(name, None)
        elif one.gave_up == "channel_gone":
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
    ended_by: str
    sentence: str
    """What the alert role answered."""


def alert_statuses(log: Log, now_ms: int) -> list[AlertStatus]:
    """Return all alerts: what needs somebody first, of those the worst, then the oldest."""
    quiet = [one for one in silence_statuses(log, now_ms) if one.state == "active"]
    found = [_standing(log, fingerprint, quiet) for fingerprint in log.breaches]
    return sorted(found, key=_urgency)


def alert_status(log: Log, fingerprint: str, now_ms: int) -> AlertStatus:
    """Return how one alert stands.

    Raises:
        KeyError: there is none.
    """
    log.newest(fingerprint)
    return next(one for one in alert_statuses(log, now_ms) if one.breach.fingerprint == fingerprint)


def silence_statuses(log: Log, now_ms: int) -> list[SilenceStatus]:
    """Return all silences in the order they were asked for."""
    ended = {
        told.command.silence: told for told in log.done() if isinstance(told.command, EndSilence)
    }
    found = []
    for offset, told in log.commands.items():
        silence = told.command
        if not isinstance(silence, Silence):
            continue
        answer, end = log.answers.get(offset), ended.get(silence.id)
        end_ms = silence.end_ms if end is None else min(silence.end_ms, end.at_ms)
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
            state = "pending" if now_ms < silence.start_ms else "active"
        found.append(
            SilenceStatus(
                silence=silence,
                state=state,
                end_ms=end_ms,
                ended_by="" if end is None else end.command.by,
                sentence="" if answer is None else answer.sentence,
            )
        )
    return found


def _standing(
    log: Log,
    fingerprint: str,
    quiet: list[SilenceStatus],
) -> AlertStatus:
    breach = log.newest(fingerprint)
    labels = labels_of(breach)
    silence = next((one for one in quiet if matches(one.silence.matchers, labels)), None)
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
        until_ms=silence.end_ms if silence is not None and state == "silenced" else None,
        channels=tuple(channel_statuses(breach, log.about(fingerprint))),
    )


def _urgency(one: AlertStatus) -> tuple[int, int, int]:
    breach = one.breach
    if one.state == "resolved":
        return _ORDER.index("resolved"), 0, -(breach.resolved_ms or 0)
    return _ORDER.index(one.state), -SEVERITIES.index(breach.severity), breach.opened_ms
