"""Say in which minutes of a gap something may change, so that work follows records, not minutes.

A minute without operations says nothing by most rules; what is about silence passes its threshold
at one minute, and a trailing window loses one after another of the minutes it still holds:

    minute      10 11 12 13 14 15 ...
    operations   x  x  .  .  .  .  ...
    window: 3m         ^ holds 10, 11   ^13: 10 has left   ^14: 11 has left, and nothing changes
"""

from collections.abc import Iterator

from schemas.rules import MetricThreshold, NoData, ServiceStatus
from streams.rules.compiled import CompiledRule
from streams.rules.firing import IDLE
from streams.rules.needs import FIVES_UP_TO, MINUTES_UP_TO
from streams.rules.series_state import RuleState, SeriesState

_MINUTE_MS = 60_000
_FIVE, _HOUR = 5, 60
#: What goes on is said again every so many minutes.
AGAIN = 5
#: After so many minutes in a row without enough to judge by nothing is known any more.
LAPSE = 5
#: A series of which nothing was heard for so many minutes is no more.
FORGOTTEN = 7 * 24 * 60


def turns(
    rule: CompiledRule, state: RuleState, row: SeriesState, first: int, fresh: int
) -> Iterator[int]:
    """Yield minutes, in no order, of which one is the first in which something may change.

    Args:
        rule: the rule.
        state: its state, up to the minute before the gap's first.
        row: the series'.
        first: the gap's first minute.
        fresh: the first minute of which what is said is no history.
    """
    if rule.needs_operations:
        yield from _lapses(rule, state, row, first)
    elif not isinstance(rule.rule, ServiceStatus):
        yield from _in_silence(rule, state, row, first, fresh)


def _lapses(rule: CompiledRule, state: RuleState, row: SeriesState, first: int) -> Iterator[int]:
    episode = state.episode
    if state.fold.severity < 0 and state.fold != IDLE:
        yield max(first, state.judged + LAPSE)
    if episode is None:
        return
    if episode.judged and not rule.keeps_firing and row.newest < first:
        yield max(first, max(state.judged, episode.live) + LAPSE)
    yield max(first, row.spoke + FORGOTTEN)


def _in_silence(
    rule: CompiledRule, state: RuleState, row: SeriesState, first: int, fresh: int
) -> Iterator[int]:
    fold, episode = state.fold, state.episode
    for severity, since in enumerate(fold.since):
        if since and severity > fold.severity:
            yield max(first, since + rule.hold)
    for since in (fold.gone, fold.milder):
        if since:
            yield max(first, since + rule.keep)
    if episode is not None and fold.severity >= 0:
        yield max(first, fresh, 0 if episode.stale else episode.told + AGAIN)
        yield episode.live
    if isinstance(rule.rule, NoData):
        yield row.spoke + rule.rule.after // _MINUTE_MS
    elif isinstance(rule.rule, MetricThreshold):
        yield from _leaves(rule.rule.window // _MINUTE_MS, row, first)


def _leaves(span: int, row: SeriesState, first: int) -> Iterator[int]:
    """Yield when a trailing window loses what it holds, or takes larger windows in its place."""
    if span <= MINUTES_UP_TO:
        yield from (at + span for at in row.minutes)
        return
    edge = _FIVE if span <= FIVES_UP_TO else _HOUR
    for windows in (row.minutes, row.fives, row.hours):
        yield from (at // edge * edge + span for at in windows)
        if any(at < first <= at + _HOUR for at in windows):
            yield first  # smaller windows may give way to a whole larger one
