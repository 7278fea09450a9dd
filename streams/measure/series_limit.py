"""Admit series up to a limit, so that no producer's cardinality fills the memory.

Past the limit a new series counts in overflow instead. Totals (of operations `*`, and `*` by
confidence) are always admitted. Overflow belongs to the partition that refused the series, so its
name contains the partition: `*{platform="overflow-3"}`, `overflow-3{confidence="low"}`.
"""

from streams.measure.window_kind import OPERATIONS_WINDOWS, WindowKind

#: Refused names in a warning.
NAMED = 10
#: Refused series remembered by name; while there are more, no new series is admitted.
_REMEMBERED = 50_000


class Admission:
    """The series of one target partition."""

    def __init__(self, partition: int, limit: int, kind: WindowKind = OPERATIONS_WINDOWS) -> None:
        """Admit up to `limit` series of a kind."""
        self._kind = kind
        self._overflow = f"overflow-{partition}"
        self._limit = limit
        self._live: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._closed_until_ms: int | None = None
        self.refused_names: list[str] = []
        """Names refused since this was last emptied, for the warning."""

    def __len__(self) -> int:
        """Return how many series have rows."""
        return len(self._live)

    def place(self, series: str, end_ms: int) -> str:
        """Return the series to count in: its own, or overflow's.

        A refused series stays refused while overflow may hold a part of its counts.

        Args:
            series: the name.
            end_ms: the end of the five minutes to count in.
        """
        if series in self._live or series in self._kind.totals:
            return series
        is_refused = series in self._refused
        if not is_refused and len(self._live) < self._limit and self._closed_until_ms is None:
            return series
        overflow = self._kind.overflow_of(series, self._overflow)
        if not is_refused:
            if overflow == series:
                return series
            if len(self.refused_names) < NAMED:
                self.refused_names.append(series)
        if is_refused or len(self._refused) < _REMEMBERED:
            self._refused[series] = max(self._refused.get(series, 0), end_ms)
        else:
            self._close(end_ms)
        return overflow

    def resume(self, series: str, end_ms: int) -> None:
        """Admit no series while five minutes of overflow from before a restart can change.

        The names of the series in them are lost, and their partials may come again.
        """
        if (
            series not in self._kind.totals
            and self._kind.overflow_of(series, self._overflow) == series
        ):
            self._close(end_ms)

    def _close(self, end_ms: int) -> None:
        self._closed_until_ms = max(self._closed_until_ms or 0, end_ms)

    def forget(self, sealed_ms: int) -> None:
        """Forget refusals whose five minutes in overflow end by a time and are sealed."""
        if self._refused:
            self._refused = {
                name: end_ms for name, end_ms in self._refused.items() if end_ms > sealed_ms
            }
        if self._closed_until_ms is not None and self._closed_until_ms <= sealed_ms:
            self._closed_until_ms = None

    def enter(self, series: str) -> None:
        """Note a new row of a series."""
        self._live[series] = self._live.get(series, 0) + 1

    def leave(self, series: str) -> None:
        """Note that a row of a series is gone."""
        left = self._live.get(series, 0) - 1
        if left > 0:
            self._live[series] = left
        else:
            self._live.pop(series, None)
