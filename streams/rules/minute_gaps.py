"""Say in which minutes of a gap something may change, so that work follows records, not minutes.

A minute without operations says nothing by most rules; what is about silence passes its threshold
at one minute, and a trailing window loses one after another of the minutes it still has:

    minute      10 11 12 13 14 15 ...
    operations   x  x  .  .  .  .  ...
    window: 3m         ^ has 10, 11   ^13: 10 has left   ^14: 11 has left, and nothing changes
"""

from collections.abc import Iterable, Iterator

from schemas.spans import MINUTE_MS
from streams.rules.compiled import CompiledRule
from streams.rules.firing import IDLE, LAPSE
from streams.rules.reporter import STALE_MS, RuleOnSeries
from streams.rules.series_state import RuleState, SeriesState

#: A breach that goes on is published again every this many minutes.
AGAIN = 5
#: A series of which nothing came for this many minutes is no more.
FORGOTTEN = 7 * 24 * 60


def next_change(
    pairs: Iterable[RuleOnSeries], state: SeriesState, first: int, end: int, timestamp_ms: int
) -> int:
    """Return the first minute of a gap in which something may change; its end if none.

    Args:
        pairs: the rules on the series.
        state: the series'.
        first: the gap's first minute.
        end: the minute after its last.
        timestamp_ms: of what says that nothing more comes.
    """
    fresh = -(-(timestamp_ms - STALE_MS) // MINUTE_MS) - 1
    return min(
        (
            minute
            for pair in pairs
            for minute in _changes(pair, state, first, fresh)
            if first <= minute < end
        ),
        default=end,
    )


def _changes(pair: RuleOnSeries, state: SeriesState, first: int, fresh: int) -> Iterator[int]:
    """Yield minutes, in no order, of which one is the first in which something may change."""
    if pair.rule.kind.needs_operations:
        yield from _lapses(*pair, state, first)
    elif pair.rule.kind.needs.in_silence:
        yield from _in_silence(*pair, first, fresh)
        yield from pair.rule.kind.silent_changes(state, first)


def _lapses(
    rule: CompiledRule, rule_state: RuleState, state: SeriesState, first: int
) -> Iterator[int]:
    firing, breach = rule_state.firing, rule_state.breach
    if firing.severity < 0 and firing != IDLE:
        yield max(first, rule_state.judged + LAPSE)
    if breach is None:
        return
    if breach.judged and not rule.keeps_firing and state.newest < first:
        yield max(first, max(rule_state.judged, breach.live) + LAPSE)
    yield max(first, state.last_active + FORGOTTEN)


def _in_silence(rule: CompiledRule, rule_state: RuleState, first: int, fresh: int) -> Iterator[int]:
    firing, breach = rule_state.firing, rule_state.breach
    for severity, since in enumerate(firing.since):
        if since and severity > firing.severity:
            yield max(first, since + rule.wait)
    for since in (firing.gone, firing.milder):
        if since:
            yield max(first, since + rule.linger)
    if breach is not None and firing.severity >= 0:
        yield max(first, fresh, 0 if breach.stale else breach.reported + AGAIN)
        yield breach.live
