"""Keep one target partition's windows: fold partials in, say what to publish, write and delete.

A shell drives it in beats. `apply` and `progress` as records come; then `advance`, `collect` what
to publish, `confirm` what the broker has, `retire`, and `take_changes` for the table:

    minute 12:00  |--events--|        grace       late data          nobody needs it
                  12:00  12:01  12:01:10 final ........ 13:06:10 sealed ... 14:01:10 deleted
"""

import heapq
from collections.abc import Iterator, MutableMapping
from typing import Literal, NamedTuple

import msgspec

from schemas.partials import PartialRow
from schemas.series import WindowSize
from streams.admission import Admission
from streams.aggregates import aggregate, aggregate_key
from streams.digests import Engine
from streams.rows import OWN, Minute, Row, published_as, revision_of
from streams.sizes import MINUTE_MS, PARENT, SIZE_MS, SIZES, TREND_SIZES, needed_until, window_start
from streams.trend import trend
from streams.watermarks import Watermarks
from streams.window_rows import Window, WindowRows, minute_place

#: How long after its first change a window that is not final is published.
INTERVAL_MS: dict[WindowSize, int] = {
    "1m": 1_000,
    "5m": 5_000,
    "1h": 30_000,
    "6h": 60_000,
    "24h": 60_000,
    "7d": 60_000,
}
_FIVE_MS = SIZE_MS["5m"]
STATE_PREFIX = b"~state/"


class Times(NamedTuple):
    """How late data may be, and how long a window waits for it before it is final."""

    lateness_ms: int
    future_ms: int
    grace_ms: int

    @property
    def kept_ms(self) -> int:
        """How long after its use a row is kept, since late data may still come."""
        return self.lateness_ms + self.future_ms + self.grace_ms


class Publication(NamedTuple):
    """A revision to publish; confirm it once the broker has it."""

    window: Window
    published: int
    key: bytes
    value: bytes


class State(msgspec.Struct, array_like=True, gc=False):
    """What a target partition knows besides its rows; it has a row of its own in the table."""

    version: int = 0
    """Only grows."""
    horizon_ms: int = 0
    """Minutes that could be late no more at this time are sealed or gone."""
    next_offset: dict[int, int] = {}  # noqa: RUF012 - msgspec copies an empty default
    """Of each source partition, the first offset that is not yet in the rows."""


class _Deadline(NamedTuple):
    at_ms: int
    order: int
    start_ms: int
    size: WindowSize
    action: Literal["seal", "expire"]


class Windows:
    """The windows of one target partition."""

    def __init__(  # noqa: PLR0913 - what a partition's windows depend on, and nothing else
        self,
        partition: int,
        sources: int,
        packed: MutableMapping[bytes, bytes],
        times: Times,
        engine: Engine,
        series_limit: int,
    ) -> None:
        """Begin with what the table holds; what is not known to be published is due at once.

        Args:
            partition: the target partition.
            sources: how many partitions `operations` has.
            packed: the partition's rows in the table; kept in step by take_changes.
            times: lateness, future and grace.
            engine: merges digests.
            series_limit: series admitted here.
        """
        self.watermarks = Watermarks(sources)
        self.admission = Admission(partition, series_limit)
        self.late_revisions = 0
        self._times = times
        self._engine = engine
        self._packed = packed
        self._state_key = STATE_PREFIX + str(partition).encode()
        self._state = State()
        self._rows = WindowRows(packed, engine)
        self._series_at: dict[tuple[WindowSize, int], list[str]] = {}
        self._pending: dict[WindowSize, dict[Window, int]] = {size: {} for size in SIZES}
        self._finals: list[tuple[int, int, int, WindowSize]] = []
        self._ends: list[_Deadline] = []
        self._advanced_ms = 0
        self._recover()

    # ------------------------------------------------------------------ taking in

    def apply(
        self, source: int, block: int, rows: list[PartialRow], now_ms: int
    ) -> list[PartialRow]:
        """Fold rows of a source's block in; return those that came after their minute's life."""
        told = self._state.next_offset.get(source, 0)
        return [
            row
            for row in rows
            if row.last_offset >= told and not self._apply_row(source, block, row, now_ms)
        ]

    def _apply_row(self, source: int, block: int, row: PartialRow, now_ms: int) -> bool:
        start_ms = row.minute * MINUTE_MS
        series = self.admission.place(row.series)
        member = OWN if series == row.series else row.series
        window = Window("1m", start_ms, series)
        five = window.five
        if five.end_ms + self._times.kept_ms <= self._state.horizon_ms:
            return False
        kept = self._rows.get(five) or self._create(five)
        if kept.stats is not None:
            return False  # sealed
        minutes = kept.minutes = kept.minutes or [None] * 5
        minute = minutes[minute_place(start_ms)]
        if minute is None:
            minute = minutes[minute_place(start_ms)] = Minute()
            self._await_final("1m", start_ms)
        if minute.apply(source, block, member, (row.last_offset, row.stats), self._engine):
            self._rows.touch(five)
            self._changed(window, now_ms)
            self._changed(five, now_ms)
        return True

    def progress(
        self,
        source: int,
        next_offset: int,
        watermark_ms: int | None,
        idle_at_ms: int | None,
        quiet_ms: int = 0,
    ) -> None:
        """Note that everything of a source before `next_offset` was applied, and its time."""
        self.watermarks.note(source, watermark_ms, idle_at_ms, quiet_ms)
        if next_offset > self._state.next_offset.get(source, 0):
            self._state.next_offset[source] = next_offset

    # ------------------------------------------------------------------ giving out

    def advance(self, now_ms: int) -> None:
        """Make due, as final, all windows whose end and grace every source has passed."""
        low = self.watermarks.low_ms
        if low is None:
            return
        self._advanced_ms = max(self._advanced_ms, low)
        while self._finals and self._finals[0][0] <= low:
            _, _, start_ms, size = heapq.heappop(self._finals)
            start = (size, start_ms) if size != "1m" else ("5m", window_start("5m", start_ms))
            pending = self._pending[size]
            pending.update(
                (Window(size, start_ms, name), now_ms) for name in self._series_at[start]
            )

    def collect(self, now_ms: int, *, finals_only: bool = False) -> Iterator[Publication]:
        """Yield what is due, children before their parents.

        What is yielded is due no more; what changes meanwhile becomes due again.

        Args:
            now_ms: the clock.
            finals_only: leave what is not final for later, since there is no time for it now.
        """
        for size in SIZES:
            pending = self._pending[size]
            for window in [one for one, due_ms in pending.items() if due_ms <= now_ms]:
                final = self._is_final(window)
                if finals_only and not final:
                    continue
                pending.pop(window, None)
                if publication := self._publication(window, final=final):
                    yield publication
                if parent := _parent(window):
                    self._changed(parent, now_ms)

    def confirm(self, publication: Publication) -> None:
        """Note that the broker has a publication."""
        window = publication.window
        minute = window.size == "1m"
        kept: Minute | Row | None = self._rows.minute(window) if minute else self._rows.get(window)
        if kept is not None and publication.published > kept.published:
            kept.published = publication.published
            self._rows.touch(window.five if minute else window)

    def retire(self) -> None:
        """Seal and delete what no late data can reach; what is yet to be published stays."""
        reached = self._advanced_ms
        while self._ends and self._ends[0].at_ms <= reached:
            end = self._ends[0]
            windows = [
                Window(end.size, end.start_ms, name)
                for name in self._series_at[end.size, end.start_ms]
            ]
            if self._owed(end, windows):
                reached = end.at_ms - 1
                break
            heapq.heappop(self._ends)
            if end.action == "seal":
                self._seal(end.start_ms, windows)
            else:
                self._expire(end, windows)
        self._state.horizon_ms = max(self._state.horizon_ms, reached)

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return what to write to the table's changelog, None to delete."""
        changes = list(self._rows.take_changes())
        state = self._state
        version = state.horizon_ms + sum(state.next_offset.values())
        if version > state.version:
            state.version = version
            packed = self._packed[self._state_key] = msgspec.msgpack.encode(state)
            changes.append((self._state_key, packed))
        return changes

    @property
    def held_finals(self) -> int:
        """How many windows' starts wait to be final while some source is unheard of."""
        return len(self._finals) if self.watermarks.low_ms is None else 0

    @property
    def oldest_due_ms(self) -> int | None:
        """When the window that waits the longest to be published became due."""
        return min((due for one in self._pending.values() for due in one.values()), default=None)

    # ------------------------------------------------------------------ windows

    def _create(self, window: Window) -> Row:
        self._enter(window)
        return self._rows.create(window)

    def _enter(self, window: Window) -> None:
        self.admission.enter(window.series)
        self._await_final(window.size, window.start_ms)
        self._series_at[window.size, window.start_ms].append(window.series)

    def _await_final(self, size: WindowSize, start_ms: int) -> None:
        """Set the deadlines of the windows with one size and start, once."""
        if (size, start_ms) in self._series_at:
            return
        self._series_at[size, start_ms] = []
        order, end_ms, kept_ms = SIZES.index(size), start_ms + SIZE_MS[size], self._times.kept_ms
        heapq.heappush(self._finals, (end_ms + self._times.grace_ms, order, start_ms, size))
        if size == "5m":
            heapq.heappush(self._ends, _Deadline(end_ms + kept_ms, order, start_ms, size, "seal"))
        if size != "1m":
            until_ms = needed_until(size, start_ms) + kept_ms
            heapq.heappush(self._ends, _Deadline(until_ms, order, start_ms, size, "expire"))

    def _is_final(self, window: Window) -> bool:
        low = self.watermarks.low_ms
        return low is not None and window.end_ms + self._times.grace_ms <= low

    def _changed(self, window: Window, now_ms: int) -> None:
        """Make a window due: at once if it was final, else after its interval."""
        if self._is_final(window):
            self._pending[window.size][window] = now_ms
        else:
            self._pending[window.size].setdefault(window, now_ms + INTERVAL_MS[window.size])

    def _owed(self, end: _Deadline, windows: list[Window]) -> bool:
        """Return whether any of the windows, or of their minutes, is yet to be published."""
        pending = self._pending[end.size]
        if any(window in pending for window in windows):
            return True
        if end.action == "expire":
            return False
        minutes = self._pending["1m"]
        starts = range(end.start_ms, end.start_ms + _FIVE_MS, MINUTE_MS)
        return bool(minutes) and any(
            Window("1m", start_ms, window.series) in minutes
            for window in windows
            for start_ms in starts
        )

    def _seal(self, start_ms: int, windows: list[Window]) -> None:
        for window in windows:
            self._rows.seal(window)
        for minute_ms in range(start_ms, start_ms + _FIVE_MS, MINUTE_MS):
            self._series_at.pop(("1m", minute_ms), None)

    def _expire(self, end: _Deadline, windows: list[Window]) -> None:
        del self._series_at[end.size, end.start_ms]
        for window in windows:
            self._rows.delete(window)
            self.admission.leave(window.series)

    # ------------------------------------------------------------------ publications

    def _publication(self, window: Window, *, final: bool) -> Publication | None:
        """Return what to publish of a window, None if that is known already or it is empty."""
        kept: Minute | Row | None
        if window.size == "1m":
            kept = self._rows.minute(window)
        elif window.size == "5m":
            kept = self._rows.get(window)
        else:
            kept = self._recompute(window)
        stats = self._rows.stats(window) if kept else None
        if kept is None or stats is None:
            return None
        published = published_as(stats.count, final=final)
        if published <= kept.published:
            return None
        self.late_revisions += final and kept.published % 2
        size, start_ms, series = window
        verdict = None
        if isinstance(kept, Row) and size in TREND_SIZES:
            before = self._rows.get(Window(size, start_ms - SIZE_MS[size], series))
            verdict = trend(before.children if before else [], _begun(kept.children))
        value = aggregate(series, size, start_ms, stats, verdict, self._engine, final=final)
        return Publication(window, published, aggregate_key(series, size, start_ms), value)

    def _recompute(self, window: Window) -> Row | None:
        known = self._rows.get(window) is not None
        row = self._rows.recompute(window)
        if row is not None and not known:
            self._enter(window)
        return row

    # ------------------------------------------------------------------ recovery

    def _recover(self) -> None:
        if packed := self._packed.get(self._state_key):
            self._state = msgspec.msgpack.decode(packed, type=State)
        in_children: dict[Window, int] = {}
        revisions: dict[Window, int] = {}
        keys = [key for key in self._packed if not key.startswith(STATE_PREFIX)]
        for window in map(Window.of_key, keys):
            until_ms = needed_until(window.size, window.start_ms) + self._times.kept_ms
            if until_ms <= self._state.horizon_ms:
                self._rows.delete(window)  # a former owner wrote it late
                continue
            self._enter(window)
            revision, published = revision_of(self._packed[window.row_key])
            revisions[window] = revision
            if parent := _parent(window):
                in_children[parent] = in_children.get(parent, 0) + revision
            if published // 2 < revision:
                self._pending[window.size][window] = 0
            if window.size == "5m":
                self._recover_minutes(window)
        for parent, revision in in_children.items():
            if revisions.get(parent, 0) < revision:
                self._pending[parent.size][parent] = 0

    def _recover_minutes(self, five: Window) -> None:
        row = self._rows.get(five)
        for place, minute in enumerate((row and row.minutes) or []):
            if minute is None:
                continue
            start_ms = five.start_ms + place * MINUTE_MS
            self._await_final("1m", start_ms)
            if minute.published // 2 < minute.count():
                self._pending["1m"][Window("1m", start_ms, five.series)] = 0
            for block in minute.open.values():
                self.admission.remember([name for name in block.members if name != OWN])
        self._rows.forget()


def _parent(window: Window) -> Window | None:
    """Return the window that is recomputed from this one; five minutes are their minutes' row."""
    size = PARENT.get(window.size)
    if size is None or size == "5m":
        return None
    return Window(size, window_start(size, window.start_ms), window.series)


def _begun(children: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the children without those after the last one that holds anything."""
    last = max((i for i, (count, _) in enumerate(children) if count), default=-1)
    return children[: last + 1]
