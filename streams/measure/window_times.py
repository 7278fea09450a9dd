"""Place times in tumbling windows; name a window's parent, children, row and limits."""

import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, get_args

from schemas.series import WindowSize
from schemas.spans import DAY_MS, HOUR_MS, MINUTE_MS

SIZES: tuple[WindowSize, ...] = get_args(WindowSize)
SIZE_MS: dict[WindowSize, int] = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "1h": HOUR_MS,
    "6h": 6 * HOUR_MS,
    "24h": DAY_MS,
    "7d": 7 * DAY_MS,
}
PARENT: dict[WindowSize, WindowSize] = dict(pairwise(SIZES))
CHILD: dict[WindowSize, WindowSize] = {parent: child for child, parent in PARENT.items()}
#: Windows of these sizes are compared with the one before.
TREND_SIZES: frozenset[WindowSize] = frozenset(SIZES[2:])

#: The epoch was a Thursday; weeks start on Monday 00:00 UTC.
_WEEK_SHIFT_MS = 3 * DAY_MS


def window_start(size: WindowSize, time_ms: int) -> int:
    """Return the start of the window of a size that holds a time."""
    span = SIZE_MS[size]
    shift = _WEEK_SHIFT_MS if size == "7d" else 0
    return (time_ms + shift) // span * span - shift


def child_starts(size: WindowSize, start_ms: int) -> range:
    """Return the starts of the windows of the next smaller size inside a window."""
    return range(start_ms, start_ms + SIZE_MS[size], SIZE_MS[CHILD[size]])


def needed_until(size: WindowSize, start_ms: int) -> int:
    """Return when, but for late data, a window's row is of no more use.

    Its parent is computed from it until the parent ends, its successor's trend compares with it
    until the successor ends.
    """
    span = SIZE_MS[size]
    end = start_ms + span
    if parent := PARENT.get(size):
        end = window_start(parent, start_ms) + SIZE_MS[parent]
    return max(end, start_ms + 2 * span) if size in TREND_SIZES else end


class SeriesWindow(NamedTuple):
    """A window of a series."""

    size: WindowSize
    start_ms: int
    series: str

    @property
    def end_ms(self) -> int:
        """Where it ends, not included."""
        return self.start_ms + SIZE_MS[self.size]

    @property
    def five(self) -> "SeriesWindow":
        """The five minutes whose row holds a minute."""
        return SeriesWindow("5m", window_start("5m", self.start_ms), self.series)

    @property
    def row_key(self) -> bytes:
        """The key of its row, for five minutes or more."""
        return f"{self.size}/{self.start_ms}/{self.series}".encode()

    @classmethod
    def of_key(cls, key: bytes) -> "SeriesWindow":
        """Return the window whose row_key it is."""
        size, start_ms, series = key.decode().split("/", 2)
        return cls(size, int(start_ms), sys.intern(series))  # type: ignore[arg-type]


def children_of(window: SeriesWindow) -> Iterator[SeriesWindow]:
    """Yield the windows that one of an hour or more is recomputed from."""
    size, series = CHILD[window.size], window.series
    for start_ms in child_starts(window.size, window.start_ms):
        yield SeriesWindow(size, start_ms, series)


def parent_of(window: SeriesWindow) -> SeriesWindow | None:
    """Return the window that is recomputed from this one; five minutes are their minutes' row."""
    size = PARENT.get(window.size)
    if size is None or size == "5m":
        return None
    return SeriesWindow(size, window_start(size, window.start_ms), window.series)


def minute_place(start_ms: int) -> int:
    """Return which of its five minutes a minute is."""
    return start_ms // MINUTE_MS % 5


class TimeLimits(NamedTuple):
    """How far event time may be from a record's timestamp, and how long windows wait for data."""

    lateness_ms: int
    """How much older an event may be than its record."""
    future_ms: int
    """How far ahead of its record it may be."""
    grace_ms: int = 0
    """How long after its end a window waits before it is final."""

    @property
    def kept_ms(self) -> int:
        """How long after its last use a row stays, because late data may still come."""
        return self.lateness_ms + self.future_ms + self.grace_ms
