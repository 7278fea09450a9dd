"""A trailing span is made up of published windows: each minute counts once, by what is newest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.dashboard.spans import SPANS, TrailingSpan, between, cover, trailing
from streams.dashboard.sums import SpanSums
from tests.unit.streams.dashboard.samples import (
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    books,
    operations,
    read,
)


def span(minutes: int, end_ms: int) -> TrailingSpan:
    return TrailingSpan("1h", end_ms - minutes * MINUTE_MS, end_ms)


def test_large_windows_are_taken_where_they_fit_and_small_ones_at_the_edges():
    #   11:58 11:59 | 12:00 .. 12:05 | 12:05
    #    1m    1m   |       5m       |  1m
    minutes = [NOON_MS + step * MINUTE_MS for step in range(-2, 6)]
    found = books(
        *(operations(start_ms, count=1) for start_ms in minutes),
        operations(NOON_MS, "5m", count=50),
    ).operations["*"]
    points = found.cover(span(8, NOON_MS + 6 * MINUTE_MS))
    assert [point.count for point in points] == [1, 1, 50, 1]


def test_minutes_count_that_the_larger_window_does_not_have_yet():
    found = books(
        *(operations(NOON_MS + step * MINUTE_MS, count=10) for step in range(3)),
        operations(NOON_MS, "5m", count=20, final=False),
    ).operations["*"]
    assert sum(point.count for point in found.cover(span(5, NOON_MS + 5 * MINUTE_MS))) == 30


def test_a_larger_window_stands_where_its_minutes_are_forgotten():
    found = books(
        operations(NOON_MS + 4 * MINUTE_MS, count=10),
        operations(NOON_MS, "5m", count=50, final=False),
    ).operations["*"]
    assert sum(point.count for point in found.cover(span(5, NOON_MS + 5 * MINUTE_MS))) == 50


def test_a_window_that_reaches_past_the_span_counts_nothing_of_before():
    found = books(operations(NOON_MS - HOUR_MS, "1h", count=500)).operations["*"]
    assert found.cover(span(30, NOON_MS)) == []


@pytest.mark.parametrize("name", SPANS)
def test_a_span_holds_the_present_minute_and_at_least_what_its_name_says(name: str):
    now_ms = NOON_MS + 12_345
    found = trailing(name, now_ms)  # type: ignore[arg-type]
    assert found.start_ms <= now_ms < found.end_ms
    assert found.before.end_ms == found.start_ms
    assert found.before.start_ms < found.before.end_ms


@given(st.sets(st.integers(0, 300)), st.integers(1, 240), st.integers(0, 59))
def test_every_minute_counts_exactly_once(minutes: set[int], length: int, begins: int):
    """Of any minutes, with all larger windows that they make, a span has its own minutes."""
    values = {
        (size, start // length_ms * length_ms): 0
        for size, length_ms in (("1m", 1), ("5m", 5), ("1h", 60))
        for start in minutes
    }
    for size, length_ms in (("1m", 1), ("5m", 5), ("1h", 60)):
        for minute in minutes:
            values[size, minute // length_ms * length_ms] += 1

    def find(size, start_ms):
        return found.find(size, start_ms) if found else None

    made = books(
        *(
            operations(NOON_MS + start * MINUTE_MS, size, count=count, failures=0)
            for (size, start), count in values.items()
        )
    )
    found = made.operations.get("*")
    end = begins + length
    trailing_span = TrailingSpan("1h", NOON_MS + begins * MINUTE_MS, NOON_MS + end * MINUTE_MS)
    counted = sum(point.count for point in cover(find, trailing_span))
    assert counted == len([minute for minute in minutes if begins <= minute < end])
    if found:
        assert found.tally(trailing_span) == (counted, 0)


def test_sums_are_computed_anew_only_after_a_change():
    made = books(operations(NOON_MS, count=10, failures=1))
    sums = SpanSums(made)
    wanted = span(5, NOON_MS + 5 * MINUTE_MS)
    before = sums.operations("*", wanted)
    assert sums.operations("*", wanted) is before
    made.take(  # a later revision
        read(operations(NOON_MS, count=20, failures=1)), NOON_MS
    )
    assert sums.operations("*", wanted).count == 20


@pytest.mark.parametrize("name", SPANS)
def test_a_span_that_stays_is_drawn_as_the_one_that_it_was(name: str):
    trailed = trailing(name, NOON_MS + 12_345)  # type: ignore[arg-type]
    found = between(trailed.start_ms, trailed.end_ms)
    assert (found.name, found.start_ms, found.point_size) == (
        *(name, trailed.start_ms), trailed.point_size,
    )  # fmt: skip
    assert 0 <= found.end_ms - trailed.end_ms < 6 * HOUR_MS
    assert found.before.end_ms == found.start_ms
    assert found.before.end_ms - found.before.start_ms == found.end_ms - found.start_ms


def test_windows_are_the_smallest_that_reach_back_to_the_start_of_a_span():
    fixed = between(NOON_MS, NOON_MS + HOUR_MS)
    minutes = [operations(NOON_MS + step * MINUTE_MS) for step in range(60)]
    larger = [operations(NOON_MS + step * 5 * MINUTE_MS, "5m") for step in range(12)]
    hour = [operations(NOON_MS, "1h")]
    for there, size in (
        (minutes + larger + hour, "1m"),
        (minutes[3:] + larger[:1], "1m"),
        (minutes[40:] + larger + hour, "5m"),
        (hour, "1h"),
        ([], "1m"),
    ):
        made = books(operations(NOON_MS - HOUR_MS, "24h"), *there).operations["*"]
        assert made.size_for(fixed) == size
