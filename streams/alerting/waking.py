"""Say when a row is to be looked at by the clock, as things stand."""

from typing import TYPE_CHECKING

from streams.alerting import timers
from streams.alerting.inhibition import hides
from streams.alerting.state import CHANNEL, Hold, Row

if TYPE_CHECKING:
    from streams.alerting.table import Table


def wake_ms(table: "Table", row: Row) -> int | None:
    """Return when the row has something to decide, maybe in the past; None: never by itself."""
    times = [
        at_ms
        for at_ms in (
            *(hold_ends_ms(table, hold) for hold in row.holds),
            *_delivery_times(row),
            escalates_ms(table, row),
            dropped_ms(row),
        )
        if at_ms is not None
    ]
    return min(times, default=None)


def hold_ends_ms(table: "Table", hold: Hold) -> int | None:
    """Return when a hold is decided again."""
    if hold.reason == "inhibited":
        return hides_until_ms(table, hold.by)
    if hold.reason == "silenced":
        silence = table.rows.get(hold.by)
        return silence.silence.end_ms if silence is not None and silence.silence else 0
    return hold.until_ms


def hides_until_ms(table: "Table", key: str) -> int | None:
    """Return until when an alert hides others: None while it fires, 0 if it never did.

    What is over hides a while longer only if it hid anything when it last fired.
    """
    row = table.rows.get(key)
    if row is None or not row.newest:
        return 0
    if row.state == "resolved":
        return row.since_ms + timers.INHIBITION_AFTERMATH_MS if row.hid else 0
    if hides(table.newest(row)) is None:
        return 0
    return 0 if any(hold.reason == "stale" for hold in row.holds) else None


def escalates_ms(table: "Table", row: Row) -> int | None:
    """Return when the next escalation step is due."""
    if row.state != "firing" or any(_holds_all(hold) for hold in row.holds):
        return None
    steps = table.newest(row).routing.escalation
    if row.escalated >= len(steps):
        return None
    return row.firing_ms + steps[row.escalated].after_ms


def _holds_all(hold: Hold) -> bool:
    """Whether nobody is told while this holds: then escalation waits as well."""
    return not hold.channel


def _delivery_times(row: Row) -> list[int]:
    return [
        one.claim.lease_until_ms if one.claim is not None else one.deadline_ms
        for one in row.deliveries
        if one.owed and one.head and not one.after
    ]


def dropped_ms(row: Row) -> int | None:
    """Return when the row is of no use any more."""
    if row.key.startswith(CHANNEL) or row.decisions or row.state != "resolved":
        return None
    if row.holds or any(one.owed for one in row.deliveries):
        return None
    quiet_ms = max([row.since_ms, *(one.finished_ms for one in row.deliveries)])
    if row.silence is not None:
        quiet_ms = row.silence.end_ms
    quiet_ms += timers.QUIET_KEPT_MS
    until = [mark.until_ms for mark in row.marks]
    until += [
        one.finished_ms + timers.GIVEN_UP_KEPT_MS
        for one in row.deliveries
        if one.outcome == "gave_up"
    ]
    return min(max([quiet_ms, *until]), max(quiet_ms, row.since_ms + timers.RESOLVED_KEPT_MS))
