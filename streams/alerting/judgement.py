"""Tell those who know of an alert that it is no longer judged, and when it is judged again.

An alert for which there are no operations any more goes on to fire: nobody knows that it is well.
PagerDuty's incident stays open and is sent nothing; an escalation goes on.

operations  x x x . . . . . . . x x
told        opened      not judged judged again
"""

from collections.abc import Iterator

from schemas.notifications import Event
from streams.alerting.notify import pending
from streams.alerting.outbox import OPENINGS, Telling, owe
from streams.alerting.state import Row, Told
from streams.alerting.transition import Turn


def tell_not_judged(turn: Turn, row: Row) -> None:
    """Tell that the newest episode is no longer judged, once within a cooldown."""
    breach = turn.table.newest(row)
    last_ms, cooldown_ms = row.not_judged_ms, breach.routing.cooldown_ms
    if row.awaits_judgement or (last_ms and turn.now_ms < last_ms + cooldown_ms):
        return
    if _tell(turn, row, "not_judged"):
        row.not_judged_ms, row.awaits_judgement = turn.now_ms, True


def tell_judged_again(turn: Turn, row: Row) -> None:
    """Tell who heard that it is no longer judged that it is again, and still true."""
    row.awaits_judgement = False
    _tell(turn, row, "judged_again")


def _tell(turn: Turn, row: Row, event: Event) -> bool:
    breach, is_told = turn.table.newest(row), False
    for told in list(_heard(turn, row)):
        waiting, flying = pending(turn, row, [told])
        if any(one.event in OPENINGS for one in waiting):
            why = f"{told.channel} is not told of the opening yet, so of nothing more ({event})."
            turn.say(row, "updated", why, channel=told.channel, event=event)
            continue
        telling = Telling(
            breach=breach,
            text=row.newest,
            channel=told.channel,
            event=event,
            level=told.level,
            incident=told.incident,
            after=flying.id if flying is not None else "",
        )
        owe(turn, row, telling)
        is_told = True
    return is_told


def _heard(turn: Turn, row: Row) -> Iterator[Told]:
    """Yield, a channel each, who may have heard of the newest episode; PagerDuty is left alone."""
    breach = turn.table.newest(row)
    by_channel = {
        one.channel: one
        for one in sorted(row.told, key=lambda one: one.level)
        if one.breach_id == breach.id and one.state != "failed" and not one.resolve
    }
    for told in by_channel.values():
        if not turn.has_incidents(told.channel):
            yield told
