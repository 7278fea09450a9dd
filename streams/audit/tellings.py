"""Say of each channel whether it was told of an episode, and if not, why not."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from schemas.breaches import Breach
from schemas.notifications import Event, Notification, Reason, Untold

#: Decisions that tell nobody, or nobody yet.
HELD: frozenset[Reason] = frozenset(get_args(Untold))
_ON_ITS_WAY: frozenset[Reason] = frozenset({"due", "attempted", "retry"})
#: Told later, in a message with others.
_SHARED: frozenset[Reason] = frozenset({"grouped", "storm"})
#: These say nothing of whether a channel knows that it fires.
_ASIDE: frozenset[Event] = frozenset({"acknowledged", "test"})
_UNDECIDED = "Nothing is decided about it yet: does an alert worker run?"

TellingState = Literal["told", "owed", "given_up", "not_told", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What became of telling one channel of one episode."""

    channel: str
    state: TellingState
    reason: Reason | None
    sentence: str
    at_ms: int | None
    """When it was told, or that was decided."""
    until_ms: int | None = None
    answer: str | None = None
    event: Event | None = None
    resolved_ms: int | None = None
    """When it was told that it is over."""


def tellings(breach: Breach, decisions: Iterable[Notification]) -> list[Telling]:
    """Return a telling a channel: those the rule routes to first.

    Args:
        breach: the episode.
        decisions: about its alert, in their order.
    """
    found: dict[str, Telling] = {
        name: Telling(channel=name, state="undecided", reason=None, sentence=_UNDECIDED, at_ms=None)
        for name in breach.routing.channels
    }
    for one in decisions:
        if one.breach_id == breach.id and one.event not in _ASIDE:
            for name in breach.routing.channels if one.channel is None else [one.channel]:
                _take(found, name, one)
    return list(found.values())


def _take(found: dict[str, Telling], name: str, one: Notification) -> None:
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


def ends(one: Notification) -> bool:
    """Whether a decision ends the delivery that it is about: sent, given up or dropped."""
    on_its_way = one.reason in _ON_ITS_WAY | _SHARED or one.reason == "command_done"
    return one.delivery is not None and not on_its_way


def _telling(name: str, one: Notification) -> Telling:
    return Telling(
        channel=name,
        state=_state(one) or "undecided",
        reason=one.reason,
        sentence=one.sentence,
        at_ms=one.now_ms,
        until_ms=one.until_ms,
        answer=one.answer,
        event=one.event,
    )


def _state(one: Notification) -> TellingState | None:
    if one.reason == "sent":
        return "told"
    if one.reason == "gave_up":
        return "given_up"
    if one.reason in _ON_ITS_WAY or (one.delivery is not None and one.reason in _SHARED):
        return "owed"
    return "not_told" if one.reason in HELD else None
