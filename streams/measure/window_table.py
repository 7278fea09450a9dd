"""Hold one target partition's rows: packed at rest, unpacked while they are worked on."""

import math
from collections.abc import Iterator, MutableMapping

from schemas.partials import Stats
from streams.measure.centroids import STORED_LIMIT
from streams.measure.digests import Engine
from streams.measure.merge import merge_configurations, merge_stats
from streams.measure.window_state import MinuteState, WindowState, pack_window, unpack_window
from streams.measure.window_times import SIZES, SeriesWindow, children_of, minute_place

#: A row's windows are merged from those of a size before it.
_DEPTH = {size.encode(): depth for depth, size in enumerate(SIZES)}
#: Rows kept unpacked while they are worked on, …
_KEPT_UNPACKED = 2_048
#: … and beyond: unpacked a row is ten times as large.
_KEPT_AT_REST = 256


def _depth(row_key: bytes) -> int:
    return _DEPTH[row_key[: row_key.index(b"/")]]


class WindowTable:
    """The rows, by window. Changes gather until they are taken."""

    def __init__(self, packed: MutableMapping[bytes, bytes], engine: Engine) -> None:
        """Begin with what the table holds."""
        self._packed = packed
        self._engine = engine
        self._unpacked: dict[SeriesWindow, WindowState] = {}
        self._dirty: set[SeriesWindow] = set()
        self._changed: set[bytes] = set()
        self._deleted: list[bytes] = []

    def get(self, window: SeriesWindow) -> WindowState | None:
        """Return a window's row, of five minutes or more, if there is one."""
        row = self._unpacked.get(window)
        if row is None and (packed := self._packed.get(window.row_key)) is not None:
            row = self._unpacked[window] = unpack_window(packed)
        return row

    def peek(self, window: SeriesWindow) -> WindowState | None:
        """Return a window's row to be read only: it does not stay unpacked."""
        row = self._unpacked.get(window)
        if row is None and (packed := self._packed.get(window.row_key)) is not None:
            return unpack_window(packed)
        return row

    def create(self, window: SeriesWindow) -> WindowState:
        """Return a new row for a window that has none."""
        row = self._unpacked[window] = WindowState()
        self.touch(window)
        return row

    def touch(self, window: SeriesWindow) -> None:
        """Note that a window's row changed."""
        self._dirty.add(window)

    def delete(self, window: SeriesWindow) -> None:
        """Drop a window's row."""
        key = window.row_key
        self._unpacked.pop(window, None)
        self._packed.pop(key, None)
        self._dirty.discard(window)
        self._changed.discard(key)
        self._deleted.append(key)

    def minute(self, window: SeriesWindow) -> MinuteState | None:
        """Return a minute, unless it is unknown or sealed."""
        row = self.get(window.five)
        return row.minutes[minute_place(window.start_ms)] if row and row.minutes else None

    def state(self, window: SeriesWindow) -> MinuteState | WindowState | None:
        """Return a window's row, or a minute, unless that is unknown or sealed."""
        return self.minute(window) if window.size == "1m" else self.get(window)

    def stats(
        self, window: SeriesWindow, row: WindowState | None = None, room: float = 1
    ) -> Stats | None:
        """Return the sums of a window of five minutes or more; None where there are none.

        Args:
            window: the window.
            row: its row, where that is at hand.
            room: for the digest of five minutes that may change: see digests.merge.
        """
        row = row or self.peek(window)
        if row is None:
            return None
        if row.stats is not None:
            return row.stats
        if row.minutes is not None:
            minutes = [minute for minute in row.minutes if minute]
            return self._merged([part for minute in minutes for part in minute.parts()], room)
        return self._merged(
            [stats for child in children_of(window) if (stats := self.stats(child))]
        )

    def shown_stats(self, window: SeriesWindow, state: MinuteState | WindowState) -> Stats | None:
        """Return the sums of a window to be published now; None where there are none.

        The digest of one that may change is not joined to be stored: it is when it is published.
        """
        if isinstance(state, MinuteState):
            return self._merged(state.parts(), math.inf)
        return self.stats(window, state, math.inf)

    def _merged(self, parts: list[Stats], room: float = 1) -> Stats | None:
        return merge_stats(parts, self._engine, STORED_LIMIT, room) if parts else None

    def seal(self, window: SeriesWindow) -> None:
        """Keep a window's sums for good: no more can come, and what they were merged from goes."""
        row = self.get(window)
        if row is not None and not row.sealed:
            row.revision, row.stats, row.minutes = row.count(), self.stats(window, row), None
            row.sealed = True
            self.touch(window)

    def recompute(self, window: SeriesWindow) -> WindowState | None:
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
            row.seen = merge_configurations([it.configurations() for it in children if it])
            row.stats = None
            if window.size == "1h":
                row.stats = self.stats(window, row)
            self.touch(window)
        return row

    @property
    def changed_count(self) -> int:
        """How many rows changed since they were taken last, or more."""
        return len(self._changed) + len(self._dirty) + len(self._deleted)

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

    def forget(self, most: int | None = None) -> None:
        """Keep only a few rows unpacked. A row that was returned before must not be used after."""
        if len(self._unpacked) > (_KEPT_UNPACKED if most is None else most):
            self._pack()
            self._unpacked.clear()

    def _pack(self) -> None:
        for window in self._dirty:
            row = self._unpacked[window]
            row.revision = row.count()
            key = window.row_key
            self._packed[key] = pack_window(row)
            self._changed.add(key)
        self._dirty.clear()
