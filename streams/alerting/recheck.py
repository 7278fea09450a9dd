"""Decide again, before each attempt, whether what a message says is still to be sent.

A message waits for its turn, for others to join it, for a retry. Meanwhile its alert may be
acknowledged, silenced, inhibited, resolved or updated; the row as it is now decides, not the row as
it was when the message was decided.
"""

from typing import NamedTuple

from schemas.breaches import Breach
from schemas.notifications import Event, Reason
from schemas.rules import SEVERITIES, Severity
from streams.alerting.cooldown import cooling, cooling_sentence, forgiven, unmarked
from streams.alerting.holding import suppression
from streams.alerting.notify import step_channels
from streams.alerting.outbox import OPENINGS, cancel
from streams.alerting.pipeline import RANK, refusal
from streams.alerting.resolve import acknowledge, succeed
from streams.alerting.state import Delivery, Hold, Row, Told
from streams.alerting.transition import Turn

PAGES = (*OPENINGS, "severity_raised")
"""What asks for somebody's attention."""


class Obstacle(NamedTuple):
    """Why a delivery is not to be sent as things stand."""

    reason: Reason
    sentence: str
    hold: Hold | None = None
    """What is decided again later; None: the delivery is over for good."""


def reconsider(turn: Turn, parcel: str) -> bool:
    """Drop what is not to be sent any more, and let the rest say what is true now.

    Return whether anything of the message is left.
    """
    maybe_heard = _maybe_heard(turn, parcel)
    for key, delivery_id in turn.table.parcels.members_of(parcel):
        row = turn.table.rows[key]
        delivery = row.delivery(delivery_id)
        assert delivery is not None
        obstacle = obstacle_to(turn, row, delivery)
        if obstacle is not None:
            maybe = maybe_heard or delivery.ambiguous
            drop(turn, row, delivery, obstacle, maybe_heard=maybe)
            turn.table.settle(row)
        elif _update(turn, row, delivery):
            turn.table.settle(row)
    return parcel in turn.table.parcels.members


def drop_acknowledged(turn: Turn, row: Row) -> None:
    """Drop what waits to be sent of an alert that was acknowledged just now."""
    parcels = turn.table.parcels
    for delivery in [one for one in row.deliveries if one.owed]:
        if delivery.event not in PAGES or delivery.after or parcels.in_flight(delivery):
            continue
        obstacle = obstacle_to(turn, row, delivery)
        if obstacle is not None:
            maybe = delivery.ambiguous or _maybe_heard(turn, delivery.parcel)
            drop(turn, row, delivery, obstacle, maybe_heard=maybe)


def obstacle_to(turn: Turn, row: Row, delivery: Delivery) -> Obstacle | None:
    """Return why a delivery is not to be sent as its alert is now, None if it is."""
    newest = turn.table.newest(row)
    whom = delivery.channel
    fires = row.state != "resolved" and newest.id == delivery.breach_id
    match delivery.event:
        case "test":
            return None
        case "resolved":
            why = f"It fires again before {whom} was told that it was over."
            return Obstacle("cancelled", why) if fires else None
        case "not_judged" | "judged_again":
            holds = fires and newest.judged == (delivery.event == "judged_again")
            why = f"That has changed before {whom} was told."
            return None if holds else Obstacle("cancelled", why)
        case "acknowledged":
            why = f"It is not acknowledged any more, so {whom} is not told that it is."
            acknowledged = fires and row.state == "acknowledged"
            return None if acknowledged else Obstacle("cancelled", why)
    if not fires:
        return Obstacle("cancelled", f"The alert was over before {whom} was told.")
    return _obstacle_to_page(turn, row, delivery, newest)


def _obstacle_to_page(turn: Turn, row: Row, delivery: Delivery, newest: Breach) -> Obstacle | None:
    whom = delivery.channel
    if row.state == "acknowledged":
        why = f"Acknowledged by {row.acknowledged_by} before it was sent: {whom} is not told."
        return Obstacle("acknowledged", why)
    gone = turn.table.circuit(whom).gone
    refused = refusal(turn.channels, whom, newest.severity, gone=gone)
    if refused is not None and refused.reason == "below_severity":
        return Obstacle("below_severity", refused.sentence)
    if delivery.event == "severity_raised" and not _raises(row, delivery, newest.severity):
        why = f"Its severity fell again before {whom} was told that it rose."
        return Obstacle("cancelled", why)
    if _is_unrouted(turn, row, delivery, newest):
        return Obstacle("cancelled", f"The rule does not route to {whom} any more.")
    event: Event = "opened" if delivery.event == "severity_raised" else delivery.event
    if RANK[newest.severity] < RANK[delivery.severity] and event == "opened":
        others = forgiven(row.marks, row.ended_by_us, newest.id)
        mark = cooling(others, whom, newest.severity, turn.now_ms)
        if mark is not None:
            why = f"It is {newest.severity} now: {cooling_sentence(mark)}"
            hold = Hold(event, whom, delivery.level, "cooldown", mark.until_ms)
            return Obstacle("cooldown", why, hold)
    found = suppression(turn, newest, event, delivery.level, whom)
    return Obstacle(found.hold.reason, found.sentence, found.hold) if found is not None else None


def drop(
    turn: Turn, row: Row, delivery: Delivery, obstacle: Obstacle, *, maybe_heard: bool
) -> None:
    """End a delivery that is not to be sent, on record; the row is yet to be settled.

    Args:
        turn: the input being decided upon.
        row: the alert's.
        delivery: not in flight.
        obstacle: why.
        maybe_heard: whether an attempt before may have got through: then its end will be told.
    """
    hold = obstacle.hold
    until_ms = hold.until_ms if hold is not None else None
    cancel(turn, row, delivery, obstacle.sentence, obstacle.reason, until_ms)
    if hold is not None:
        row.holds = [*row.holds, hold]
    for told in row.told:
        if told.delivery == delivery.id and told.state == "owed":
            told.state = "maybe" if maybe_heard else "failed"
        if told.resolve == delivery.id:
            told.resolve = ""  # it is still to be told of the end
            if delivery.opening_untold and told.state == "owed":
                told.state = "maybe" if maybe_heard else "failed"
        if delivery.event == "severity_raised" and _place(told) == _place(delivery):
            told.severity = told.heard or SEVERITIES[0]
    if not any(_heard(one) for one in row.told if _episode(one) == _episode(delivery)):
        row.marks = unmarked(row.marks, delivery.channel, delivery.breach_id)
    succeed(turn, row, delivery, through=None if maybe_heard else False)
    if maybe_heard and row.state == "acknowledged" and delivery.event in OPENINGS:
        acknowledge(turn, row, turn.table.newest(row), row.acknowledged_by, delivery.id)


def _update(turn: Turn, row: Row, delivery: Delivery) -> bool:
    """Let a page of what still fires say what is true of it now; return whether that is new."""
    if delivery.event not in PAGES or delivery.text == row.newest:
        return False
    severity = turn.table.newest(row).severity
    delivery.text, delivery.severity = row.newest, severity
    for told in row.told:
        if told.delivery == delivery.id or _place(told) == _place(delivery):
            told.severity = severity
    return True


def _is_unrouted(turn: Turn, row: Row, delivery: Delivery, newest: Breach) -> bool:
    """Whether the rule routed the delivery when it was decided, and does not any more."""
    if delivery.text == row.newest:
        return False
    was, now = (
        one.channels if not delivery.level else step_channels(one.escalation, delivery.level)
        for one in (turn.table.text(row, delivery.text).routing, newest.routing)
    )
    return delivery.channel in was and delivery.channel not in now


def _raises(row: Row, delivery: Delivery, severity: Severity) -> bool:
    """Whether a severity is higher than what the channel heard."""
    heard = [one.heard for one in row.told if _place(one) == _place(delivery) and one.heard]
    return not heard or RANK[severity] > RANK[heard[0]]


def _maybe_heard(turn: Turn, parcel: str) -> bool:
    head = turn.table.parcels.head_of(parcel)
    return head is not None and head[1].ambiguous


def _heard(told: Told) -> bool:
    return told.state in ("sent", "maybe")


def _place(one: Told | Delivery) -> tuple[str, str, int]:
    return one.channel, one.breach_id, one.level


def _episode(one: Told | Delivery) -> tuple[str, str]:
    return one.channel, one.breach_id
