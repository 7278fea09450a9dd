"""Hold one target partition's rows: packed at rest, unpacked while they are worked on."""

import sys
from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

from schemas.partials import Stats
from schemas.series import WindowSize
from streams.measure.digests import STORED_LIMIT, Engine
from streams.measure.rows import Minute, Row, pack_row, unpack_row
from streams.measure.sizes import CHILD, MINUTE_MS, SIZE_MS, SIZES, child_starts
from streams.measure.stats import merge_stats

_FIVE_MS = SIZE_MS["5m"]
#: A row's windows are merged from those of a size before it.
_DEPTH = {size.encode(): depth for depth, size in enumerate(SIZES)}
#: Rows kept unpacked while they are worked on, …
_KEPT_UNPACKED = 2_048
#: … and beyond: unpacked a row is ten times as large.
_KEPT_AT_REST = 256


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
        return Window("5m", self.start_ms - self.start_ms % _FIVE_MS, self.series)

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


def _depth(row_key: bytes) -> int:
    return _DEPTH[row_key[: row_key.index(b"/")]]


def minute_place(start_ms: int) -> int:
    """Return which of its five minutes a minute is."""
    return start_ms // MINUTE_MS % 5


class WindowRows:
    """The rows, by window. Changes gather until they are taken."""

    def __init__(self, packed: MutableMapping[bytes, bytes], engine: Engine) -> None:
        """Begin with what the table holds."""
        self._packed = packed
        self._engine = engine
        self._unpacked: dict[Window, Row] = {}
        self._dirty: set[Window] = set()
        self._changed: set[bytes] = set()
        self._deleted: list[bytes] = []

    def get(self, window: Window) -> Row | None:
        """Return a window's row, of five minutes or more, if there is one."""
        row = self._unpacked.get(window)
        if row is None and (packed := self._packed.get(window.row_key)) is not None:
            row = self._unpacked[window] = unpack_row(packed)
        return row

    def peek(self, window: Window) -> Row | None:
        """Return a window's row to be read only: it does not stay unpacked."""
        row = self._unpacked.get(window)
        if row is None and (packed := self._packed.get(window.row_key)) is not None:
            return unpack_row(packed)
        return row

    def create(self, window: Window) -> Row:
        """Return a new row for a window that has none."""
        row = self._unpacked[window] = Row()
        self.touch(window)
        return row

    def touch(self, window: Window) -> None:
        """Say that a window's row changed."""
        self._dirty.add(window)

    def delete(self, window: Window) -> None:
        """Drop a window's row."""
        key = window.row_key
        self._unpacked.pop(window, None)
        self._packed.pop(key, None)
        self._dirty.discard(window)
        self._changed.discard(key)
        self._deleted.append(key)

    def minute(self, window: Window) -> Minute | None:
        """Return a minute, unless it is unknown or sealed."""
        row = self.get(window.five)
        return row.minutes[minute_place(window.start_ms)] if row and row.minutes else None

    def stats(self, window: Window, row: Row | None = None) -> Stats | None:
        """Return the sums of a window of five minutes or more; None where there are none.

        Args:
            window: the window.
            row: its row, where that is at hand.
        """
        row = row or self.peek(window)
        if row is None:
            return None
        if row.stats is not None:
            return row.stats
        if row.minutes is not None:
            minutes = [minute for minute in row.minutes if minute]
            return self._merged([part for minute in minutes for part in minute.parts()])
        return self._merged([one for child in children_of(window) if (one := self.stats(child))])

    def stats_of_minute(self, minute: Minute) -> Stats | None:
        """Return the sums of a minute; None where there are none."""
        return self._merged(minute.parts())

    def _merged(self, parts: list[Stats]) -> Stats | None:
        return merge_stats(parts, self._engine, STORED_LIMIT) if parts else None

    def seal(self, window: Window) -> None:
        """Keep a window's sums for good: no more can come, and what they were merged from goes."""
        row = self.get(window)
        if row is not None and not row.sealed:
            row.revision, row.stats, row.minutes = row.count(), self.stats(window, row), None
            row.sealed = True
            self.touch(window)

    def recompute(self, window: Window) -> Row | None:
        """Count a window of an hour or more anew from its children; None without any.

        All its children live as long as any of them can change. An hour's sums are kept at once;
        those of larger windows are merged when asked for, and kept once they are sealed: the
        digests of days and weeks were most of the memory.
        """
        children = [self.peek(child) for child in children_of(window)]
        total = sum([child.count() for child in children if child])
        row = self.get(window)
        if total > (row.revision if row else 0):
            row = row or self.create(window)
            row.revision = total
            row.children = [
                (child.count(), child.failures()) if child else (0, 0) for child in children
            ]
            row.stats = None
            if window.size == "1h":
                row.stats = self.stats(window, row)
            self.touch(window)
        return row

    def take_changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what is to be written to the changelog, None to delete.

        A write that is cut off leaves a beginning of this: a row stands there only with the rows
        that it is merged from, and those go only once it stands there.
        """
        self._pack()
        changed, self._changed = sorted(self._changed, key=_depth), set()
        deleted, self._deleted = self._deleted, []
        yield from ((key, self._packed[key]) for key in changed)
        yield from ((key, None) for key in deleted if key not in self._packed)
        self.forget(_KEPT_AT_REST)

    def forget(self, kept: int | None = None) -> None:
        """Keep no more than a few rows unpacked. A row in hand is stale after this."""
        if len(self._unpacked) > (_KEPT_UNPACKED if kept is None else kept):
            self._pack()
            self._unpacked.clear()

    def _pack(self) -> None:
        for window in self._dirty:
            row = self._unpacked[window]
            row.revision = row.count()
            key = window.row_key
            self._packed[key] = pack_row(row)
            self._changed.add(key)
        self._dirty.clear()
