"""The table's rows are changed, sealed and packed, and no change is lost."""

import numpy as np
import pytest

import streams.measure.window_table as window_rows
from schemas.fields import Sums
from streams.measure.centroids import STORED_LIMIT
from streams.measure.digests import centroid_count, pack_samples, quantiles
from streams.measure.window_state import OWN, MinuteState, OpenBlock, revision_of
from streams.measure.window_table import WindowTable
from streams.measure.window_times import SeriesWindow
from tests.unit.streams.minute_samples import ENGINE, stats, told

MONDAY_MS = 1_789_948_800_000


def five(series="*", start_ms=MONDAY_MS):
    return SeriesWindow("5m", start_ms, series)


def minute_of(count):
    minute = MinuteState()
    told(minute, 0, 0, count, count)
    return minute


def test_windows_know_their_place():
    window = SeriesWindow("1m", MONDAY_MS + 7 * 60_000, "a/b")
    assert window.end_ms == MONDAY_MS + 8 * 60_000
    assert window.five == SeriesWindow("5m", MONDAY_MS + 300_000, "a/b")
    assert SeriesWindow.of_key(window.five.row_key) == window.five
    assert [window_rows.minute_place(MONDAY_MS + i * 60_000) for i in range(6)] == [
        0,
        1,
        2,
        3,
        4,
        0,
    ]


@pytest.mark.parametrize("size", ["1m", "5m"])
def test_what_is_published_of_open_minutes_is_asked_of_all_that_they_hold(size):
    durations = np.random.default_rng(1).lognormal(5, 0.6, 4_800).astype(np.float32)
    rows = WindowTable({}, ENGINE)
    minute = MinuteState()
    for source, part in enumerate(np.split(durations, 4)):
        row = stats(len(part), digest=pack_samples(part, STORED_LIMIT))
        minute.apply(source, 0, OWN, (1, row), ENGINE)
    rows.create(five()).minutes = [minute, None, None, None, None]
    window = five()._replace(size=size)
    shown = rows.shown_stats(window, rows.state(window))
    ranks = (0.5, 0.9, 0.95, 0.99)
    assert quantiles(shown.digest, ranks) == pytest.approx(np.quantile(durations, ranks), 1e-6)
    assert centroid_count(rows.stats(five()).digest) <= STORED_LIMIT


def test_changes_are_taken_once_and_packed_rows_are_read_back():
    packed = {}
    rows = WindowTable(packed, ENGINE)
    rows.create(five()).minutes = [minute_of(2), None, None, None, minute_of(3)]
    assert rows.stats(five()).sums.count == 5
    minute = SeriesWindow("1m", MONDAY_MS + 240_000, "*")
    assert rows.shown_stats(minute, rows.minute(minute)).sums.count == 3
    assert rows.minute(SeriesWindow("1m", MONDAY_MS + 60_000, "*")) is None
    assert rows.stats(five("other")) is None
    changes = dict(rows.take_changes())
    assert changes == packed == {five().row_key: packed[five().row_key]}
    assert revision_of(packed[five().row_key]) == (5, 0, False)
    assert list(rows.take_changes()) == []
    again = WindowTable(dict(packed), ENGINE)
    assert again.peek(five()).count() == again.get(five()).count() == 5
    assert again.get(five()) is again.get(five())
    assert again.peek(five("other")) is None


def test_a_deleted_row_is_a_tombstone_unless_it_is_made_again():
    packed = {}
    rows = WindowTable(packed, ENGINE)
    rows.create(five()).minutes = [minute_of(2), None, None, None, None]
    list(rows.take_changes())
    rows.touch(five())
    rows.delete(five())
    assert rows.get(five()) is None
    assert list(rows.take_changes()) == [(five().row_key, None)]
    assert packed == {}
    assert list(rows.take_changes()) == []
    rows.create(five()).minutes = [minute_of(1), None, None, None, None]
    rows.delete(five())
    rows.create(five()).minutes = [minute_of(4), None, None, None, None]
    ((key, value),) = rows.take_changes()
    assert (key, revision_of(value)) == (five().row_key, (4, 0, False))


def test_sealing_keeps_the_sums_and_drops_the_minutes():
    rows = WindowTable({}, ENGINE)
    rows.create(five()).minutes = [minute_of(2), None, minute_of(3), None, None]
    before = rows.stats(five())
    rows.seal(five())
    rows.seal(five())
    rows.seal(five("unknown"))
    row = rows.get(five())
    assert (row.minutes, row.revision, row.stats) == (None, 5, before)
    assert rows.minute(SeriesWindow("1m", MONDAY_MS, "*")) is None
    assert len(list(rows.take_changes())) == 1
    rows.seal(five())
    assert list(rows.take_changes()) == []
    assert rows.stats(five()) == before


def test_a_larger_window_is_its_children_and_never_shrinks():
    rows = WindowTable({}, ENGINE)
    hour = SeriesWindow("1h", MONDAY_MS, "*")
    assert rows.recompute(hour) is None
    for place, count in ((0, 2), (11, 3)):
        row = rows.create(five(start_ms=MONDAY_MS + place * 300_000))
        row.minutes = [minute_of(count), None, None, None, None]
    row = rows.recompute(hour)
    assert (row.revision, row.stats.sums.count) == (5, 5)
    assert row.children == [(2, 0), *[(0, 0)] * 10, (3, 0)]
    rows.delete(five())
    assert rows.recompute(hour).revision == 5
    rows.get(five(start_ms=MONDAY_MS + 11 * 300_000)).minutes[1] = minute_of(7)
    assert rows.recompute(hour).children[0] == (0, 0)
    assert rows.recompute(hour).revision == 10


def test_days_and_weeks_are_merged_when_asked_for_and_kept_only_when_sealed():
    packed = {}
    rows = WindowTable(packed, ENGINE)
    hour, six, day = (SeriesWindow(size, MONDAY_MS, "*") for size in ("1h", "6h", "24h"))
    rows.create(five()).minutes = [minute_of(2), minute_of(3), None, None, None]
    for window in (hour, six, day):
        assert rows.recompute(window).revision == 5
    assert rows.get(hour).stats.sums.count == 5
    assert rows.get(six).stats is rows.get(day).stats is None
    assert rows.stats(day) == rows.stats(six) == rows.stats(hour)
    open_version = revision_of(dict(rows.take_changes())[six.row_key])
    rows.seal(six)
    assert revision_of(dict(rows.take_changes())[six.row_key]) > open_version
    for window in (five(), hour):
        rows.delete(window)
    assert rows.stats(day).sums.count == 5


def failed(count):
    return stats(count, sums=Sums(count, 1))


def test_failures_are_known_of_minutes_of_sums_and_of_counts_alone():
    rows = WindowTable({}, ENGINE)
    minute = MinuteState(failed(2), {0: OpenBlock(7, {OWN: (9, failed(4))})}, 0, 6)
    rows.create(five()).minutes = [minute, None, None, None, None]
    week = [SeriesWindow(size, MONDAY_MS, "*") for size in ("1h", "6h", "24h", "7d")]
    for window in week:
        rows.recompute(window)
    assert [rows.get(window).failures() for window in (five(), *week)] == [4] * 5
    assert rows.get(week[-1]).children[0] == (6, 4)


def test_no_more_than_a_few_rows_stay_unpacked_and_no_change_is_lost(monkeypatch):
    monkeypatch.setattr(window_rows, "_KEPT_UNPACKED", 3)
    packed = {}
    rows = WindowTable(packed, ENGINE)
    for number in range(10):
        rows.create(five(f"s{number}")).minutes = [minute_of(1 + number), None, None, None, None]
        rows.forget()
        assert len(rows._unpacked) <= 4
    changes = dict(rows.take_changes())
    assert {revision_of(value)[0] for value in changes.values()} == set(range(1, 11))
    assert [rows.get(five(f"s{number}")).count() for number in range(10)] == list(range(1, 11))
