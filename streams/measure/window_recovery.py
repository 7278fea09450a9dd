"""Schedule again what a table of windows holds, after a restart."""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.spans import MINUTE_MS
from streams.measure.moved_partitions import EarlierPartitions
from streams.measure.schedule import Schedule
from streams.measure.series_limit import Admission
from streams.measure.watermarks import Watermarks
from streams.measure.window_state import STATE_PREFIX, revision_of
from streams.measure.window_table import WindowTable
from streams.measure.window_times import SeriesWindow, parent_of


class Recovery(NamedTuple):
    """What is filled from the table."""

    table: WindowTable
    schedule: Schedule
    admission: Admission
    watermarks: Watermarks

    def run(
        self,
        packed: Mapping[bytes, bytes],
        earlier: EarlierPartitions,
        horizon_ms: int,
        clock_ms: int | None,
    ) -> None:
        """Enter all windows; make due what may be unpublished or is newer in its parts.

        Also what is to be deleted is entered: what is merged from it may be yet to be sealed.

        Args:
            packed: the partition's rows in the table.
            earlier: what series' earlier partitions knew.
            horizon_ms: what ends its life before this was published, and waits to be deleted.
            clock_ms: minutes ahead of it do not show how far event time has come.
        """
        in_children: dict[SeriesWindow, int] = {}
        revisions: dict[SeriesWindow, int] = {}
        keys = [key for key in packed if not key.startswith(STATE_PREFIX)]
        for window in map(SeriesWindow.of_key, keys):
            self.admission.enter(window.series)
            self.schedule.enter(window)
            if self.schedule.expires_ms(window) <= earlier.horizon_ms(window.series, horizon_ms):
                continue
            revision, published, _ = revision_of(packed[window.row_key])
            revisions[window] = revision
            if parent := parent_of(window):
                in_children[parent] = in_children.get(parent, 0) + revision
            self.schedule.recover(window, revision, published)
            if window.size == "5m":
                self._recover_minutes(window, clock_ms)
        for parent, revision in in_children.items():
            if revisions.get(parent, 0) < revision:
                self.schedule.changed(parent.size, parent.start_ms, (parent.series,), 0)

    def _recover_minutes(self, five: SeriesWindow, clock_ms: int | None) -> None:
        state = self.table.get(five)
        newest_ms = five.start_ms
        for place, minute in enumerate((state and state.minutes) or []):
            if minute is None:
                continue
            newest_ms = five.start_ms + place * MINUTE_MS
            window = SeriesWindow("1m", newest_ms, five.series)
            self.schedule.recover(window, minute.count(), minute.published)
        if clock_ms is None or newest_ms <= clock_ms:
            self.watermarks.remember(newest_ms)
        self.admission.resume(five.series, five.end_ms)
        self.table.forget()
