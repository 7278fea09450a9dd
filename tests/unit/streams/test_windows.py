"""A target partition's windows, step by step; tests/properties has them live for weeks."""

import json

import numpy as np
import pytest

from schemas.aggregates import Aggregate
from schemas.fields import Sums
from schemas.partials import ExemplarRow, PartialRow, Stats
from streams.measure.digests import pack
from streams.measure.window_state import RemovedRecords
from tests.promise import documented
from tests.unit.streams.window_samples import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    MONDAY_MS,
    beat,
    made,
    read_to,
    row,
    stats,
)


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
