"""Decide what is due by the clock: holds that end, escalation, deadlines, leases, old rows."""

from streams.alerting import timers
from streams.alerting.delivery import lapse
from streams.alerting.giving_up import give_up
from streams.alerting.notify import tell, tell_again
from streams.alerting.state import Delivery, Row
from streams.alerting.transition import Turn, moment
from streams.alerting.waking import dropped_ms, escalates_ms, hold_ends_ms


def tick(turn: Turn) -> None:
    """Decide what is due, of so many rows at most: whoever asks looks again at what is due."""
    for _ in range(timers.ROWS_A_TICK):
        next_wake = turn.table.next_wake()
        if next_wake is None or next_wake[0] > turn.now_ms:
            return
        row = turn.table.rows[next_wake[1]]
        due_ms = dropped_ms(row)
        if due_ms is not None and due_ms <= turn.now_ms:
            turn.table.drop(row)
        else:
            _look_at(turn, row)


def _look_at(turn: Turn, row: Row) -> None:
    _expire(turn, row)
    _decide_again(turn, row)
    _escalate(turn, row)
    prune(row, turn.now_ms)
    turn.table.settle(row)


def _expire(turn: Turn, row: Row) -> None:
    for delivery in list(row.deliveries):
        if not (delivery.owed and delivery.head) or delivery.after:
            continue
        if delivery.claim is not None:
            if delivery.claim.lease_until_ms <= turn.now_ms:
                lapse(turn, row, delivery)
        elif delivery.deadline_ms <= turn.now_ms:
            why = f"{delivery.channel} could not be told until {moment(delivery.deadline_ms)}."
            give_up(turn, delivery.parcel, why, delivery.answer)


def _decide_again(turn: Turn, row: Row) -> None:
    ended = []
    for hold in row.holds:
        ends_ms = hold_ends_ms(turn.table, hold)
        if ends_ms is not None and ends_ms <= turn.now_ms:
            ended.append(hold)
    row.holds = [hold for hold in row.holds if hold not in ended]
    for hold in ended:
        tell_again(turn, row, hold)


def _escalate(turn: Turn, row: Row) -> None:
    while (due_ms := escalates_ms(turn.table, row)) is not None and due_ms <= turn.now_ms:
        steps = turn.table.newest(row).routing.escalation
        row.escalated += 1
        tell(turn, row, "escalated", row.escalated, steps[row.escalated - 1].channels)


def prune(row: Row, now_ms: int) -> None:
    """Forget what is over and of no use: deliveries, and whom an episode before was told."""
    row.deliveries = [one for one in row.deliveries if not _forgotten(one, now_ms)]
    newest = row.newest.rpartition("/")[0]
    kept = {one.id for one in row.deliveries}
    row.told = [
        one for one in row.told if not one.resolve or one.breach_id == newest or one.resolve in kept
    ]
    row.marks = [mark for mark in row.marks if mark.until_ms > now_ms]


def _forgotten(delivery: Delivery, now_ms: int) -> bool:
    gave_up = delivery.outcome == "gave_up"
    kept_ms = timers.GIVEN_UP_KEPT_MS if gave_up else timers.FINISHED_KEPT_MS
    return not delivery.owed and delivery.finished_ms + kept_ms <= now_ms
