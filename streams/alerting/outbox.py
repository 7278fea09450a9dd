"""Owe a channel a message: in its alert's row, in a message of its own or a shared one."""

from typing import NamedTuple

from schemas.breaches import Breach
from schemas.notifications import Event, Reason
from streams.alerting import timers
from streams.alerting.cooldown import marked
from streams.alerting.grouping import Place
from streams.alerting.state import Delivery, Mark, Row, Told, digest
from streams.alerting.transition import Turn, moment
from streams.channels.registry import traits

OPENINGS: tuple[Event, ...] = ("opened", "escalated")


class Telling(NamedTuple):
    """What is to be told to whom."""

    breach: Breach
    text: str
    """The breach's name in the row's texts."""
    channel: str
    event: Event
    level: int = 0
    incident: str = ""
    """Empty: its own, or that of the message it shares."""
    asked: tuple[str, ...] = ()
    """The channels that could not be reached before."""
    opening_untold: bool = False
    after: str = ""
    by: str = ""


def owe(turn: Turn, row: Row, telling: Telling, instead_of: Delivery | None = None) -> Delivery:
    """Put a delivery in the row, on record with the message it goes in; return it.

    Args:
        turn: the input being decided upon.
        row: the alert's.
        telling: what is told.
        instead_of: an unsent delivery whose place it takes.
    """
    delivery_id = _id(row, telling)
    family = "" if telling.after or instead_of else _family(turn, telling)
    place = Place("", turn.now_ms)
    if family:
        place = _open_place(turn, telling.channel, family, delivery_id)
    parcel = place.parcel or delivery_id
    own = f"{row.key}/{telling.breach.id}"
    shared = bool(place.parcel)
    delivery = Delivery(
        id=delivery_id,
        channel=telling.channel,
        event=telling.event,
        level=telling.level,
        breach_id=telling.breach.id,
        text=telling.text,
        severity=telling.breach.severity,
        incident=telling.incident or (parcel if shared else own),
        created_ms=turn.now_ms,
        not_before_ms=place.not_before_ms,
        deadline_ms=place.not_before_ms + _patience_ms(telling),
        parcel=parcel,
        head=parcel not in turn.table.parcels.members,
        after=telling.after,
        opening_untold=telling.opening_untold,
        family=family,
        storm=place.storm,
        asked=list(telling.asked),
        by=telling.by,
    )
    if instead_of is not None:
        replace(delivery, instead_of)
    row.deliveries = [*row.deliveries, delivery]
    _say(turn, row, delivery, shared=delivery.parcel != delivery.id, storm=place.storm)
    return delivery


def replace(new: Delivery, old: Delivery) -> None:
    """Let a delivery take the place of an unsent one: its message, times and attempts."""
    shared = old.parcel != old.id
    new.parcel = old.parcel if shared else new.id
    new.head = old.head if shared else True
    new.attempts, new.not_before_ms, new.ambiguous = old.attempts, old.not_before_ms, old.ambiguous
    new.deadline_ms = max(old.deadline_ms, new.deadline_ms if new.ambiguous else 0)
    new.incident = old.incident
    new.asked = old.asked
    new.after = ""


def cancel(
    turn: Turn,
    row: Row,
    delivery: Delivery,
    why: str,
    reason: Reason = "cancelled",
    until_ms: int | None = None,
) -> None:
    """End a delivery that is not to be told any more, on record."""
    delivery.outcome = "cancelled"
    delivery.finished_ms = turn.now_ms
    turn.say(row, reason, why, delivery=delivery, until_ms=until_ms)


def note_told(turn: Turn, row: Row, delivery: Delivery) -> None:
    """Note that a channel is owed an opening or an escalation: later it hears of its end."""
    new = Told(
        delivery.channel,
        delivery.breach_id,
        delivery.level,
        delivery.severity,
        delivery.event,
        delivery.incident,
        delivery.id,
        "owed",
        turn.now_ms,
    )
    same = (new.channel, new.breach_id, new.level)
    rest = [one for one in row.told if (one.channel, one.breach_id, one.level) != same]
    row.told = [*rest, new]


def set_mark(turn: Turn, row: Row, delivery: Delivery, cooldown_ms: int) -> None:
    """Begin, or prolong, the cooldown of what a channel is told."""
    until_ms = min(turn.now_ms + cooldown_ms, timers.NEVER_MS)
    mark = Mark(delivery.channel, delivery.severity, delivery.breach_id, until_ms)
    row.marks = marked(row.marks, mark, turn.now_ms)


def _open_place(turn: Turn, channel: str, family: str, delivery_id: str) -> Place:
    """Return the message to join; one that has been tried is joined no more."""
    known = turn.channels.by_name.get(channel)
    most = traits(known).max_alerts if known is not None else 1
    place = turn.table.parcels.groups.place(channel, family, delivery_id, turn.now_ms, most)
    head = turn.table.parcels.head_of(place.parcel) if place.parcel else None
    if head is not None and (head[1].claim is not None or head[1].attempts):
        return Place("", turn.now_ms)
    return place


def _family(turn: Turn, telling: Telling) -> str:
    """Return with what this shares messages; PagerDuty closes one incident at a time."""
    if telling.event in ("acknowledged", "test"):
        return ""
    if telling.event not in OPENINGS and turn.has_incidents(telling.channel):
        return ""
    return f"{telling.event}/{telling.level}" if telling.level else telling.event


def _patience_ms(telling: Telling) -> int:
    if telling.event == "resolved" and not telling.opening_untold:
        return timers.RESOLVE_DEADLINE_MS
    if telling.opening_untold:
        return max(timers.DEADLINE_MS.values())
    return timers.DEADLINE_MS[telling.breach.severity]


def _id(row: Row, telling: Telling) -> str:
    untold = "untold" if telling.opening_untold else ""
    parts = (
        row.key,
        telling.breach.id,
        telling.channel,
        telling.event,
        str(telling.level),
        telling.breach.severity,
        untold,
    )
    known = {one.id for one in row.deliveries}
    found, again = digest(*parts), 1
    while found in known:
        found, again = digest(*parts, str(again)), again + 1
    return found


def _say(turn: Turn, row: Row, delivery: Delivery, *, shared: bool, storm: bool) -> None:
    what = delivery.event.replace("_", " ")
    if delivery.opening_untold:
        what = "opened and resolved"
    whom, at = delivery.channel, moment(delivery.not_before_ms)
    breach = turn.table.text(row, delivery.text)
    if delivery.after:
        why = f"{whom} is told of it ({what}) once the message in flight is answered."
        turn.say(row, "due", why, breach=breach, delivery=delivery)
    elif storm:
        why = f"{whom} had too many messages within a minute: in one summary at {at}."
        turn.say(
            row, "storm", why, breach=breach, until_ms=delivery.not_before_ms, delivery=delivery
        )
    elif shared:
        why = f"Grouped ({what}): goes to {whom} with others in one message at {at}."
        turn.say(
            row, "grouped", why, breach=breach, until_ms=delivery.not_before_ms, delivery=delivery
        )
    else:
        why = f"{whom} is told ({what}), {delivery.severity}."
        turn.say(row, "due", why, breach=breach, delivery=delivery)
