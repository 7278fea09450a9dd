"""Hold one target partition's rows: packed at rest, unpacked while they are worked on."""

import sys
from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

from schemas.partials import Stats
from schemas.series import WindowSize
from streams.digests import STORED_LIMIT, Engine
from streams.rows import Minute, Row, pack_row, unpack_row
from streams.sizes import CHILD, MINUTE_MS, SIZE_MS, child_starts, window_start
from streams.stats import merge_stats

#: Unpacked rows kept beyond a beat, so that a busy series is not unpacked each second.
_KEPT_UNPACKED = 2_048


class Window(NamedTuple):
    """A window of a series."""

    size: WindowSize
    start_ms: int
    series: str

    @property
    def end_ms(self) -> int:
        """Where it ends, not included."""
        return self.start_ms + SIZE_MS[self.size]

    @property
    def five(self) -> "Window":
        """The five minutes whose row a minute is in."""
        return Window("5m", window_start("5m", self.start_ms), self.series)

    @property
    def row_key(self) -> bytes:
        """The key of its row, for five minutes or more."""
        return f"{self.size}/{self.start_ms}/{self.series}".encode()

    @classmethod
    def of_key(cls, key: bytes) -> "Window":
        """Return the window whose row_key it is."""
        size, start_ms, series = key.decode().split("/", 2)
        return cls(size, int(start_ms), sys.intern(series))  # type: ignore[arg-type]


def children_of(window: Window) -> Iterator[Window]:
    """Yield the windows that one of an hour or more is recomputed from."""
    size, series = CHILD[window.size], window.series
    for start_ms in child_starts(window.size, window.start_ms):
        yield Window(size, start_ms, series)


def minute_place(start_ms: int) -> int:
    """Return which of its five minutes a minute is."""
    return start_ms // MINUTE_MS % 5


class WindowRows:
    """The rows, by window. Changes gather until they are taken."""

    def __init__(self, packed: MutableMapping[bytes, bytes], engine: Engine) -> None:
        """Begin with what the table holds."""
        self._packed = packed
        self._engine = engine
        self._unpacked: dict[bytes, Row] = {}
        self._dirty: set[bytes] = set()
        self._changed: set[bytes] = set()
        self._deleted: list[bytes] = []

    def get(self, window: Window) -> Row | None:
        """Return a window's row, of five minutes or more, if there is one."""
        key = window.row_key
        row = self._unpacked.get(key)
        if row is None and key in self._packed:
            row = self._unpacked[key] = unpack_row(self._packed[key])
        return row

    def peek(self, window: Window) -> Row | None:
        """Return a window's row to be read only: it does not stay unpacked."""
        key = window.row_key
        row = self._unpacked.get(key)
        return unpack_row(self._packed[key]) if row is None and key in self._packed else row

    def create(self, window: Window) -> Row:
        """Return a new row for a window that has none."""
        row = self._unpacked[window.row_key] = Row()
        self.touch(window)
        return row

    def touch(self, window: Window) -> None:
        """Say that a window's row changed."""
        self._dirty.add(window.row_key)

    def delete(self, window: Window) -> None:
        """Drop a window's row."""
        key = window.row_key
        self._unpacked.pop(key, None)
        self._packed.pop(key, None)
        self._dirty.discard(key)
        self._changed.discard(key)
        self._deleted.append(key)

    def minute(self, window: Window) -> Minute | None:
        """Return a minute, unless it is unknown or sealed."""
        row = self.get(window.five)
        return row.minutes[minute_place(window.start_ms)] if row and row.minutes else None

    def stats(self, window: Window) -> Stats | None:
        """Return a window's sums as its row has them; None where there are none."""
        if window.size == "1m":
            minute = self.minute(window)
            return self._merged(minute.parts()) if minute else None
        row = self.get(window)
        return self._stats_of(row) if row else None

    def _stats_of(self, row: Row) -> Stats | None:
        if row.minutes is None:
            return row.stats
        return self._merged([part for minute in row.minutes if minute for part in minute.parts()])

    def _merged(self, parts: list[Stats]) -> Stats | None:
        return merge_stats(parts, self._engine, STORED_LIMIT) if parts else None

    def seal(self, window: Window) -> None:
        """Merge the minutes of five for good: no more can come."""
        row = self.get(window)
        if row is not None and row.minutes is not None:
            row.revision, row.stats, row.minutes = row.count(), self._stats_of(row), None
            self.touch(window)

    def recompute(self, window: Window) -> Row | None:
        """Compute a window of an hour or more from its children; None without any.

        All its children live as long as any of them can change.
        """
        children = [self.peek(child) for child in children_of(window)]
        total = sum(child.count() for child in children if child)
        row = self.get(window)
        if total > (row.revision if row else 0):
            each = [self._stats_of(child) if child else None for child in children]
            row = row or self.create(window)
            row.stats = self._merged([stats for stats in each if stats])
            row.revision = total
            row.children = [
                (one.count, one.count - one.successes) if one else (0, 0) for one in each
            ]
            self.touch(window)
        return row

    def take_changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what is to be written to the changelog, None to delete."""
        self._pack()
        changed, self._changed = self._changed, set()
        deleted, self._deleted = self._deleted, []
        yield from ((key, self._packed[key]) for key in changed)
        yield from ((key, None) for key in deleted if key not in self._packed)
        self.forget()

    def forget(self) -> None:
        """Keep no more than a few rows unpacked. A row in hand is stale after this."""
        if len(self._unpacked) > _KEPT_UNPACKED:
            self._pack()
            self._unpacked.clear()

    def _pack(self) -> None:
        for key in self._dirty:
            row = self._unpacked[key]
            row.revision = row.count()
            self._packed[key] = pack_row(row)
        self._changed |= self._dirty
        self._dirty.clear()
