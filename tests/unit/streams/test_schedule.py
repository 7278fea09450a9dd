"""When windows are due, final, sealed and deleted."""

from streams.measure.schedule import INTERVAL_MS, Schedule
from streams.measure.window_times import SeriesWindow, parent_of
from tests.unit.streams.window_samples import (
    DAY_MS,
    HOUR_MS,
    KEPT_MS,
    MINUTE_MS,
    MONDAY_MS,
    TIMES,
)


def test_parents_are_recomputed_windows_only():
    minute = SeriesWindow("1m", MONDAY_MS + 5 * MINUTE_MS, "*")
    assert parent_of(minute) is None
    assert parent_of(minute.five) == SeriesWindow("1h", MONDAY_MS, "*")
    assert parent_of(SeriesWindow("7d", MONDAY_MS, "*")) is None


def test_what_changes_makes_due_the_windows_of_an_hour_and_more_that_it_is_part_of():
    schedule = Schedule(TIMES)
    schedule.changed_around("1m", MONDAY_MS + 3 * HOUR_MS + MINUTE_MS, ["a", "b"], 0)
    schedule.changed_around("6h", MONDAY_MS, ["c"], 0)
    due = {size: [one[1:] for one in schedule.due(size, DAY_MS)] for size in INTERVAL_MS}
    both = [(MONDAY_MS, "a"), (MONDAY_MS, "b")]
    assert due == {
        "1m": [],
        "5m": [],
        "1h": [(MONDAY_MS + 3 * HOUR_MS, "a"), (MONDAY_MS + 3 * HOUR_MS, "b")],
        "6h": both,
        "24h": [*both, (MONDAY_MS, "c")],
        "7d": [*both, (MONDAY_MS, "c")],
    }


def ended_of(schedule):
    """Return what ends up to where all is settled, as (action, window)."""
    return list(schedule.endings(schedule.settled_ms))


def test_a_time_settles_only_when_all_that_ends_at_it_can():
    schedule = Schedule(TIMES)
    owed, free = (
        SeriesWindow("5m", MONDAY_MS + 55 * MINUTE_MS, "b"),
        SeriesWindow("5m", MONDAY_MS, "a"),
    )
    for window in (owed, free):
        schedule.enter(window)
    schedule.advance(MONDAY_MS + 2 * DAY_MS, 0)
    for _ in range(2):
        schedule.changed(owed.size, owed.start_ms, [owed.series], 0)
        schedule.settle()
        assert ("delete", free) not in ended_of(schedule)
        assert schedule.settled_ms == MONDAY_MS + HOUR_MS + KEPT_MS - 1
    schedule.done(owed)
    schedule.settle()
    assert sorted(ended_of(schedule)) == [("delete", free), ("delete", owed), ("seal", owed)]
    assert schedule.settled_ms == MONDAY_MS + 2 * DAY_MS


def test_a_minute_or_a_parent_that_is_due_keeps_its_row():
    five = SeriesWindow("5m", MONDAY_MS, "a")
    for keeper in (
        SeriesWindow("1m", MONDAY_MS + 4 * MINUTE_MS, "a"),
        SeriesWindow("1h", MONDAY_MS, "a"),
    ):
        schedule = Schedule(TIMES)
        schedule.enter(five)
        schedule.advance(MONDAY_MS + DAY_MS, 0)
        schedule.done(five)
        schedule.changed(keeper.size, keeper.start_ms, [keeper.series], 0)
        schedule.settle()
        assert ended_of(schedule) == []
        schedule.done(keeper)
        schedule.settle()
        assert ended_of(schedule) == [("seal", five), ("delete", five)]


def test_time_never_goes_back_and_every_interval_is_known():
    schedule = Schedule(TIMES)
    schedule.advance(500, 0)
    schedule.advance(400, 0)
    assert schedule.reached_ms == 500
    assert INTERVAL_MS == {
        "1m": 1_000,
        "5m": 10_000,
        "1h": 30_000,
        "6h": 60_000,
        "24h": 60_000,
        "7d": 60_000,
    }


def test_a_final_window_without_a_row_is_due_at_once_too():
    schedule = Schedule(TIMES)
    hour, later = SeriesWindow("1h", MONDAY_MS, "a"), SeriesWindow("1h", MONDAY_MS + HOUR_MS, "a")
    schedule.changed(hour.size, hour.start_ms, [hour.series], 0)
    schedule.changed(later.size, later.start_ms, [later.series], 0)
    schedule.advance(MONDAY_MS + HOUR_MS + 10_000, 7)
    assert schedule.due("1h", 7) == [hour]
    assert schedule.awaited_count == len(schedule._awaited) == 1
