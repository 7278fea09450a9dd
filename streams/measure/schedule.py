"""Schedule windows: when to publish them, when they are final, when to seal or delete them."""

import heapq
import sys
from collections import deque
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

from schemas.series import WindowSize
from schemas.spans import MINUTE_MS
from streams.measure.window_state import published_as
from streams.measure.window_times import (
    SIZE_MS,
    SIZES,
    SeriesWindow,
    TimeLimits,
    needed_until,
    parent_of,
    window_start,
)

#: How long after its first change a window that is not final is published.
INTERVAL_MS: dict[WindowSize, int] = {
    "1m": 1_000,
    "5m": 10_000,
    "1h": 30_000,
    "6h": MINUTE_MS,
    "24h": MINUTE_MS,
    "7d": MINUTE_MS,
}
#: A minute that was not published for this long is urgent once it changes: a failure after a pause.
_PAUSE_MS = 2_000
#: What is urgent is due at this time, before all others.
URGENT = 0
#: A window that ended longer ago than this is being caught up: nobody watches it grow.
_PAST_MS = MINUTE_MS
PAST_INTERVAL_MS = 5_000


#: What is a child of a larger window and does not keep its sums from the beginning.
_SEALED_SIZES: frozenset[WindowSize] = frozenset({"5m", "6h", "24h"})


Action = Literal["seal", "delete"]


class Ending(NamedTuple):
    """Rows of one size and start that are to be sealed or deleted at a time.

    At one time all are sealed, the smallest first, before any is deleted.
    """

    at_ms: int
    order: int
    start_ms: int
    size: WindowSize
    action: Action


class Schedule:
    """What is due of one target partition's windows, as the sources' time goes on."""

    def __init__(self, limits: TimeLimits) -> None:
        """Begin without windows, before all time."""
        self.reached_ms = 0
        """Up to here every source was read when `advance` was last called."""
        self.settled_ms = 0
        """What ends up to here changes no more, and may be sealed or deleted."""
        self._limits = limits
        self._series_at: dict[tuple[WindowSize, int], list[str]] = {}
        self._due: dict[WindowSize, dict[SeriesWindow, int]] = {size: {} for size in SIZES}
        self._finals: list[tuple[int, int, int, WindowSize]] = []
        self._published_ms: dict[SeriesWindow, int] = {}
        """When minutes that are not final were published, if it is no pause ago."""
        self._awaited: set[tuple[WindowSize, int]] = set()
        self._endings: list[Ending] = []
        self._settled: deque[Ending] = deque()

    # ------------------------------------------------------------------ rows come

    def enter(self, window: SeriesWindow) -> None:
        """Note a window's new row, of five minutes or more."""
        size, start_ms, series = window
        names = self._series_at.get((size, start_ms))
        if names is None:
            names = self._series_at[size, start_ms] = []
            order = SIZES.index(size)
            delete = Ending(self.expires_ms(window), len(SIZES) + order, start_ms, size, "delete")
            heapq.heappush(self._endings, delete)
            if size in _SEALED_SIZES:
                sealed_ms = window.end_ms + self._limits.kept_ms
                heapq.heappush(self._endings, Ending(sealed_ms, order, start_ms, size, "seal"))
        names.append(sys.intern(series))

    def expires_ms(self, window: SeriesWindow) -> int:
        """Return when a window's row is deleted."""
        return needed_until(window.size, window.start_ms) + self._limits.kept_ms

    # ------------------------------------------------------------------ to be published

    def is_final(self, window: SeriesWindow) -> bool:
        """Return whether every source has passed its end by the grace."""
        return window.end_ms + self._limits.grace_ms <= self.reached_ms

    def changed(self, size: WindowSize, start_ms: int, names: Collection[str], now_ms: int) -> None:
        """Make windows due: at once if they are final, else after their interval, and when final.

        Args:
            size: of all of them.
            start_ms: of all of them.
            names: their series.
            now_ms: the clock.
        """
        due = self._due[size]
        windows = [SeriesWindow(size, start_ms, name) for name in names]
        if windows and self.is_final(windows[0]):
            due.update(dict.fromkeys(windows, now_ms))
            return
        if not windows:
            return
        self.await_final(size, start_ms)
        interval_ms = INTERVAL_MS[size]
        if windows[0].end_ms + _PAST_MS < now_ms:
            interval_ms = max(interval_ms, PAST_INTERVAL_MS)
        elif size == "1m":
            for window in windows:
                is_busy = window in self._published_ms
                due.setdefault(window, now_ms + interval_ms if is_busy else URGENT)
            return
        for window in windows:
            due.setdefault(window, now_ms + interval_ms)

    def changed_around(
        self, size: WindowSize, start_ms: int, names: Collection[str], now_ms: int
    ) -> None:
        """Make due the windows of an hour and more that changed ones are part of: see changed."""
        for larger in SIZES[max(2, SIZES.index(size) + 1) :]:
            self.changed(larger, window_start(larger, start_ms), names, now_ms)

    def await_final(self, size: WindowSize, start_ms: int) -> None:
        """Make the windows of one size and start due once they are final."""
        if (size, start_ms) not in self._awaited:
            self._awaited.add((size, start_ms))
            at_ms = start_ms + SIZE_MS[size] + self._limits.grace_ms
            heapq.heappush(self._finals, (at_ms, SIZES.index(size), start_ms, size))

    def recover(self, window: SeriesWindow, revision: int, published: int) -> None:
        """Make due what is not known to be published, and once more when final if that is not."""
        if published < published_as(revision, final=False):
            self.changed(window.size, window.start_ms, (window.series,), 0)
        elif published < published_as(revision, final=True):
            self.await_final(window.size, window.start_ms)

    def advance(self, low_ms: int, now_ms: int) -> None:
        """Make due what is final now that every source has passed a time."""
        self.reached_ms = max(self.reached_ms, low_ms)
        ended: set[tuple[WindowSize, int]] = set()
        while self._finals and self._finals[0][0] <= self.reached_ms:
            _, _, start_ms, size = heapq.heappop(self._finals)
            self._awaited.discard((size, start_ms))
            ended.add((size, start_ms))
            at: tuple[WindowSize, int]
            at = (size, start_ms) if size != "1m" else ("5m", window_start("5m", start_ms))
            names = self._series_at.get(at, [])
            self._due[size].update((SeriesWindow(size, start_ms, name), now_ms) for name in names)
        for size in {size for size, _ in ended}:  # those that have no row yet
            due = self._due[size]
            due.update((window, now_ms) for window in list(due) if (size, window.start_ms) in ended)

    def due(self, size: WindowSize, now_ms: int) -> list[SeriesWindow]:
        """Return the windows of a size that are due."""
        return [window for window, due_ms in self._due[size].items() if due_ms <= now_ms]

    def is_due(self, window: SeriesWindow) -> bool:
        """Return whether a window changed and is to be published, now or later."""
        return window in self._due[window.size]

    def done(self, window: SeriesWindow) -> None:
        """Note that a window is no longer due."""
        self._due[window.size].pop(window, None)

    def published(self, window: SeriesWindow, now_ms: int) -> None:
        """Note what is published now: a minute that is not final is urgent after a pause."""
        if window.size == "1m" and not self.is_final(window):
            self._published_ms[window] = now_ms

    def forget_published(self, now_ms: int) -> None:
        """Forget which minutes were published a pause ago."""
        self._published_ms = {
            minute: published_ms
            for minute, published_ms in self._published_ms.items()
            if published_ms + _PAUSE_MS > now_ms
        }

    @property
    def minutes_due(self) -> int:
        """How many minutes changed and are to be published, now or later."""
        return len(self._due["1m"])

    @property
    def awaited_count(self) -> int:
        """How many sizes and starts have windows that wait to be final."""
        return len(self._finals)

    @property
    def oldest_due_ms(self) -> int | None:
        """When the window that waits the longest became due, or will; urgent ones do not wait."""
        times = (due_ms for due in self._due.values() for due_ms in due.values())
        return min((due_ms for due_ms in times if due_ms != URGENT), default=None)

    # ------------------------------------------------------------------ rows go

    def settle(self) -> None:
        """Move `settled_ms` to the sources' time.

        It stops before a time at which a window would end that is yet to be published, or whose
        parent is yet to be computed from it.
        """
        while self._endings and self._endings[0].at_ms <= self.reached_ms:
            at_ms = self._endings[0].at_ms
            together: list[Ending] = []
            while self._endings and self._endings[0].at_ms == at_ms:
                together.append(heapq.heappop(self._endings))
            if any(self._is_wanted(window) for end in together for window in self._windows_of(end)):
                for end in together:
                    heapq.heappush(self._endings, end)
                self.settled_ms = max(self.settled_ms, at_ms - 1)
                return
            self._settled += together
        self.settled_ms = max(self.settled_ms, self.reached_ms)

    def endings(self, until_ms: int) -> Iterator[tuple[Action, SeriesWindow]]:
        """Yield what to seal and delete of what is settled up to a time, the earliest first."""
        while self._settled and self._settled[0].at_ms <= until_ms:
            end = self._settled.popleft()
            windows = self._windows_of(end)
            if end.action == "delete":
                del self._series_at[end.size, end.start_ms]
            for window in windows:
                yield end.action, window

    def _windows_of(self, end: Ending) -> list[SeriesWindow]:
        names = self._series_at[end.size, end.start_ms]
        return [SeriesWindow(end.size, end.start_ms, name) for name in names]

    def _is_wanted(self, window: SeriesWindow) -> bool:
        """Return whether a window, a minute of it or its parent is yet to be published."""
        if window in self._due[window.size]:
            return True
        parent = parent_of(window)
        if parent is not None and parent in self._due[parent.size]:
            return True
        minutes = self._due["1m"]
        if window.size != "5m" or not minutes:
            return False
        starts = range(window.start_ms, window.end_ms, MINUTE_MS)
        return any(SeriesWindow("1m", start_ms, window.series) in minutes for start_ms in starts)
