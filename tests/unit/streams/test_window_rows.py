"""The rows of windows: how long they stay, and what a restart makes of them."""

import json

import pytest

from streams.measure.watermarks import Reached
from tests.unit.streams.window_samples import (
    DAY_MS,
    HOUR_MS,
    KEPT_MS,
    MINUTE_MS,
    MONDAY_MS,
    beat,
    made,
    read_to,
    row,
)


def test_rows_are_kept_while_anything_made_of_them_is_owed():
    packed = {}
    windows = made(packed=packed)
    windows.apply(0, 0, [row(2)], 0)
    windows.take_changes()
    read_to(windows, MONDAY_MS + 40 * DAY_MS)
    windows.advance(0)
    windows.retire()
    windows.take_changes()
    assert b"5m/%d/*" % MONDAY_MS in packed
    assert len(beat(windows)) == 6
    assert b"5m/%d/*" % MONDAY_MS in packed  # closed now; the next write deletes it
    assert beat(windows) == []
    assert list(packed) == [b"~state/0"]
    assert len(windows.admission) == 0


def test_five_minutes_are_sealed_then_deleted_with_their_hour():
    packed = {}
    windows = made(packed=packed)
    last = MONDAY_MS + 55 * MINUTE_MS
    windows.apply(0, 0, [row(2), row(3, last)], 0)
    key = b"5m/%d/*" % last
    for time_ms, late in (
        (MONDAY_MS + HOUR_MS + KEPT_MS - 1, False),
        (MONDAY_MS + HOUR_MS + KEPT_MS, True),
    ):
        read_to(windows, time_ms)
        beat(windows)
        beat(windows)
        assert (key in packed) is not late
        assert bool(windows.apply(0, 0, [row(9, last, offset=50 + late)], 0)) is late


def test_what_comes_after_its_five_minutes_are_sealed_is_given_back():
    packed = {}
    windows = made(packed=packed)
    windows.apply(0, 0, [row(2)], 0)
    read_to(windows, MONDAY_MS + 5 * MINUTE_MS + KEPT_MS)
    beat(windows)
    late = [
        row(9, offset=99),
        row(1, offset=99, series="new"),
        row(1, MONDAY_MS + 5 * MINUTE_MS, 99),
    ]
    assert windows.apply(0, 0, late, 0) == late[:2]
    assert len(windows.admission) == 1
    again = made(packed=dict(packed))
    assert again.apply(0, 0, late, 0) == late[:2]


def test_what_was_told_before_the_rows_known_or_a_later_block_is_known():
    windows = made()
    windows.apply(0, 0, [row(2, offset=5)], 0, 6)
    assert windows.apply(0, 0, [row(9, offset=5, series="zombie")], 0) == []
    windows.apply(0, 0, [row(1, offset=6, series="new")], 0)
    windows.apply(0, 0, [], 0, 3)
    windows.apply(0, 20, [row(1, offset=20)], 0)
    windows.apply(0, 0, [row(9, offset=19, series="zombie")], 0)
    windows.apply(1, 0, [row(1, offset=0, series="other")], 0)
    assert sorted(one.window.series for one in windows.collect(1_000)) == ["*", "new", "other"]


def test_a_restart_makes_due_what_was_not_known_to_be_published():
    packed = {}
    windows = made(packed=packed)
    windows.apply(0, 0, [row(2), row(3, MONDAY_MS + MINUTE_MS)], 0)
    windows.advance(1_000)
    first = next(windows.collect(1_000))
    windows.confirm(first)
    windows.take_changes()
    again = made(packed=packed)
    assert again.oldest_due_ms is not None
    assert beat(again, 100_000) == [
        ("1m", 1, 3, False),
        ("5m", 0, 5, False),
        ("1h", 0, 5, False),
    ]
    assert [told[0] for told in beat(again, 700_000)] == ["6h", "24h", "7d"]
    assert beat(made(packed=packed), 10**9) == []
    final = made(packed=packed)
    read_to(final, MONDAY_MS + 70_000)
    assert beat(final) == [("1m", 0, 2, True)]
    read_to(final, MONDAY_MS + 8 * DAY_MS)
    assert [told[::3] for told in beat(final)] == [
        (size, True) for size in ("1m", "5m", "1h", "6h", "24h", "7d")
    ]


def test_a_restart_computes_parents_that_lag_behind_their_children():
    packed = {}
    windows = made(packed=packed)
    windows.apply(0, 0, [row(2)], 0)
    beat(windows, 1_000)
    beat(windows, 10_000)
    again = made(packed=packed)
    assert [told[0] for told in beat(again, 100_000)] == ["1h"]
    assert [told[0] for told in beat(again, 400_000)] == ["6h", "24h", "7d"]
    hour = b"1h/%d/*" % MONDAY_MS
    older = dict(packed)
    again.apply(0, 0, [row(5)], 0)
    beat(again, 500_000)
    behind = dict(packed) | {hour: older[hour]}
    assert ("1h", 0, 5, False) in beat(made(packed=behind), 600_000)


def test_a_restart_does_no_more_than_what_is_owed():
    packed = {}
    windows = made(packed=packed)
    windows.apply(0, 0, [row(2)], 0)
    read_to(windows, MONDAY_MS + 320_000)
    beat(windows, 400_000)
    beat(windows, 800_000)
    again = made(packed=packed)
    assert again.oldest_due_ms is None
    assert again.held_finals == 4


def test_a_former_owners_late_row_is_deleted_after_a_restart():
    packed = {}
    windows = made(packed=packed)
    windows.apply(0, 0, [row(2)], 0)
    windows.take_changes()
    stale = dict(packed)
    read_to(windows, MONDAY_MS + 40 * DAY_MS)
    beat(windows)
    beat(windows)
    assert list(packed) == [b"~state/0"]
    key = b"5m/%d/*" % MONDAY_MS
    packed[key] = stale[key]
    again = made(packed=packed)
    assert again.oldest_due_ms is None
    assert beat(again) == []
    read_to(again, MONDAY_MS + 40 * DAY_MS)
    assert beat(again) == beat(again) == []
    assert list(packed) == [b"~state/0"]
    assert len(again.admission) == 0


@pytest.mark.parametrize("until_ms", [5 * MINUTE_MS + KEPT_MS, HOUR_MS + KEPT_MS, 40 * DAY_MS])
def test_partials_read_again_after_a_write_that_was_cut_off_count_once(until_ms):
    written = {}
    windows = made(packed=written)
    first, second = row(2), row(3, offset=50)
    windows.apply(0, 0, [first], 0, 20)
    windows.take_changes()
    older = dict(written)
    windows.apply(0, 40, [second], 0, 60)
    read_to(windows, MONDAY_MS + until_ms)
    for _ in range(3):  # publish, close, then seal and delete
        windows.advance(0)
        for one in windows.collect(0):
            windows.confirm(one)
        windows.retire()
    changes = windows.take_changes()
    for cut in range(len(changes)):
        packed = older | {key: value for key, value in changes[:cut] if value is not None}
        for key in [key for key, value in changes[:cut] if value is None]:
            packed.pop(key, None)
        again = made(packed=packed)
        assert again.apply(0, 40, [second], 0, 60) == []
        read_to(again, MONDAY_MS + 40 * DAY_MS)
        assert {count for _, _, count, final in beat(again) if final} <= {5}
        assert beat(again) == []
        assert list(packed) == [b"~state/0"]


def test_the_states_version_grows_and_it_is_written_last_and_only_when_it_changed():
    windows = made(packed=(packed := {}))
    windows.apply(0, 7, [row(2, offset=8)], 0, 9)
    assert [key for key, _ in windows.take_changes()] == [b"5m/%d/*" % MONDAY_MS, b"~state/0"]
    assert windows.take_changes() == []
    again = made(packed=packed)
    assert again.apply(0, 7, [row(9, offset=8, series="zombie")], 0) == []
    assert len(again.admission) == 1


def test_after_a_restart_of_everything_silence_still_ends_windows():
    packed = {}
    windows = made(packed=packed)
    windows.apply(0, 0, [row(2, MONDAY_MS + MINUTE_MS)], 0)
    windows.take_changes()
    again = made(packed=packed)
    again.progress(Reached(1, MONDAY_MS + DAY_MS, None, 69_999))
    assert not any(told[3] for told in beat(again))
    again.progress(Reached(1, MONDAY_MS + DAY_MS, None, 70_000))
    assert ("1m", 1, 2, True) in beat(again)


def test_past_the_limit_totals_stay_exact_and_overflow_holds_the_rest():
    windows = made(limit=3)
    windows.apply(
        0, 0, [row(9), *(row(n + 1, series=f"op{n}") for n in range(5)), row(5, series="op4")], 0
    )
    windows.apply(0, 0, [row(8, series="op4", offset=50), row(8, series="op0", offset=50)], 0)
    windows.apply(0, 60, [row(1, series="op3", offset=60)], 0)
    told = {one.window.series: json.loads(one.value)["count"] for one in windows.collect(1_000)}
    assert told == {"*": 9, "op0": 8, "op1": 2, "overflow-0": 3 + 4 + 8 + 1}
    assert windows.admission.refused_names == ["op2", "op3", "op4"]


def test_who_was_refused_stays_in_overflow_until_it_is_sealed_though_there_is_room():
    windows = made(limit=1)
    windows.apply(0, 0, [row(9), row(2, series="a")], 0)
    windows.admission._limit = 100
    read_to(windows, MONDAY_MS + 5 * MINUTE_MS + KEPT_MS - 1)
    beat(windows)
    windows.apply(0, 0, [row(3, series="a")], 0)
    told = {one.window.series: json.loads(one.value)["count"] for one in windows.collect(10_000)}
    assert told == {"overflow-0": 3}
    read_to(windows, MONDAY_MS + 5 * MINUTE_MS + KEPT_MS)
    beat(windows)
    windows.apply(0, 0, [row(1, MONDAY_MS + 5 * MINUTE_MS, offset=50, series="a")], 0)
    assert {one.window.series for one in windows.collect(10_000)} == {"a"}


def test_a_restart_without_the_state_counts_no_one_beside_overflow_again():
    packed = {}
    windows = made(limit=1, packed=packed)
    windows.apply(0, 0, [row(9), row(2, series="a"), row(3, series="b", offset=8)], 0)
    windows.apply(0, 20, [row(1, series="c", offset=20)], 0)
    windows.take_changes()
    del packed[b"~state/0"]  # its writer died before
    again = made(limit=100, packed=packed)
    again.apply(0, 0, [row(3, series="b", offset=8)], 0)
    told = {one.window.series: json.loads(one.value)["count"] for one in again.collect(10_000)}
    assert told == {"*": 9, "overflow-0": 6}


def test_a_restart_admits_no_one_until_the_five_minutes_of_overflow_have_ended():
    packed = {}
    windows = made(limit=1, packed=packed)
    windows.apply(0, 0, [row(9), row(2, series="a"), row(3, series="b", offset=8)], 0)
    packed.update(windows.take_changes())
    admission = made(limit=100, packed=packed).admission
    ends_ms = MONDAY_MS + 300_000
    admission.forget(ends_ms - 1)
    assert admission.place("new", ends_ms) == "overflow-0"
    admission.forget(ends_ms)
    assert admission.place("newer", ends_ms) == "newer"
