"""Keep one target partition's windows: fold partials in, say what to publish, write and delete.

A shell drives it in beats. `apply` and `progress` as records come; then `advance`, `collect` what
to publish, `confirm` what the broker has, `retire`, and `take_changes` for the table:

    minute 12:00  |--events--|        grace       late data          nobody needs it
                  12:00  12:01  12:01:10 final ........ 13:06:10 sealed ... 14:01:10 deleted
"""

from collections.abc import Iterator, MutableMapping
from itertools import groupby
from typing import NamedTuple

import msgspec

from schemas.partials import PartialRow
from streams.measure.admission import Admission
from streams.measure.aggregates import aggregate, aggregate_key
from streams.measure.digests import Engine
from streams.measure.rows import OWN, Minute, Removed, Row, State, published_as, revision_of
from streams.measure.schedule import Schedule, Times, parent_of
from streams.measure.sizes import MINUTE_MS, SIZE_MS, SIZES, TREND_SIZES, needed_until, window_start
from streams.measure.trend import trend
from streams.measure.watermarks import Reached, Watermarks
from streams.measure.window_rows import Window, WindowRows, children_of, minute_place

__all__ = ["Publication", "Times", "Windows"]

#: A target partition's state stands in the table beside its rows.
_STATE_PREFIX = b"~state/"
#: So many gaps in the sources' logs are kept in mind.
_MAX_REMOVED = 100


class Publication(NamedTuple):
    """A revision to publish; confirm it once the broker has it."""

    window: Window
    published: int
    key: bytes
    value: bytes


class Windows:
    """The windows of one target partition."""

    def __init__(
        self,
        partition: int,
        sources: int,
        packed: MutableMapping[bytes, bytes],
        times: Times,
        engine: Engine,
        series_limit: int,
        clock_ms: int | None = None,
    ) -> None:
        """Begin with what the table holds; what is not known to be published is due at once.

        Args:
            partition: the target partition.
            sources: how many partitions `operations` has.
            packed: the partition's rows in the table; kept in step by take_changes.
            times: lateness, future and grace.
            engine: merges digests.
            series_limit: series admitted here.
            clock_ms: minutes ahead of it say nothing of the time that was reached.
        """
        self.watermarks = Watermarks(sources)
        self.admission = Admission(partition, series_limit)
        self.late_revisions = 0
        self._times = times
        self._engine = engine
        self._packed = packed
        self._state_key = _STATE_PREFIX + str(partition).encode()
        self._state = State()
        self._rows = WindowRows(packed, engine)
        self._schedule = Schedule(times)
        self._clock_ms = clock_ms
        self._recover()

    # ------------------------------------------------------------------ taking in

    def apply(
        self, source: int, block: int, rows: list[PartialRow], now_ms: int, next_offset: int = 0
    ) -> list[PartialRow]:
        """Fold rows of a source's block in; return those that came after their minute's life.

        A source tells a block only when all before it is told: what stands before the block, or
        before `next_offset`, and comes again is known.

        Args:
            source: the source partition.
            block: the block's first offset.
            rows: of the block, each cumulative.
            now_ms: the clock.
            next_offset: with these, all rows whose last offset is before this were given.
        """
        told = self._tell(source, block)
        changed: dict[int, list[str]] = {}
        late = [
            row
            for row in rows
            if row.last_offset >= told and not self._apply_row(source, block, row, changed)
        ]
        self._tell(source, next_offset)
        for start_ms, names in changed.items():
            self._schedule.changed("1m", start_ms, names, now_ms)
            self._schedule.changed("5m", window_start("5m", start_ms), names, now_ms)
        return late

    def _apply_row(
        self, source: int, block: int, row: PartialRow, changed: dict[int, list[str]]
    ) -> bool:
        """Fold a row in, and note its series if that changed its minute; False if it is late."""
        start_ms = row.minute * MINUTE_MS
        five = Window("1m", start_ms, row.series).five
        if five.end_ms + self._times.kept_ms <= self._state.horizon_ms:
            return False
        series = self.admission.place(row.series, five.end_ms)
        member = OWN
        if series != row.series:
            member = row.series
            five = Window("5m", five.start_ms, series)
        kept = self._rows.get(five) or self._create(five)
        minutes = kept.minutes = kept.minutes or [None] * 5
        place = minute_place(start_ms)
        minute = minutes[place]
        if minute is None:
            minute = minutes[place] = Minute()
        if minute.apply(source, block, member, (row.last_offset, row.stats), self._engine):
            self._rows.touch(five)
            changed.setdefault(start_ms, []).append(series)
        self._rows.forget()
        return True

    def progress(self, told: Reached) -> None:
        """Note that everything of some sources before a time was applied."""
        self.watermarks.note(told)

    def missing(self, removed: Removed) -> None:
        """Note what windows may be missing; what is known of the same records is replaced."""
        state = self._state
        if removed in state.removed:
            return
        key = removed.source, removed.first_offset
        others = [one for one in state.removed if (one.source, one.first_offset) != key]
        state.removed = [*others, removed][-_MAX_REMOVED:]
        state.removals += 1

    def _missing(self, window: Window) -> int:
        """Return how many records of a window's span were removed before they were read."""
        return sum(
            one.count
            for one in self._state.removed
            if one.since_ms < window.end_ms and one.until_ms >= window.start_ms
        )

    def _tell(self, source: int, offset: int) -> int:
        """Note that everything of a source before an offset is known; return up to where it is."""
        told = max(self._state.next_offset.get(source, 0), offset)
        self._state.next_offset[source] = told
        return told

    # ------------------------------------------------------------------ giving out

    def advance(self, now_ms: int) -> None:
        """Make due, as final, all windows whose end and grace every source has passed."""
        low_ms = self.watermarks.low_ms
        if low_ms is not None:
            self._schedule.advance(low_ms, now_ms)

    def collect(self, now_ms: int, *, finals_only: bool = False) -> Iterator[Publication]:
        """Yield what is due, children before their parents, earlier ones before later ones.

        What is yielded is due no more; what changes meanwhile becomes due again. What is final
        is judged by the last `advance`, since only that made the children due as well.

        Args:
            now_ms: the clock.
            finals_only: leave what is not final for later, since there is no time for it now.
        """
        for size in SIZES:
            # A final minute promises rules that all earlier ones of the partition were told before.
            due = sorted(self._schedule.due(size, now_ms), key=_start_of)
            for start_ms, windows in groupby(due, _start_of):
                changed: list[str] = []
                try:
                    for window in windows:
                        final = self._schedule.is_final(window)
                        if finals_only and not final:
                            continue
                        self._schedule.done(window)
                        publication = self._publication(window, final=final)
                        if publication is not None:
                            changed.append(window.series)
                            self._rows.forget()
                            yield publication
                finally:  # also where the reader stops in between
                    if size != "5m":  # its minutes said so
                        self._schedule.changed_around(size, start_ms, changed, now_ms)

    def confirm(self, publication: Publication) -> None:
        """Note that the broker has a publication."""
        window = publication.window
        minute = window.size == "1m"
        kept: Minute | Row | None = self._rows.minute(window) if minute else self._rows.get(window)
        if kept is not None and publication.published > kept.published:
            kept.published = publication.published
            self._rows.touch(window.five if minute else window)
        self._rows.forget()

    def retire(self) -> None:
        """Seal and delete what no late data can reach; what is yet to be published stays."""
        for end, windows in self._schedule.endings():
            for window in windows:
                if end.action == "seal":
                    self._rows.seal(window)
                else:
                    self._rows.delete(window)
                    self.admission.leave(window.series)
                self._rows.forget()
        if self._schedule.settled_ms > self._state.horizon_ms:
            self._state.horizon_ms = self._schedule.settled_ms
            self.admission.forget(self._state.horizon_ms - self._times.kept_ms)
            self._state.removed = [
                one
                for one in self._state.removed
                if needed_until("7d", window_start("7d", one.until_ms)) > self._state.horizon_ms
            ]

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return what to write to the table's changelog, None to delete."""
        changes = list(self._rows.take_changes())
        state = self._state
        version = state.horizon_ms + sum(state.next_offset.values()) + state.removals
        if version > state.version:
            state.version = version
            packed = self._packed[self._state_key] = msgspec.msgpack.encode(state)
            changes.append((self._state_key, packed))
        return changes

    @property
    def held_finals(self) -> int:
        """How many windows' starts wait to be final while some source is unheard of."""
        return self._schedule.awaited_count if self.watermarks.low_ms is None else 0

    @property
    def minutes_due(self) -> int:
        """How many minutes changed and are yet to be published."""
        return self._schedule.minutes_due

    @property
    def oldest_due_ms(self) -> int | None:
        """When the window that waits the longest to be published became due."""
        return self._schedule.oldest_due_ms

    # ------------------------------------------------------------------ windows

    def _create(self, window: Window) -> Row:
        self._enter(window)
        return self._rows.create(window)

    def _enter(self, window: Window) -> None:
        self.admission.enter(window.series)
        self._schedule.enter(window)

    def _publication(self, window: Window, *, final: bool) -> Publication | None:
        """Return what to publish of a window, None if that is known already or it is empty."""
        rows = self._rows
        kept: Minute | Row | None
        if window.size == "1m":
            kept = rows.minute(window)
        elif window.size == "5m":
            kept = rows.get(window)
        else:
            kept = self._recompute(window)
        if kept is None or published_as(kept.count(), final=final) <= kept.published:
            return None
        stats = rows.stats_of_minute(kept) if isinstance(kept, Minute) else rows.stats(window, kept)
        assert stats is not None
        self.late_revisions += final and kept.published % 2
        size, start_ms, series = window
        verdict = None
        if isinstance(kept, Row) and size in TREND_SIZES:
            before = rows.peek(Window(size, start_ms - SIZE_MS[size], series))
            verdict = trend(before.children if before else [], _begun(kept.children))
        value = aggregate(
            series,
            size,
            start_ms,
            stats,
            verdict,
            final=final,
            missing=self._missing(window),
        )
        published = published_as(stats.sums.count, final=final)
        return Publication(window, published, aggregate_key(series, size, start_ms), value)

    def _recompute(self, window: Window) -> Row | None:
        """Compute a window of an hour or more, and before it those in it that changed."""
        for child in children_of(window):
            if child.size in TREND_SIZES and self._schedule.is_due(child):
                self._recompute(child)
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
        keys = [key for key in self._packed if not key.startswith(_STATE_PREFIX)]
        for window in map(Window.of_key, keys):
            until_ms = needed_until(window.size, window.start_ms) + self._times.kept_ms
            if until_ms <= self._state.horizon_ms:
                self._rows.delete(window)  # a former owner wrote it late
                continue
            self._enter(window)
            revision, published, _ = revision_of(self._packed[window.row_key])
            revisions[window] = revision
            if parent := parent_of(window):
                in_children[parent] = in_children.get(parent, 0) + revision
            self._recover_due(window, revision, published)
            if window.size == "5m":
                self._recover_minutes(window)
        for parent, revision in in_children.items():
            if revisions.get(parent, 0) < revision:
                self._schedule.changed(parent.size, parent.start_ms, (parent.series,), 0)

    def _recover_due(self, window: Window, revision: int, published: int) -> None:
        """Make due what is not known to be published, and once more when final if that is not."""
        if published < published_as(revision, final=False):
            self._schedule.changed(window.size, window.start_ms, (window.series,), 0)
        elif published < published_as(revision, final=True):
            self._schedule.await_final(window.size, window.start_ms)

    def _recover_minutes(self, five: Window) -> None:
        row = self._rows.get(five)
        newest_ms = five.start_ms
        for place, minute in enumerate((row and row.minutes) or []):
            if minute is None:
                continue
            newest_ms = five.start_ms + place * MINUTE_MS
            window = Window("1m", newest_ms, five.series)
            self._recover_due(window, minute.count(), minute.published)
        if self._clock_ms is None or newest_ms <= self._clock_ms:
            self.watermarks.remember(newest_ms)
        self.admission.resume(five.series, five.end_ms)
        self._rows.forget()


def _start_of(window: Window) -> int:
    return window.start_ms


def _begun(children: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the children without those after the last one that holds anything."""
    last = max((i for i, (count, _) in enumerate(children) if count), default=-1)
    return children[: last + 1]
