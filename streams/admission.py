"""Decide which series are kept, so that no one's cardinality fills the memory.

Past the limit a new series counts in overflow instead. Totals (`*`, and `*` by confidence) are
always kept. Overflow lives in the partition that refused the series, so its name has the
partition in it: `*{platform="overflow-3"}`, `overflow-3{confidence="low"}`.
"""

from schemas.series import Series
from streams.series import ALL, parse_series, series_name

#: Of so many refused names the warning tells.
NAMED = 10
#: Refused series remembered one by one; beyond it they are judged anew each time.
_REMEMBERED = 200_000


class Admission:
    """The series of one target partition."""

    def __init__(self, partition: int, limit: int) -> None:
        """Admit up to `limit` series."""
        self._overflow = f"overflow-{partition}"
        self._limit = limit
        self._live: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self.refused_names: list[str] = []
        """Some names refused since this was last emptied, for the warning."""

    def __len__(self) -> int:
        """Return how many series have rows."""
        return len(self._live)

    def place(self, series: str) -> str:
        """Return the series to count in: its own, or overflow's.

        Once refused a series stays so: its block's earlier rows are in overflow.
        """
        if series in self._live:
            return series
        overflow = self._refused.get(series)
        if overflow is not None:
            return overflow
        if len(self._live) < self._limit or series.startswith(ALL + "{confidence") or series == ALL:
            return series
        overflow = self._overflow_of(parse_series(series))
        if overflow != series:
            self.remember([series])
            if len(self.refused_names) < NAMED:
                self.refused_names.append(series)
        return overflow

    def remember(self, refused: list[str]) -> None:
        """Keep series refused that were."""
        for series in refused:
            if len(self._refused) < _REMEMBERED:
                self._refused[series] = self._overflow_of(parse_series(series))

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

    def _overflow_of(self, series: Series) -> str:
        operation = ALL if series.operation == ALL else self._overflow
        if series.platform is not None:
            return series_name(operation, "platform", self._overflow)
        return series_name(operation, "confidence", series.confidence)
