"""Keep one target partition's windows: apply partials; return what to publish, write and delete.

The agent calls `apply` and `progress` as records come. In each beat it calls `advance`, publishes
what `collect` yields, calls `confirm` for what the broker has, `retire`, and writes `take_changes`:

    minute 12:00  |--events--|        grace       late data          no longer used
                  12:00  12:01  12:01:10 final ........ 13:06:10 sealed ... 14:01:10 deleted
"""

from collections.abc import Iterator, MutableMapping
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec

from schemas.partials import PartialRow
from schemas.spans import MINUTE_MS
from streams.measure.aggregate import aggregate_key
from streams.measure.digests import Engine
from streams.measure.moved_partitions import MOVED_KEY, EarlierPartitions
from streams.measure.schedule import URGENT, Schedule
from streams.measure.series_limit import Admission
from streams.measure.trend import begun, trend
from streams.measure.watermarks import Reached, Watermarks
from streams.measure.window_kind import OPERATIONS_WINDOWS, WindowKind
from streams.measure.window_recovery import Recovery
from streams.measure.window_state import (
    OWN,
    MinuteState,
    RemovedRecords,
    WindowState,
    published_as,
    state_in,
    state_key,
)
from streams.measure.window_table import WindowTable
from streams.measure.window_times import (
    SIZE_MS,
    SIZES,
    TREND_SIZES,
    SeriesWindow,
    TimeLimits,
    children_of,
    minute_place,
    window_start,
)

_start_of = attrgetter("start_ms")


class WindowRevision(NamedTuple):
    """A window's revision to publish; confirm it once the broker has it."""

    window: SeriesWindow
    published: int
    """See published_as."""
    key: bytes
    value: bytes


class Windows:
    """The windows of one target partition."""

    def __init__(
        self,
        partition: int,
        sources: int,
        packed: MutableMapping[bytes, bytes],
        limits: TimeLimits,
        engine: Engine,
        series_limit: int,
        clock_ms: int | None = None,
        kind: WindowKind = OPERATIONS_WINDOWS,
    ) -> None:
        """Begin with what the table holds; what may be unpublished is due at once.

        Args:
            partition: the target partition.
            sources: how many partitions the source topic has.
            packed: the partition's rows in the table; take_changes updates it.
            limits: lateness, future and grace.
            engine: merges digests.
            series_limit: how many series are admitted here.
            clock_ms: minutes ahead of it do not show how far event time has come.
            kind: what the windows are of.
        """
        self._kind = kind
        self.watermarks = Watermarks(sources)
        self.admission = Admission(partition, series_limit, kind)
        self.late_revisions = 0
        self._limits = limits
        self._engine = engine
        self._packed = packed
        self._state_key, self._state = state_key(partition), state_in(packed, partition)
        self._written_horizon_ms = self._state.horizon_ms
        self._earlier = EarlierPartitions(partition, kind, packed.get(MOVED_KEY))
        self._table = WindowTable(packed, engine)
        self._schedule = Schedule(limits)
        recovered = Recovery(self._table, self._schedule, self.admission, self.watermarks)
        recovered.run(packed, self._earlier, self._state.horizon_ms, clock_ms)

    def apply(
        self, source: int, block: int, rows: list[PartialRow], now_ms: int, next_offset: int = 0
    ) -> list[PartialRow]:
        """Fold rows of a source's block in; return those that came after their minute was closed.

        A source sends a block only after all rows of the blocks before it. So rows from before the
        block, or from before `next_offset`, are repeats and are ignored.

        Args:
            source: the source partition.
            block: the block's first offset.
            rows: of the block, each cumulative.
            now_ms: the clock.
            next_offset: all rows whose last offset is before this were sent by now.
        """
        begin = self._state.reach(source, block)
        changed: dict[int, list[str]] = {}
        late = [
            row
            for row in rows
            if row.last_offset >= begin
            and not self._earlier.has(row.series, source, row.last_offset)
            and not self._apply_row(source, block, row, changed)
        ]
        self._state.reach(source, next_offset)
        for start_ms, names in changed.items():
            self._schedule.changed("1m", start_ms, names, now_ms)
            self._schedule.changed("5m", window_start("5m", start_ms), names, now_ms)
        return late

    def _apply_row(
        self, source: int, block: int, row: PartialRow, changed: dict[int, list[str]]
    ) -> bool:
        """Fold a row in; add its series to `changed` if its minute changed. False: it is late."""
        start_ms = row.minute * MINUTE_MS
        five_ms = window_start("5m", start_ms)
        end_ms = five_ms + SIZE_MS["5m"]
        horizon_ms = self._earlier.horizon_ms(row.series, self._state.horizon_ms)
        if end_ms + self._limits.kept_ms <= horizon_ms:
            return False
        series = self.admission.place(row.series, end_ms)
        member = OWN if series == row.series else row.series
        five = SeriesWindow("5m", five_ms, series)
        state = self._table.get(five) or self._table.create(self._enter(five))
        if state.sealed:
            return False  # a former owner wrote it late
        minutes = state.minutes = state.minutes or [None] * 5
        place = minute_place(start_ms)
        minute = minutes[place] = minutes[place] or MinuteState()
        if minute.apply(source, block, member, (row.last_offset, row.stats), self._engine):
            self._table.touch(five)
            changed.setdefault(start_ms, []).append(series)
        self._table.forget()
        return True

    def progress(self, reached: Reached) -> None:
        """Note that all rows of these sources before a time were applied."""
        self.watermarks.note(reached)

    def missing(self, removed: RemovedRecords) -> None:
        """Note records that windows may be missing."""
        self._state.note_removed(removed)

    def advance(self, now_ms: int) -> None:
        """Make due, as final, all windows whose end and grace every source has passed."""
        self._schedule.forget_published(now_ms)
        if (low_ms := self.watermarks.low_ms) is not None:
            self._schedule.advance(low_ms, now_ms)

    def collect(
        self, now_ms: int, *, finals_only: bool = False, urgent_only: bool = False
    ) -> Iterator[WindowRevision]:
        """Yield what is due, children before their parents, earlier windows before later ones.

        What was yielded becomes due again if it changes. The last `advance` decides what is final.

        Args:
            now_ms: the clock.
            finals_only: leave what is not final for the next time.
            urgent_only: only minutes that changed after a pause.
        """
        for size in SIZES[:1] if urgent_only else SIZES:
            # For rules a final minute means that all earlier minutes of the partition came before.
            due_ms = URGENT if urgent_only else now_ms
            due = sorted(self._schedule.due(size, due_ms), key=_start_of)
            for start_ms, windows in groupby(due, _start_of):
                changed: list[str] = []
                try:
                    for window in windows:
                        final = self._schedule.is_final(window)
                        if finals_only and not final:
                            continue
                        self._schedule.done(window)
                        revision = self._revision(window, final=final)
                        if revision is None:
                            continue
                        changed.append(window.series)
                        self._schedule.published(window, now_ms)
                        self._table.forget()
                        yield revision
                finally:  # also where the reader stops in between
                    if size != "5m":  # its minutes have made the larger windows due
                        self._schedule.changed_around(size, start_ms, changed, now_ms)

    def confirm(self, revision: WindowRevision) -> None:
        """Note that the broker has a revision."""
        window = revision.window
        state = self._table.state(window)
        if state is not None and revision.published > state.published:
            state.published = revision.published
            self._table.touch(window.five if window.size == "1m" else window)
        self._table.forget()

    def retire(self) -> None:
        """Refuse what is too late from now on; seal and delete what was written as refused.

        A write that is cut off may leave a sealed row without the state that belongs to it.
        """
        for action, window in self._schedule.endings(self._written_horizon_ms):
            if action == "seal":
                self._table.seal(window)
            else:
                self._table.delete(window)
                self.admission.leave(window.series)
            self._table.forget()
        self._schedule.settle()
        if self._schedule.settled_ms > self._state.horizon_ms:
            self._state.move_horizon(self._schedule.settled_ms)
            self.admission.forget(self._state.horizon_ms - self._limits.kept_ms)

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return what to write to the table's changelog, None to delete; the state stands last."""
        changes = list(self._table.take_changes())
        if self._state.has_new_version():
            packed = self._packed[self._state_key] = msgspec.msgpack.encode(self._state)
            changes.append((self._state_key, packed))
        self._written_horizon_ms = self._state.horizon_ms
        return changes

    @property
    def held_finals(self) -> int:
        """How many windows' starts cannot be final because a source has not reported."""
        return self._schedule.awaited_count if self.watermarks.low_ms is None else 0

    @property
    def minutes_due(self) -> int:
        """How many minutes changed and are yet to be published."""
        return self._schedule.minutes_due

    @property
    def rows_changed(self) -> int:
        """How many rows take_changes would return, or more."""
        return self._table.changed_count

    @property
    def oldest_due_ms(self) -> int | None:
        """When the window that waits the longest to be published became due."""
        return self._schedule.oldest_due_ms

    def _enter(self, window: SeriesWindow) -> SeriesWindow:
        self.admission.enter(window.series)
        self._schedule.enter(window)
        return window

    def _revision(self, window: SeriesWindow, *, final: bool) -> WindowRevision | None:
        """Return what to publish of a window; None if that is published or it is empty."""
        size, start_ms, series = window
        state = self._recompute(window) if size in TREND_SIZES else self._table.state(window)
        if state is None or published_as(state.count(), final=final) <= state.published:
            return None
        verdict = None
        baseline: tuple[str, ...] = ()
        if isinstance(state, WindowState) and size in TREND_SIZES:
            earlier = SeriesWindow(size, start_ms - SIZE_MS[size], series)
            before = self._table.peek(earlier) or WindowState()
            verdict = trend(before.children, begun(state.children))
            baseline = before.configurations()
        stats = self._table.shown_stats(window, state)
        assert stats is not None
        self.late_revisions += final and state.published % 2
        missing = self._state.missing_in(start_ms, window.end_ms)
        about = series, size, start_ms, stats, verdict, baseline
        value = self._kind.aggregate(*about, final=final, missing=missing)
        published = published_as(stats.sums.count, final=final)
        return WindowRevision(window, published, aggregate_key(series, size, start_ms), value)

    def _recompute(self, window: SeriesWindow) -> WindowState | None:
        """Compute a window of an hour or more, and before it those in it that changed."""
        for child in children_of(window):
            if child.size in TREND_SIZES and self._schedule.is_due(child):
                self._recompute(child)
        is_new = self._table.get(window) is None
        state = self._table.recompute(window)
        if state is not None and is_new:
            self._enter(window)
        return state
