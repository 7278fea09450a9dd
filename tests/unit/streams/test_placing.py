"""Sizes, series and watermarks: where an event belongs, and up to when."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.series import parse_series, partition_of, series_name
from streams.sizes import (
    CHILD,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    PARENT,
    SIZE_MS,
    SIZES,
    child_starts,
    needed_until,
    window_start,
)
from streams.watermarks import Watermarks

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


@settings(max_examples=300)
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


def test_a_source_unheard_of_holds_everything_back():
    watermarks = Watermarks(3)
    watermarks.note(0, 1_000, None)
    watermarks.note(2, 2_000, None)
    assert watermarks.low_ms is None
    assert watermarks.unheard == [1]
    watermarks.note(1, 1_500, None)
    assert watermarks.low_ms == 1_000
    assert watermarks.unheard == []


def test_a_reader_that_begins_again_earlier_moves_nothing_back():
    watermarks = Watermarks(1)
    watermarks.note(0, 5_000, None)
    watermarks.note(0, 1_000, None)
    watermarks.note(0, None, None)
    assert watermarks.low_ms == 5_000


def test_a_progress_without_any_time_is_not_heard():
    watermarks = Watermarks(1)
    watermarks.note(0, None, None)
    assert watermarks.low_ms is None
    assert watermarks.unheard == [0]


def test_a_quiet_source_holds_no_one_back_but_takes_time_no_further_than_it_lasts():
    watermarks = Watermarks(2)
    watermarks.note(0, 100_000, None)
    watermarks.note(1, None, 900_000, 30_000)
    assert watermarks.low_ms == 100_000
    watermarks.note(0, 100_000, 900_000, 40_000)
    assert watermarks.low_ms == 140_000
    watermarks.note(0, 100_000, 960_000, 900_000)
    assert watermarks.low_ms == 900_000


def test_sources_without_any_event_make_no_time():
    watermarks = Watermarks(1)
    watermarks.note(0, None, 900_000, 50_000)
    assert watermarks.low_ms is None
    assert watermarks.unheard == []


def test_after_a_restart_silence_is_measured_from_what_was_reached_before():
    watermarks = Watermarks(1)
    watermarks.remember(70_000)
    watermarks.remember(60_000)
    assert watermarks.low_ms is None
    watermarks.note(0, None, 900_000, 30_000)
    assert watermarks.low_ms == 100_000


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.none() | st.integers(0, 10**6),
            st.none() | st.integers(0, 10**6),
            st.integers(0, 10**5),
        )
    )
)
def test_the_low_watermark_never_regresses_nor_passes_a_source(notes):
    watermarks = Watermarks(3)
    before, reached = None, [None] * 3
    for source, watermark_ms, idle_at_ms, quiet_ms in notes:
        watermarks.note(source, watermark_ms, idle_at_ms, quiet_ms)
        reached[source] = max(
            (at for at in (reached[source], watermark_ms, idle_at_ms) if at is not None),
            default=None,
        )
        low_ms = watermarks.low_ms
        assert before is None or (low_ms is not None and low_ms >= before)
        assert (low_ms is None) or (None not in reached and low_ms <= min(reached))
        assert watermarks.unheard == [i for i, at in enumerate(reached) if at is None]
        before = low_ms
