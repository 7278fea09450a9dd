"""Decide who is told that an alert opened, rose in severity or was not acknowledged in time."""

from collections.abc import Iterable

from schemas.breaches import Breach, Step
from schemas.notifications import Event
from streams.alerting import timers
from streams.alerting.cooldown import cooling, cooling_sentence, forgiven
from streams.alerting.holding import held
from streams.alerting.outbox import Telling, cancel, note_told, owe, set_mark
from streams.alerting.pipeline import RANK, UNUSABLE, refusal
from streams.alerting.state import Delivery, Hold, Mark, Row, Told
from streams.alerting.transition import Turn


def tell(turn: Turn, row: Row, event: Event, level: int, channels: Iterable[str]) -> None:
    """Tell all channels of an opening or an escalation, or decide again later."""
    breach = turn.table.newest(row)
    names = list(dict.fromkeys(channels))
    if not names:
        turn.say(row, "no_channel", "The rule names no channel: nobody is told.", event=event)
        return
    if acknowledged(turn, row, event) or held(turn, row, breach, event, level):
        return
    for name in names:
        tell_one(turn, row, breach, event, level, name)


def tell_again(turn: Turn, row: Row, hold: Hold) -> None:
    """Decide again what was held; the hold is not in the row any more."""
    breach = turn.table.newest(row)
    if not hold.channel:
        routing = breach.routing
        steps = routing.escalation
        channels = routing.channels if not hold.level else step_channels(steps, hold.level)
        tell(turn, row, hold.event, hold.level, channels)
        return
    if acknowledged(turn, row, hold.event, hold.channel):
        return
    if not held(turn, row, breach, hold.event, hold.level, hold.channel):
        tell_one(turn, row, breach, hold.event, hold.level, hold.channel)


def tell_raised(turn: Turn, row: Row) -> None:
    """Tell that the severity rose: who was told hears so, who was not hears of the opening."""
    breach = turn.table.newest(row)
    if any(not hold.channel for hold in row.holds):
        return  # told to nobody for now; decided again, as it then stands
    told = [one.channel for one in row.told if one.breach_id == breach.id]
    names = list(dict.fromkeys([*breach.routing.channels, *told]))
    if held(turn, row, breach, "opened", 0):
        return
    row.holds = [hold for hold in row.holds if hold.channel not in names]
    for name in names:
        tell_one(turn, row, breach, "opened", 0, name)


def tell_added(turn: Turn, row: Row, before: Breach) -> None:
    """Tell the channels that another rule file routes an open alert to; the others know of it."""
    routed = turn.table.newest(row).routing.channels
    added = [name for name in routed if name not in before.routing.channels]
    if added and all(hold.channel for hold in row.holds):
        tell(turn, row, "opened", 0, added)


def tell_one(
    turn: Turn,
    row: Row,
    breach: Breach,
    event: Event,
    level: int,
    channel: str,
    asked: tuple[str, ...] = (),
) -> None:
    """Tell one channel, hold it for its cooldown, or say why not; a fallback may be told instead.

    Args:
        turn: the input being decided upon.
        row: the alert's.
        breach: its newest.
        event: opened or escalated.
        level: the escalation step, 0 for the opening.
        channel: who.
        asked: channels that could not be reached before.
    """
    gone = turn.table.circuit(channel).gone
    refused = refusal(turn.channels, channel, breach.severity, gone=gone)
    if refused is not None:
        turn.say(row, refused.reason, refused.sentence, channel=channel, event=event)
        if refused.fallback and refused.fallback not in (*asked, channel):
            why = f"{refused.fallback} is told instead of {channel}."
            turn.say(row, "fallback", why, channel=refused.fallback, event=event)
            tell_one(turn, row, breach, event, level, refused.fallback, (*asked, channel))
        elif refused.reason in UNUSABLE:
            row.holds = [*row.holds, Hold(event, channel, level, refused.reason, None)]
        return
    known = _known(row, breach, event, level, channel)
    unknown = known is not None and _was_dropped(row, known)
    if known is not None and not unknown:
        _tell_more(turn, row, breach, known)
        return
    marks = [*row.marks, *_about_to_be_told(turn, row, breach, channel)]
    marks = forgiven(marks, row.ended_by_us)
    mark = cooling(marks, channel, breach.severity, turn.now_ms)
    if mark is not None and event == "opened":
        why = cooling_sentence(mark)
        row.holds = [*row.holds, Hold(event, channel, level, "cooldown", mark.until_ms)]
        turn.say(row, "cooldown", why, channel=channel, event=event, until_ms=mark.until_ms)
        return
    telling = Telling(
        breach=breach,
        text=row.newest,
        channel=channel,
        event=event,
        level=level,
        incident=known.incident if known is not None else "",
        asked=asked,
    )
    delivery = owe(turn, row, telling)
    delivery.ambiguous = unknown
    note_told(turn, row, delivery)
    set_mark(turn, row, delivery, breach.routing.cooldown_ms)


def _about_to_be_told(turn: Turn, row: Row, breach: Breach, channel: str) -> list[Mark]:
    """Return marks for what the channel is still owed of earlier episodes: it may hear any time."""
    until_ms = min(turn.now_ms + breach.routing.cooldown_ms, timers.NEVER_MS)
    return [
        Mark(channel, one.severity, one.breach_id, until_ms)
        for one in row.deliveries
        if one.owed and one.channel == channel and one.breach_id != breach.id and _opens(one)
    ]


def _opens(delivery: Delivery) -> bool:
    return delivery.event not in ("resolved", "acknowledged") or delivery.opening_untold


def _tell_more(turn: Turn, row: Row, breach: Breach, told: Told) -> None:
    """Tell a channel that heard of the alert that it is worse now, if it is."""
    if RANK[breach.severity] <= RANK[told.severity]:
        why = f"{told.channel} is told of it already, as {told.severity}."
        turn.say(row, "duplicate", why, channel=told.channel, event=told.event)
        return
    waiting, flying = pending(turn, row, [told])
    opener = next((one for one in waiting if one.event == told.event and not one.after), None)
    for one in waiting:
        cancel(turn, row, one, "Its severity rose before it was sent: told as it stands now.")
    opens = told.state == "owed" and opener is not None
    telling = Telling(
        breach=breach,
        text=row.newest,
        channel=told.channel,
        event=told.event if opens else "severity_raised",
        level=told.level,
        incident=told.incident,
        after=flying.id if flying is not None else "",
    )
    delivery = owe(turn, row, telling, opener if opens else None)
    if opens:
        told.delivery = delivery.id
    told.severity = breach.severity
    set_mark(turn, row, delivery, breach.routing.cooldown_ms)


def pending(turn: Turn, row: Row, told: list[Told]) -> tuple[list[Delivery], Delivery | None]:
    """Return what a channel is still owed of an episode: what waits, and what is in flight."""
    places = {(one.channel, one.breach_id, one.level) for one in told}
    owed = [
        one
        for one in row.deliveries
        if one.owed and (one.channel, one.breach_id, one.level) in places
    ]
    flying = [one for one in owed if not one.after and turn.table.parcels.in_flight(one)]
    waiting = [one for one in owed if one not in flying]
    return waiting, flying[-1] if flying else None


def _known(row: Row, breach: Breach, event: Event, level: int, channel: str) -> Told | None:
    """Return what a channel was told of the episode; an escalation has its own level."""
    found = [
        one
        for one in row.told
        if one.channel == channel
        and one.breach_id == breach.id
        and one.state != "failed"
        and not one.resolve
        and (event == "opened" or one.level == level)
    ]
    return max(found, key=lambda one: one.level, default=None)


def _was_dropped(row: Row, told: Told) -> bool:
    """Whether it is not known that the channel heard, and it is not tried any more."""
    delivery = row.delivery(told.delivery)
    return told.state == "maybe" and (delivery is None or delivery.outcome == "cancelled")


def acknowledged(turn: Turn, row: Row, event: Event, channel: str | None = None) -> bool:
    """Whether nobody else is told since somebody works on it; then that is on record."""
    if row.state != "acknowledged":
        return False
    why = f"Acknowledged by {row.acknowledged_by}: nobody else is told."
    turn.say(row, "acknowledged", why, channel=channel, event=event)
    return True


def step_channels(steps: list[Step], level: int) -> list[str]:
    """Return whom an escalation's step tells; nobody if there is no such step any more."""
    return list(steps[level - 1].channels) if level <= len(steps) else []
