"""Decide what a breach's record means for its alert.

opened ---- firing ---- acknowledged
              |   raised   |
              |<-----------|
              |------ resolved ------|     another episode: opened
"""

from schemas.breaches import OUR_OWN, Breach
from streams.alerting.cooldown import forgiven
from streams.alerting.inhibition import hides
from streams.alerting.judgement import tell_judged_again, tell_not_judged
from streams.alerting.notify import tell, tell_added, tell_again, tell_raised
from streams.alerting.pipeline import RANK
from streams.alerting.resolve import resolve, text_name
from streams.alerting.state import Row, State
from streams.alerting.transition import Turn
from streams.episodes import place, remember


def take_breach(turn: Turn, row: Row, breach: Breach, raw: bytes) -> None:
    """Take a breach in: of one episode the larger revision stands, of two the later one."""
    current = turn.table.newest(row) if row.newest else None
    match place(current, row.revisions, breach):
        case "repeat":
            known = row.revisions[breach.id]
            why = f"Revision {breach.revision} of this episode is known: it is at {known}."
            turn.say(row, "duplicate", why, breach=breach)
        case "late":
            assert current is not None
            _take_late(turn, row, current, breach, raw)
        case "newest" if current is None or current.id == breach.id:
            _take_newest(turn, row, current, breach, raw)
        case "newest":
            _end_unsaid(turn, row, current)
            _take_newest(turn, row, None, breach, raw)


def _take_newest(turn: Turn, row: Row, before: Breach | None, breach: Breach, raw: bytes) -> None:
    was_over = before is not None and row.state == "resolved"
    _remember(row, breach)
    turn.table.set_newest(row, text_name(breach), raw, breach)
    if breach.state != "resolved":
        row.hid = hides(breach) is not None
    if breach.state == "resolved" and was_over:
        turn.say(row, "updated", "It is over already: nobody needs to hear of it again.")
    elif breach.state == "resolved":
        _become(turn, row, "resolved")
        resolve(turn, row, breach)
        if breach.why in OUR_OWN:
            row.marks = forgiven(row.marks, row.ended_by_us, breach.id)
            row.ended_by_us = breach.id
    elif before is None or was_over:
        _become(turn, row, "firing")
        row.firing_ms, row.escalated, row.acknowledged_by = turn.now_ms, 0, ""
        row.not_judged_ms, row.awaits_judgement = 0, False
        tell(turn, row, "opened", 0, breach.routing.channels)
    else:
        _take_update(turn, row, before, breach)


def _take_update(turn: Turn, row: Row, before: Breach, breach: Breach) -> None:
    rises = RANK[breach.severity] > RANK[before.severity]
    if rises and row.state == "acknowledged":
        _become(turn, row, "firing")
        row.firing_ms = turn.now_ms
        row.acknowledged_by = ""
    stale = [hold for hold in row.holds if hold.reason == "stale"]
    if stale and not breach.stale:
        row.holds = [hold for hold in row.holds if hold.reason != "stale"]
        for hold in stale:
            tell_again(turn, row, hold)
        return
    if rises:
        said = turn.said
        tell_raised(turn, row)
        if turn.said > said:
            return
    said = turn.said
    if breach.why == "rule_changed":
        tell_added(turn, row, before)
    elif not breach.judged:
        tell_not_judged(turn, row)
    elif row.awaits_judgement:
        tell_judged_again(turn, row)
    if turn.said > said:
        return
    why = f"It changed ({breach.why.replace('_', ' ')}), and nobody needs to hear of it."
    turn.say(row, "updated", why)


def _take_late(turn: Turn, row: Row, current: Breach, breach: Breach, raw: bytes) -> None:
    """Take in what belongs to an episode that a later one has followed."""
    _remember(row, breach)
    heard = any(one.breach_id == breach.id and not one.resolve for one in row.told)
    if heard and breach.state == "resolved":
        row.texts[text_name(breach)] = raw
        holds, row.holds = row.holds, []  # they are the later episode's
        resolve(turn, row, breach)
        row.holds = holds
        return
    why = f"Too late: episode {current.id} has followed this one."
    turn.say(row, "not_told", why, breach=breach)


def _end_unsaid(turn: Turn, row: Row, current: Breach) -> None:
    """End an episode whose end nobody said before another one began."""
    if row.state != "resolved":
        resolve(turn, row, current)


def _remember(row: Row, breach: Breach) -> None:
    spoken_of = {one.breach_id for one in row.told} | {row.newest.rpartition("/")[0]}
    row.revisions = remember(row.revisions, breach, spoken_of)


def _become(turn: Turn, row: Row, state: State) -> None:
    if row.state != state:
        row.state = state
        row.since_ms = turn.now_ms
