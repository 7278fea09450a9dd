"""Place times in tumbling windows, and say how long each window's row must live."""

from itertools import pairwise
from typing import get_args

from schemas.series import WindowSize

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

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
