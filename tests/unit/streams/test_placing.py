"""Sizes, series and watermarks: where an event belongs, and up to when."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.spans import DAY_MS, HOUR_MS, MINUTE_MS
from streams.measure.series import parse_series, partition_of, series_name
from streams.measure.watermarks import SourceTime, Watermarks, reached
from streams.measure.window_times import (
    CHILD,
    PARENT,
    SIZE_MS,
    SIZES,
    child_starts,
    needed_until,
    window_start,
)
from tests.effort import examples

MONDAY_MS = 1_789_948_800_000


def test_a_week_begins_on_monday_in_utc():
    for day in range(-3, 4):
        when = datetime(2026, 9, 24, 12, tzinfo=UTC) + timedelta(days=day)
        assert window_start("7d", int(when.timestamp() * 1000)) == MONDAY_MS
    assert window_start("7d", MONDAY_MS) == MONDAY_MS
    assert window_start("7d", MONDAY_MS - 1) == MONDAY_MS - 7 * DAY_MS
    assert window_start("7d", 0) == -3 * DAY_MS


@given(st.integers(-(10**13), 10**14), st.sampled_from(SIZES))
def test_a_window_holds_its_time_and_its_neighbours_do_not(time_ms, size):
    start_ms = window_start(size, time_ms)
    assert start_ms <= time_ms < start_ms + SIZE_MS[size]
    assert window_start(size, start_ms) == start_ms
    assert window_start(size, start_ms - 1) == start_ms - SIZE_MS[size]
    assert window_start(size, start_ms + SIZE_MS[size]) == start_ms + SIZE_MS[size]


@given(st.integers(-(10**13), 10**14), st.sampled_from(SIZES[1:]))
def test_children_fill_their_parent(time_ms, size):
    start_ms = window_start(size, time_ms)
    children = list(child_starts(size, start_ms))
    assert children[0] == start_ms
    assert len(children) * SIZE_MS[CHILD[size]] == SIZE_MS[size]
    assert window_start(CHILD[size], time_ms) in children
    assert all(window_start(size, child) == start_ms for child in children)
    assert PARENT[CHILD[size]] == size


@pytest.mark.parametrize(
    ("size", "start_ms", "until_ms"),
    [
        ("1m", MONDAY_MS + MINUTE_MS, MONDAY_MS + 5 * MINUTE_MS),
        ("5m", MONDAY_MS + 5 * MINUTE_MS, MONDAY_MS + HOUR_MS),
        ("1h", MONDAY_MS, MONDAY_MS + 6 * HOUR_MS),
        ("1h", MONDAY_MS + 5 * HOUR_MS, MONDAY_MS + 7 * HOUR_MS),
        ("6h", MONDAY_MS + 18 * HOUR_MS, MONDAY_MS + 30 * HOUR_MS),
        ("24h", MONDAY_MS, MONDAY_MS + 7 * DAY_MS),
        ("24h", MONDAY_MS + 6 * DAY_MS, MONDAY_MS + 8 * DAY_MS),
        ("7d", MONDAY_MS, MONDAY_MS + 14 * DAY_MS),
    ],
)
def test_a_row_is_needed_by_its_parent_and_by_the_next_ones_trend(size, start_ms, until_ms):
    assert needed_until(size, start_ms) == until_ms


TEXTS = st.text(st.sampled_from('ab{}"\\=*,platformconfidence\n'), min_size=1, max_size=30)


@settings(max_examples=examples(100))
@given(TEXTS, st.none() | st.sampled_from(["platform", "confidence"]), TEXTS)
def test_a_name_stands_for_one_series(operation, label, value):
    if label == "confidence":
        value = "low"
    name = series_name(operation, label, value)
    series = parse_series(name)
    assert series.operation == operation
    assert series.platform == (value if label == "platform" else None)
    assert series.confidence == ("low" if label == "confidence" else None)


def test_names_look_as_in_prometheus():
    assert series_name("parse") == series_name("parse", "confidence", None) == "parse"
    assert series_name("parse", "platform", 'a"\\') == 'parse{platform="a\\"\\\\"}'
    assert series_name("GET /jobs/{id}") == "GET /jobs/{id}{}"


def test_a_series_keeps_its_partition_and_they_share_the_load():
    assert partition_of("*", 8) == partition_of("*", 8)
    counts = [0] * 8
    for number in range(4_000):
        counts[partition_of(f"op{number}", 8)] += 1
    assert min(counts) > 400


# ---------------------------------------------------------------------- watermarks


def note(watermarks, *times):
    """Let a worker say how far it has read some sources."""
    told = reached([SourceTime(*one) for one in times])
    if told is not None:
        watermarks.note(told)


def test_a_source_that_has_not_reported_holds_everything_back():
    watermarks = Watermarks(3)
    note(watermarks, (0, 1_000), (2, 2_000))
    assert watermarks.low_ms is None
    assert watermarks.unreported == [1]
    note(watermarks, (1, 1_500))
    assert watermarks.low_ms == 1_000
    assert watermarks.unreported == []
    assert watermarks.unreported_count == 0


def test_a_reader_that_begins_again_earlier_moves_nothing_back():
    watermarks = Watermarks(1)
    note(watermarks, (0, 5_000))
    note(watermarks, (0, 1_000))
    note(watermarks, (0, None))
    assert watermarks.low_ms == 5_000


def test_a_progress_without_any_time_is_not_heard():
    watermarks = Watermarks(1)
    note(watermarks, (0, None))
    assert watermarks.low_ms is None
    assert watermarks.unreported == [0]


def test_a_quiet_source_holds_no_one_back_but_takes_time_no_further_than_it_lasts():
    watermarks = Watermarks(2)
    note(watermarks, (0, 100_000))
    note(watermarks, (1, None, 900_000, 30_000))
    assert watermarks.low_ms == 100_000
    note(watermarks, (0, 100_000, 900_000, 40_000))
    assert watermarks.low_ms == 140_000
    note(watermarks, (0, 100_000, 960_000, 900_000))
    assert watermarks.low_ms == 900_000


def test_sources_without_any_event_make_no_time():
    watermarks = Watermarks(1)
    note(watermarks, (0, None, 900_000, 50_000))
    assert watermarks.low_ms is None
    assert watermarks.unreported == []


def test_after_a_restart_silence_is_measured_from_what_was_reached_before():
    watermarks = Watermarks(1)
    watermarks.remember(70_000)
    watermarks.remember(60_000)
    assert watermarks.low_ms is None
    note(watermarks, (0, None, 900_000, 30_000))
    assert watermarks.low_ms == 100_000


def test_a_source_that_is_added_holds_back_what_is_not_final_yet():
    watermarks = Watermarks(1)
    note(watermarks, (0, 5_000))
    watermarks.expect(2)
    watermarks.expect(1)
    note(watermarks, (0, 9_000))
    assert watermarks.low_ms == 5_000
    assert watermarks.unreported == [1]
    note(watermarks, (0, 9_000), (1, 8_000))
    assert watermarks.low_ms == 8_000


def test_a_source_that_moves_between_workers_stands_where_it_was_read_furthest():
    watermarks = Watermarks(3)
    note(watermarks, (0, 5_000), (1, 6_000))
    note(watermarks, (2, 7_000))
    assert watermarks.low_ms == 5_000
    note(watermarks, (1, 1_000), (2, 7_500))  # its new reader begins at a block's start
    assert watermarks.low_ms == 5_000
    note(watermarks, (0, 9_000))  # the first one has lost it
    assert watermarks.low_ms == 5_000
    note(watermarks, (1, 6_500), (2, 7_500))
    assert watermarks.low_ms == 6_500


def test_what_nobody_expects_is_no_source():
    watermarks = Watermarks(1)
    note(watermarks, (0, 5_000), (700, 6_000))
    assert watermarks.low_ms == 5_000
    assert watermarks.unreported == []


TIMES = st.tuples(
    st.none() | st.integers(0, 10**6),
    st.none() | st.integers(0, 10**6),
    st.integers(0, 10**5),
)
#: What a worker says of its sources, which may be another's by then.
WORKER = st.dictionaries(st.integers(0, 4), TIMES, min_size=1)


@given(st.lists(WORKER))
def test_the_low_watermark_never_regresses_nor_passes_a_source(notes):
    watermarks = Watermarks(5)
    before, at_ms = None, [None] * 5
    for told in notes:
        note(watermarks, *((source, *times) for source, times in told.items()))
        for source, (watermark_ms, idle_at_ms, _) in told.items():
            known = [at for at in (at_ms[source], watermark_ms, idle_at_ms) if at is not None]
            at_ms[source] = max(known, default=None)
        low_ms = watermarks.low_ms
        assert before is None or (low_ms is not None and low_ms >= before)
        assert (low_ms is None) or (None not in at_ms and low_ms <= min(at_ms))
        assert watermarks.unreported == [i for i, at in enumerate(at_ms) if at is None]
        assert watermarks.unreported_count == len(watermarks.unreported)
        before = low_ms


@given(st.lists(st.lists(st.integers(0, 1000), min_size=5, max_size=5), min_size=1))
def test_workers_whose_sources_stay_say_as_much_as_sources_one_by_one(notes):
    together, alone = Watermarks(5), Watermarks(5)
    for times in notes:
        note(together, *enumerate(times[:3]))
        note(together, *enumerate(times[3:], 3))
        for one in enumerate(times):
            note(alone, one)
    assert together.low_ms is not None
    assert alone.low_ms is not None
    assert together.low_ms <= alone.low_ms
    highest = [max(column) for column in zip(*notes, strict=True)]
    note(together, *enumerate(highest[:3]))
    note(together, *enumerate(highest[3:], 3))
    assert together.low_ms == alone.low_ms == min(highest)
