"""Decide whether an alert is told to nobody for now: stale, inhibited or silenced."""

from typing import NamedTuple

from schemas.breaches import Breach
from schemas.matchers import matches
from schemas.notifications import Event
from streams.alerting.silences import labels_of
from streams.alerting.state import Hold, Row
from streams.alerting.transition import Turn, moment
from streams.alerting.waking import hides_until_ms


class Suppression(NamedTuple):
    """What holds a notification, and why in a sentence."""

    hold: Hold
    sentence: str


def held(turn: Turn, row: Row, breach: Breach, event: Event, level: int, channel: str = "") -> bool:
    """Hold a telling if something holds it, on record; return whether it is held.

    Args:
        turn: the input being decided upon.
        row: the alert's.
        breach: its newest.
        event: what would be told.
        level: the escalation step.
        channel: empty: all that are routed to.
    """
    if breach.stale:
        why = "What is judged is long past: told only if it is still true."
        return _hold(turn, row, Suppression(Hold(event, channel, level, "stale", None), why))
    found = suppression(turn, breach, event, level, channel)
    return found is not None and _hold(turn, row, found)


def suppression(
    turn: Turn, breach: Breach, event: Event, level: int, channel: str
) -> Suppression | None:
    """Return what inhibits or silences a breach now, None if nothing does."""
    for key in turn.table.service_hidden_by(breach):
        until_ms = hides_until_ms(turn.table, key)
        if until_ms is None or until_ms > turn.now_ms:
            hider = turn.table.newest(turn.table.rows[key])
            why = f"Inhibited by {hider.rule} on {hider.series}: the service is down."
            hold = Hold(event, channel, level, "inhibited", until_ms, key)
            return Suppression(hold, why)
    if turn.table.silences:
        return _silenced(turn, breach, Hold(event, channel, level, "silenced", None))
    return None


def _silenced(turn: Turn, breach: Breach, hold: Hold) -> Suppression | None:
    labels = labels_of(breach)
    standing = []
    for key, silence in turn.table.silences.items():
        state = turn.table.rows[key].silence
        if state is None or not state.start_ms <= turn.now_ms < state.end_ms:
            continue
        if matches(silence.matchers, labels):
            standing.append((state.end_ms, key))
    if not standing:
        return None
    end_ms, key = max(standing)
    silence = turn.table.silences[key]
    said = f" ({silence.comment})" if silence.comment else ""
    why = f"Silenced by {silence.by} until {moment(end_ms)}{said}, silence {silence.id}."
    return Suppression(Hold(hold.event, hold.channel, hold.level, "silenced", end_ms, key), why)


def _hold(turn: Turn, row: Row, found: Suppression) -> bool:
    hold = found.hold
    row.holds = [*row.holds, hold]
    turn.say(
        row,
        hold.reason,
        found.sentence,
        channel=hold.channel or None,
        event=hold.event,
        until_ms=hold.until_ms,
    )
    return True
