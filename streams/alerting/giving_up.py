"""Decide what follows when a message cannot be told: a dead letter, and its channel's fallback."""

from dataclasses import dataclass

import orjson

from schemas.notifications import Event
from streams.alerting.cooldown import unmarked
from streams.alerting.holding import held
from streams.alerting.notify import acknowledged, tell_one
from streams.alerting.outbox import OPENINGS, Telling, note_told, owe
from streams.alerting.pipeline import refusal
from streams.alerting.resolve import succeed
from streams.alerting.state import Delivery, Row
from streams.alerting.transition import Turn


def give_up(turn: Turn, parcel: str, why: str, answer: str) -> None:
    """Give a message up for everyone it tells of; its head comes last."""
    head = turn.table.parcels.head_of(parcel)
    assert head is not None
    ambiguous, attempts = head[1].ambiguous, head[1].attempts
    for key, delivery_id in turn.table.parcels.members_of(parcel):
        row = turn.table.rows[key]
        delivery = row.delivery(delivery_id)
        assert delivery is not None
        delivery.ambiguous = delivery.ambiguous or ambiguous
        _give_up_one(turn, row, delivery, why, answer, attempts)
        turn.table.settle(row)


def _give_up_one(
    turn: Turn, row: Row, delivery: Delivery, why: str, answer: str, attempts: int
) -> None:
    delivery.claim = None
    delivery.outcome = "gave_up"
    delivery.finished_ms = turn.now_ms
    delivery.answer = answer
    delivery.attempts = attempts
    for told in row.told:
        if delivery.id in (told.delivery, told.resolve) and told.state == "owed":
            told.state = "maybe" if delivery.ambiguous else "failed"
    opens = delivery.event in OPENINGS or delivery.opening_untold
    heard = any(
        (one.channel, one.breach_id) == (delivery.channel, delivery.breach_id)
        and one.state in ("sent", "maybe")
        for one in row.told
    )
    if opens and not heard:
        row.marks = unmarked(row.marks, delivery.channel, delivery.breach_id)
    turn.say(
        row,
        "gave_up",
        f"{why} {_given_up(attempts)}",
        delivery=delivery,
        attempt=attempts,
        answer=answer or None,
        letter=letter_of(row, delivery),
    )
    succeed(turn, row, delivery, through=None if delivery.ambiguous else False)
    if opens or delivery.event == "severity_raised":
        _fall_back(turn, row, delivery)


def _given_up(attempts: int) -> str:
    if not attempts:
        return "Given up without an attempt."
    return f"Given up after {attempts} attempt{'s' if attempts > 1 else ''}."


def _fall_back(turn: Turn, row: Row, delivery: Delivery) -> None:
    channel = turn.channels.by_name.get(delivery.channel)
    name = channel.fallback if channel is not None else None
    asked = (*delivery.asked, delivery.channel)
    if not name or name in asked:
        return
    newest = turn.table.newest(row)
    fires = row.state != "resolved" and newest.id == delivery.breach_id
    opens = fires and not delivery.opening_untold
    event: Event = "escalated" if delivery.event == "escalated" else "opened"
    if opens and (
        acknowledged(turn, row, event, name) or held(turn, row, newest, event, delivery.level, name)
    ):
        return
    why = f"{name} is told instead of {delivery.channel}."
    turn.say(row, "fallback", why, channel=name, event=delivery.event)
    if opens:
        tell_one(turn, row, newest, event, delivery.level, name, asked)
    else:
        name_of_text = row.newest if newest.id == delivery.breach_id else delivery.text
        tell_of_both(turn, row, delivery, name_of_text, name, asked)


def tell_of_both(
    turn: Turn, row: Row, delivery: Delivery, text: str, channel: str, asked: tuple[str, ...]
) -> None:
    """Tell a channel, of an episode that is over, that it opened and resolved."""
    breach = turn.table.text(row, text)
    gone = turn.table.circuit(channel).gone
    refused = refusal(turn.channels, channel, breach.severity, gone=gone)
    if refused is not None:
        turn.say(row, refused.reason, refused.sentence, channel=channel, event="resolved")
        return
    heard = [one for one in row.told if (one.channel, one.breach_id) == (channel, breach.id)]
    if any(one.state != "failed" for one in heard):
        turn.say(row, "duplicate", f"{channel} is told of it already.", channel=channel)
        return
    telling = Telling(
        breach=breach,
        text=text,
        channel=channel,
        event="resolved",
        level=delivery.level,
        asked=asked,
        opening_untold=True,
    )
    new = owe(turn, row, telling)
    note_told(turn, row, new)
    row.told[-1].resolve = new.id


@dataclass(frozen=True, kw_only=True)
class _Letter:
    delivery: str
    channel: str
    event: Event
    attempts: int
    ambiguous: bool
    answer: str
    breach: object


def letter_of(row: Row, delivery: Delivery) -> bytes:
    """Return a dead letter: which delivery, what came of it, and the breach it told of."""
    letter = _Letter(
        delivery=delivery.id,
        channel=delivery.channel,
        event=delivery.event,
        attempts=delivery.attempts,
        ambiguous=delivery.ambiguous,
        answer=delivery.answer,
        breach=orjson.Fragment(row.texts[delivery.text]),
    )
    return orjson.dumps(letter)
