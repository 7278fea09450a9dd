"""A target partition's windows, step by step; tests/properties has them live for weeks."""

import json

import numpy as np
import pytest

from schemas.aggregates import Aggregate
from schemas.fields import Sums
from schemas.partials import ExemplarRow, PartialRow, Stats
from streams.measure.digests import ENGINES, pack
from streams.measure.schedule import INTERVAL_MS, Schedule
from streams.measure.watermarks import Reached
from streams.measure.window_state import RemovedRecords
from streams.measure.window_times import SeriesWindow, TimeLimits, parent_of
from streams.measure.windows import Windows
from tests.promise import documented

ENGINE = ENGINES["fastdigest"]
TIMES = TimeLimits(lateness_ms=3_600_000, future_ms=60_000, grace_ms=10_000)
#: Monday 2026-09-21 00:00 UTC.
MONDAY_MS = 1_789_948_800_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
KEPT_MS = HOUR_MS + MINUTE_MS + 10_000


def stats(count=1, failures=0):
    return Stats(
        Sums(count, count - failures, count * 2_500, hits=count),
        count * 6.25,
        2.5,
        2.5,
        pack(np.full(count, 2.5)),
        (ExemplarRow(False, 2.5, "a", None),),
    )


def row(count=1, at_ms=MONDAY_MS, offset=None, series="*", failures=0):
    offset = count - 1 if offset is None else offset
    return PartialRow(series, at_ms // MINUTE_MS, offset, stats(count, failures))


def made(sources=1, limit=100, packed=None):
    return Windows(0, sources, {} if packed is None else packed, TIMES, ENGINE, limit)


def read_to(windows, time_ms, source=0):
    """Say that a source was read to its end and quiet up to a time."""
    windows.progress(Reached(1 << source, time_ms, MONDAY_MS + time_ms))


def beat(windows, now_ms=0):
    """Publish all that is due, as (size, minutes past Monday, count, final); write it."""
    windows.advance(now_ms)
    told = []
    for one in windows.collect(now_ms):
        windows.confirm(one)
        aggregate = json.loads(one.value)
        place = (aggregate["window"]["start_ms"] - MONDAY_MS) // MINUTE_MS
        told.append((aggregate["window"]["size"], place, aggregate["count"], aggregate["final"]))
    windows.retire()
    windows.take_changes()
    return told


def test_a_changed_minute_is_published_at_once_and_what_is_larger_after_its_interval():
    windows = made()
    windows.apply(0, 0, [row(2)], 1_000)
    assert windows.oldest_due_ms == 11_000
    assert beat(windows, 1_000) == [("1m", 0, 2, False)]
    assert beat(windows, 10_999) == []
    assert beat(windows, 11_000) == [("5m", 0, 2, False)]
    assert beat(windows, 400_000) == [
        ("1h", 0, 2, False),
        ("6h", 0, 2, False),
        ("24h", 0, 2, False),
        ("7d", 0, 2, False),
    ]
    assert windows.oldest_due_ms is None
    assert beat(windows, 1_000_000) == []


def test_a_larger_window_holds_what_its_children_have_not_published_yet():
    windows = made()
    windows.apply(0, 0, [row(2)], 0)
    for now_ms in (10_000, 40_000):
        beat(windows, now_ms)
    windows.apply(0, 0, [row(3)], 55_000)
    assert beat(windows, 65_000) == [("1m", 0, 3, False), ("5m", 0, 3, False)]
    assert beat(windows, 70_000) == [("6h", 0, 3, False), ("24h", 0, 3, False), ("7d", 0, 3, False)]
    assert beat(windows, 95_000) == [("1h", 0, 3, False)]


def test_a_busy_window_is_published_once_an_interval_and_not_put_off():
    windows = made()
    for now_ms in range(0, 2_000, 100):
        windows.apply(0, 0, [row(now_ms // 100 + 1)], now_ms)
        told = beat(windows, now_ms)
        assert told == ([("1m", 0, now_ms // 100 + 1, False)] if now_ms in (0, 1_100) else [])
    assert beat(windows, 2_400) == [("1m", 0, 20, False)]


def test_a_minute_that_is_caught_up_with_is_published_less_often():
    windows = made()
    now_ms = MONDAY_MS + HOUR_MS
    windows.apply(0, 0, [row(2)], now_ms)
    assert beat(windows, now_ms + 4_999) == []
    assert beat(windows, now_ms + 5_000) == [("1m", 0, 2, False)]


def test_a_window_is_final_when_every_source_passed_its_end_by_the_grace():
    windows = made(sources=2)
    windows.apply(0, 0, [row(2)], 0)
    read_to(windows, MONDAY_MS + 70_000, source=0)
    assert windows.held_finals == 2
    assert beat(windows) == [("1m", 0, 2, False)]
    read_to(windows, MONDAY_MS + 69_999, source=1)
    assert windows.held_finals == 0
    assert beat(windows) == []
    read_to(windows, MONDAY_MS + 70_000, source=1)
    assert beat(windows) == [("1m", 0, 2, True)]
    read_to(windows, MONDAY_MS + 310_000, source=0)
    read_to(windows, MONDAY_MS + 310_000, source=1)
    assert beat(windows) == [("5m", 0, 2, True)]


def test_finality_waits_for_advance_though_progress_comes_while_publishing():
    windows = made()
    windows.apply(0, 0, [row(2)], 0)
    windows.advance(0)
    read_to(windows, MONDAY_MS + 8 * DAY_MS)
    assert not any(json.loads(one.value)["final"] for one in windows.collect(10**9))


def test_a_provisional_revision_becomes_final_without_a_change():
    windows = made()
    windows.apply(0, 0, [row(2)], 0)
    assert beat(windows, 1_000) == [("1m", 0, 2, False)]
    read_to(windows, MONDAY_MS + 70_000)
    assert beat(windows, 1_000) == [("1m", 0, 2, True)]
    assert beat(windows, 4_000) == []
    assert windows.late_revisions == 0


def test_late_data_makes_a_new_final_of_every_window_it_touches():
    windows = made()
    windows.apply(0, 0, [row(2)], 0)
    read_to(windows, MONDAY_MS + HOUR_MS + 20_000)
    assert [told[:1] + told[2:] for told in beat(windows)] == [
        ("1m", 2, True),
        ("5m", 2, True),
        ("1h", 2, True),
    ]
    windows.apply(0, 0, [row(3)], 0)
    assert beat(windows) == [("1m", 0, 3, True), ("5m", 0, 3, True), ("1h", 0, 3, True)]
    assert windows.late_revisions == 3
    windows.apply(0, 0, [row(4, MONDAY_MS + MINUTE_MS)], 0)
    assert beat(windows) == [("1m", 1, 4, True), ("5m", 0, 7, True), ("1h", 0, 7, True)]
    assert windows.late_revisions == 5


def test_without_time_only_finals_go_out_and_the_rest_later():
    windows = made()
    windows.apply(0, 0, [row(2), row(3, MONDAY_MS + MINUTE_MS)], 0)
    read_to(windows, MONDAY_MS + 70_000)
    windows.advance(10_000)
    told = [json.loads(one.value) for one in windows.collect(10_000, finals_only=True)]
    assert [(one["window"]["start_ms"], one["final"]) for one in told] == [(MONDAY_MS, True)]
    rest = [json.loads(one.value)["window"]["size"] for one in windows.collect(10_000)]
    assert rest == ["1m", "5m"]


def test_a_reader_that_stops_early_finds_the_rest_due_still():
    windows = made()
    windows.apply(0, 0, [row(2)], 0)
    read_to(windows, MONDAY_MS + 8 * DAY_MS)
    windows.advance(0)
    sizes = []
    for _ in range(6):
        sizes.append(next(iter(windows.collect(0))).window.size)
        windows.retire()
    assert sizes == ["1m", "5m", "1h", "6h", "24h", "7d"]


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


def test_an_hour_and_more_tell_their_trend_against_the_window_before():
    windows = made()
    for place in range(24):
        at_ms = MONDAY_MS + place * 5 * MINUTE_MS
        windows.apply(0, 0, [row(400, at_ms, failures=4 if place < 12 else 40)], 0)
    told = {}
    for one in [one for now_ms in (10_000, 100_000) for one in windows.collect(now_ms)]:
        aggregate = json.loads(one.value)
        Aggregate.model_validate_json(one.value)
        told[aggregate["window"]["size"], aggregate["window"]["start_ms"]] = aggregate["trend"]
    assert told["5m", MONDAY_MS] is None
    assert told["1h", MONDAY_MS]["verdict"] == "insufficient_data"
    second = told["1h", MONDAY_MS + HOUR_MS]
    assert second["verdict"] == "degrading"
    assert second["evidence"]["baseline_count"] == second["evidence"]["count"] == 4_800


def test_a_window_that_just_began_is_judged_by_its_children_so_far():
    windows = made()
    for place in (*range(12), 12, 13):
        at_ms = MONDAY_MS + place * 5 * MINUTE_MS
        windows.apply(0, 0, [row(400, at_ms, failures=4 if place < 12 else 40)], 0)
    told = [
        json.loads(one.value) for now_ms in (10_000, 100_000) for one in windows.collect(now_ms)
    ]
    (trend,) = [
        one["trend"]
        for one in told
        if (one["window"]["size"], one["window"]["start_ms"]) == ("1h", MONDAY_MS + HOUR_MS)
    ]
    assert (trend["verdict"], trend["evidence"]["agreeing"]) == ("degrading", 2)


def test_an_aggregate_says_what_its_rows_do():
    windows = made()
    full = Stats(
        Sums(4, 3, 10_000, 1, 3, 2, 2, 90_000, 4, 3_000_000),
        30.0,
        1.0,
        4.0,
        pack(np.array([1.0, 2.0, 3.0, 4.0])),
        (ExemplarRow(True, 4.0, "bad", "E"),),
    )
    windows.apply(0, 0, [PartialRow('a{platform="p"}', MONDAY_MS // MINUTE_MS, 3, full)], 0)
    (one,) = windows.collect(1_000)
    told = Aggregate.model_validate_json(one.value)
    assert one.key == b'a{platform="p"}/1m/%d' % MONDAY_MS
    assert (told.series.operation, told.series.platform, told.series.confidence) == ("a", "p", None)
    assert (told.window.start_ms, told.window.end_ms) == (MONDAY_MS, MONDAY_MS + MINUTE_MS)
    assert (told.count, told.successes, told.failures, told.revision) == (4, 3, 1, 4)
    assert (told.success_rate, told.error_rate) == (0.75, 0.25)
    durations = told.duration_ms
    assert (durations.sum, durations.mean, durations.min, durations.max) == (10.0, 2.5, 1.0, 4.0)
    assert durations.std_dev == pytest.approx(np.std([1, 2, 3, 4]))
    assert (durations.p50, durations.p90) == pytest.approx((2.5, 3.7))
    assert (durations.p95, durations.p99) == pytest.approx((3.85, 3.97))
    cache = told.cache
    assert (cache.lookups, cache.hits, cache.misses) == (4, 1, 3)
    assert (cache.hit_rate, cache.miss_rate) == (0.25, 0.75)
    assert (cache.evictions, cache.eviction_rate, cache.average_ttl_s) == (2, 0.5, 45.0)
    assert (told.mean_confidence, told.confidence_count) == (0.75, 4)
    assert [tuple(one.model_dump().values()) for one in told.exemplars] == [
        ("bad", False, 4.0, "E")
    ]
    centroids = [(1.0, 1), (2.0, 1), (3.0, 1), (4.0, 1)]
    assert documented("centroids")(told.digest) == centroids


def test_rates_of_nothing_are_null_and_percentiles_stay_within_the_extremes():
    windows = made()
    bare = stats(3)._replace(sums=Sums(3, 3, 7_500), min_ms=2.500001, max_ms=2.500002)
    windows.apply(0, 0, [PartialRow("*", MONDAY_MS // MINUTE_MS, 3, bare)], 0)
    (one,) = windows.collect(1_000)
    told = Aggregate.model_validate_json(one.value)
    assert (told.cache.hit_rate, told.cache.miss_rate, told.cache.eviction_rate) == (None,) * 3
    assert (told.cache.average_ttl_s, told.mean_confidence) == (None, None)
    assert told.duration_ms.p50 == 2.500001
    assert told.duration_ms.std_dev == 0


def test_a_confirmation_of_what_is_gone_or_older_changes_nothing():
    packed = {}
    windows = made(packed=packed)
    windows.apply(0, 0, [row(2)], 0)
    (old,) = windows.collect(1_000)
    windows.apply(0, 0, [row(3)], 1_000)
    (new,) = windows.collect(2_200)
    windows.confirm(new)
    windows.confirm(old)
    windows.take_changes()
    assert ("1m", 0, 3, False) not in beat(made(packed=dict(packed)), 10_000)
    windows.apply(0, 0, [row(4)], 2_000)
    assert [one.published for one in windows.collect(3_400)] == [8]
    other = made()
    other.confirm(new)
    assert other.take_changes() == []


# ---------------------------------------------------------------------- the schedule


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


def missing_of(windows, now_ms=0):
    """Return what each published window may be missing, by size and minutes past Monday."""
    windows.advance(now_ms)
    told = {}
    for one in windows.collect(now_ms):
        windows.confirm(one)
        aggregate = Aggregate.model_validate_json(one.value)
        place = (aggregate.window.start_ms - MONDAY_MS) // MINUTE_MS
        told[aggregate.window.size, place] = aggregate.missing
    windows.take_changes()
    return told


def test_windows_in_whose_time_records_were_removed_say_how_many():
    #   minute 0 | minute 1 | minute 2 | ... minute 9
    #   counted  |  <---- removed ---> counted
    packed = {}
    windows = made(packed=packed)
    windows.missing(RemovedRecords(0, 10, 15, MONDAY_MS + 61_000, MONDAY_MS + 121_000))
    windows.missing(
        RemovedRecords(0, 10, 15, MONDAY_MS + 61_000, MONDAY_MS + 121_000)
    )  # said again
    for minute in (0, 1, 2, 3, 9):
        windows.apply(0, 0, [row(at_ms=MONDAY_MS + minute * MINUTE_MS, offset=minute)], 0)
    far_ms = MONDAY_MS + HOUR_MS
    found = missing_of(windows, far_ms)
    assert [found["1m", minute] for minute in (0, 1, 2, 3, 9)] == [0, 15, 15, 0, 0]
    assert found["5m", 0] == 15
    assert found["5m", 5] == 0
    assert missing_of(windows, far_ms + MINUTE_MS)["1h", 0] == 15

    again = made(packed=packed)
    again.missing(
        RemovedRecords(0, 10, 18, MONDAY_MS + 61_000, MONDAY_MS + 121_000)
    )  # more were removed
    again.missing(
        RemovedRecords(1, 10, 2, MONDAY_MS + 61_000, MONDAY_MS + 61_000)
    )  # of another source
    again.apply(0, 0, [row(2, at_ms=MONDAY_MS + MINUTE_MS, offset=20)], 0)
    assert missing_of(again, far_ms)["1m", 1] == 20


def test_what_is_missing_is_forgotten_with_the_windows_that_lack_it():
    windows = made()
    windows.missing(RemovedRecords(0, 10, 15, MONDAY_MS, MONDAY_MS + 1))
    for days, kept in ((6, 1), (7, 1), (16, 0)):
        read_to(windows, MONDAY_MS + days * DAY_MS)
        beat(windows, MONDAY_MS + days * DAY_MS)
        assert len(windows._state.removed) == kept, days
