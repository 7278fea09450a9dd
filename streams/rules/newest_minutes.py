"""Fold the minutes after the settled ones into whether each rule fires by the newest minute."""

from collections.abc import Sequence

from streams.rules.firing import FiringState
from streams.rules.history import History
from streams.rules.reporter import RuleOnSeries
from streams.rules.series_state import SeriesState

#: The look goes back this many minutes, or twice `for` and `keep_firing_for` of a rule.
_REACH = 60

_Folded = tuple[FiringState, int]
"""A firing, and the last minute that was judged."""


class LiveFold:
    """The firing of each rule up to the minute before the newest, as far as it was folded."""

    def __init__(self, state: SeriesState, history: History, pairs: Sequence[RuleOnSeries]) -> None:
        """Fold by rules over a series' history."""
        self._state = state
        self._history = history
        self._pairs = pairs
        self._folded: list[_Folded] = []
        self._basis: tuple[int, int, int] | None = None
        self._next = 0

    def before_newest(self) -> list[_Folded]:
        """Return each rule's firing up to the minute before the newest, and when it was judged.

        Where finals are far behind only the last hour or two are looked at: what is before that is
        judged once it is final.
        """
        state = self._state
        basis = state.settled, state.newest // _REACH, self._history.changes
        if basis != self._basis or state.newest < self._next:
            self._folded = [(pair.state.firing, pair.state.judged) for pair in self._pairs]
            self._basis, self._next = basis, state.settled + 1
        self._folded = [self._fold(*both) for both in zip(self._pairs, self._folded, strict=True)]
        self._next = state.newest
        return self._folded

    def _fold(self, pair: RuleOnSeries, folded: _Folded) -> _Folded:
        rule, (firing, judged) = pair.rule, folded
        newest = self._state.newest
        reach = max(_REACH, 2 * (rule.wait + rule.linger))
        first = max(self._next, newest // _REACH * _REACH - reach)
        for minute in self._history.between(first, newest):
            verdict = rule.verdict(self._history, minute)
            firing, judged = rule.step(firing, judged, verdict, minute)
        return firing, judged
