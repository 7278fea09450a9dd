"""Say what is particular to windows of a kind: the names of their series, and what is published."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from schemas.aggregates import Trend
from schemas.partials import Stats
from schemas.series import WindowSize
from streams.measure.aggregate import aggregate
from streams.measure.series import ALL, TOTALS, is_series, overflow_of


class MakeAggregate(Protocol):
    """Makes the value that is published of a window."""

    def __call__(
        self,
        series: str,
        size: WindowSize,
        start_ms: int,
        stats: Stats,
        trend: Trend | None,
        baseline: tuple[str, ...],
        *,
        final: bool,
        missing: int,
    ) -> bytes:
        """Return the record's value.

        Args:
            series: its name.
            size: of the window.
            start_ms: of the window.
            stats: of the window; at least one event.
            trend: against the window before, of an hour or more.
            baseline: the configurations of the window before.
            final: whether no more is expected.
            missing: how many records may be missing, at most.
        """


class WindowKind(NamedTuple):
    """What is particular to windows of a kind."""

    is_series: Callable[[str], bool]
    """Whether a name is that of a series of this kind."""
    totals: frozenset[str]
    """The series that are always admitted."""
    overflow_of: Callable[[str, str], str]
    """Returns the series that counts what another one may not, by that one and overflow's name."""
    all_events: str
    """The series that has a row of every event."""
    events: str
    """What people call the events."""
    aggregate: MakeAggregate


OPERATIONS_WINDOWS = WindowKind(is_series, TOTALS, overflow_of, ALL, "operations", aggregate)
