"""Decide who hears that an episode is over, or acknowledged: exactly those who heard of it."""

from schemas.breaches import Breach
from streams.alerting.notify import pending
from streams.alerting.outbox import OPENINGS, Telling, cancel, owe
from streams.alerting.pipeline import UNUSABLE
from streams.alerting.state import Delivery, Row, Told
from streams.alerting.transition import Turn

NOBODY = "-"
"""In Told.resolve: there is none to be told."""


def resolve(turn: Turn, row: Row, breach: Breach) -> None:
    """Tell everyone who was told of an episode that it is over; the row keeps the breach's text.

    Args:
        turn: the input being decided upon.
        row: the alert's.
        breach: the episode as it ended.
    """
    before = turn.said
    for hold in row.holds:
        if hold.reason in UNUSABLE:
            continue
        whom = hold.channel or "Anybody"
        why = f"It resolved before {whom} was told; held until then: {hold.reason}."
        channel = hold.channel or None
        turn.say(row, "cancelled", why, breach=breach, channel=channel, event=hold.event)
    row.holds = []
    told = [one for one in row.told if one.breach_id == breach.id and not one.resolve]
    groups: dict[tuple[str, str], list[Told]] = {}
    for one in told:
        incident = one.incident if turn.has_incidents(one.channel) else ""
        groups.setdefault((one.channel, incident), []).append(one)
    for (channel, _), heard in groups.items():
        _resolve_one(turn, row, breach, channel, heard)
    if turn.said == before:
        why = "It is over; nobody was told of it."
        turn.say(row, "not_told", why, breach=breach, event="resolved")


def _resolve_one(turn: Turn, row: Row, breach: Breach, channel: str, heard: list[Told]) -> None:
    if all(one.state == "failed" for one in heard):
        _nobody(heard)
        why = f"{channel} never got the opening, so it is not told of the end."
        turn.say(row, "not_told", why, breach=breach, channel=channel, event="resolved")
        return
    heard = [one for one in heard if one.state != "failed"]
    waiting, flying = pending(turn, row, heard)
    opener = next((one for one in waiting if one.event in OPENINGS and not one.after), None)
    untold = opener is not None and flying is None and all(one.state == "owed" for one in heard)
    for unsent in waiting:
        why = "The alert is over" + (": told together with its end." if untold else ".")
        cancel(turn, row, unsent, why)
    if not untold and flying is None and shared_still(turn, row, heard):
        _nobody(heard)
        why = "Its incident is shared with alerts that still fire: closed with the last of them."
        turn.say(row, "grouped", why, breach=breach, channel=channel, event="resolved")
        return
    last = max(heard, key=lambda one: one.level)
    telling = Telling(
        breach=breach,
        text=text_name(breach),
        channel=channel,
        event="resolved",
        level=last.level,
        incident=last.incident,
        opening_untold=flying is None and all(one.state != "sent" for one in heard),
        after=flying.id if flying is not None else "",
    )
    delivery = owe(turn, row, telling, opener if untold else None)
    for one in heard:
        one.resolve = delivery.id


def shared_still(turn: Turn, row: Row, heard: list[Told]) -> bool:
    """Whether other alerts fire under the same incident of PagerDuty."""
    if not turn.has_incidents(heard[0].channel):
        return False
    places = turn.table.incidents.get(heard[0].incident, set())
    return any(key != row.key for key, _, _ in places)


def succeed(turn: Turn, row: Row, before: Delivery, *, through: bool | None) -> None:
    """Let what waited for an answer go on, or take the place of what did not get through.

    Args:
        turn: the input being decided upon.
        row: the alert's.
        before: the delivery that was answered.
        through: whether it got through; None: nobody knows and it is not tried again.
    """
    for waiting in [one for one in row.deliveries if one.owed and one.after == before.id]:
        told = [one for one in row.told if one.resolve == waiting.id]
        if before.owed:
            _take_place(turn, row, before, waiting)
        elif through is False and before.event in OPENINGS:
            _nobody(told)
            cancel(turn, row, waiting, "Its opening could not be told, so there is nothing to add.")
        elif told and shared_still(turn, row, told):
            _nobody(told)
            why = "Its incident is shared with alerts that still fire: closed with the last."
            cancel(turn, row, waiting, why)
        else:
            waiting.after = ""
            waiting.not_before_ms = turn.now_ms
            waiting.opening_untold = waiting.event == "resolved" and through is None


def _take_place(turn: Turn, row: Row, before: Delivery, waiting: Delivery) -> None:
    """Tell what waited in place of what has to be tried again."""
    untold = before.event in OPENINGS and all(
        one.state == "owed" for one in row.told if one.delivery == before.id
    )
    cancel(turn, row, before, "It did not get through and more is to be told: in one message.")
    telling = Telling(
        breach=turn.table.text(row, waiting.text),
        text=waiting.text,
        channel=waiting.channel,
        event=before.event if untold and waiting.event != "resolved" else waiting.event,
        level=waiting.level,
        incident=waiting.incident,
        opening_untold=untold and waiting.event == "resolved",
    )
    cancel(turn, row, waiting, "Told in place of what did not get through.")
    delivery = owe(turn, row, telling, before)
    for one in row.told:
        if one.resolve == waiting.id:
            one.resolve = delivery.id
        if untold and one.delivery == before.id and delivery.event != "resolved":
            one.delivery = delivery.id


def acknowledge(turn: Turn, row: Row, breach: Breach, by: str, opening: str = "") -> None:
    """Let PagerDuty know that somebody works on it; other channels are not bothered.

    Args:
        turn: the input being decided upon.
        row: the alert's.
        breach: its newest.
        by: who.
        opening: only of what this delivery opened; empty: of all that was.
    """
    told = {
        (one.channel, one.incident): one
        for one in sorted(row.told, key=lambda one: one.level)
        if one.breach_id == breach.id
        and opening in ("", one.delivery)
        and one.state in ("sent", "maybe")
        and not one.resolve
        and turn.has_incidents(one.channel)
    }
    for (channel, _), one in told.items():
        telling = Telling(
            breach=breach,
            text=row.newest,
            channel=channel,
            event="acknowledged",
            level=one.level,
            incident=one.incident,
            by=by,
        )
        owe(turn, row, telling)


def text_name(breach: Breach) -> str:
    """Return the name under which a row keeps a breach."""
    return f"{breach.id}/{breach.revision}"


def _nobody(heard: list[Told]) -> None:
    for one in heard:
        one.resolve = NOBODY
