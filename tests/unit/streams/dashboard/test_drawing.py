"""Lines are drawn where their values are; what may still change apart from what is final."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.dashboard.charts import Mark, PlottedLine, chart, frame_of, time_ticks
from streams.dashboard.drawing import Sample, Scale, line_paths, ticks, value_range
from streams.dashboard.figures import Quantity
from streams.dashboard.spans import trailing
from tests.unit.streams.dashboard.samples import MINUTE_MS, NOON_MS

SCALE = Scale(0, 100, 0, 10)


def test_large_values_are_above_and_times_go_to_the_right():
    paths = line_paths([Sample(0, 0, True), Sample(100, 10, True)], SCALE, 1000)
    assert paths.final == "M0 1000L1000 0"
    assert paths.provisional == ""


def test_what_is_provisional_begins_where_what_is_final_ends():
    samples = [Sample(0, 5, True), Sample(50, 5, True), Sample(100, 5, False)]
    paths = line_paths(samples, SCALE, 1000)
    assert paths.final == "M0 500L500 500"
    assert paths.provisional == "M500 500L1000 500"


def test_a_gap_is_no_line():
    samples = [Sample(0, 5, True), Sample(10, 5, True), Sample(90, 5, True), Sample(100, 5, True)]
    assert line_paths(samples, SCALE, 20).final.count("M") == 2


def test_a_single_sample_is_a_dot():
    assert line_paths([Sample(50, 5, True)], SCALE, 20).final == "M500 500h0"
    assert line_paths([], SCALE, 20) == ("", "", "")


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.floats(-1e16, 1e16), st.booleans()), max_size=30)
)
def test_every_path_stays_inside_the_drawing(points):
    samples = [Sample(*point) for point in sorted(points)]
    scale = value_range([it.value for it in samples], least=1, bounds=(-1e16, 1e16))
    paths = line_paths(samples, scale._replace(start_ms=0, end_ms=1000), 100)
    for number in re.findall(r"-?\d+", "".join(paths)):
        assert 0 <= int(number) <= 1000


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(1, 8))
def test_ticks_are_few_and_inside(low, length, most):
    found = ticks(low, low + length, most)
    assert len(found) <= most + 2
    slack = length * 1e-6 + abs(low) * 1e-9
    assert all(low - slack <= tick <= low + length + slack for tick in found)


def test_a_chart_that_spans_little_does_not_make_noise_a_cliff():
    scale = value_range([99.98, 99.99], least=4.0, bounds=(0, 100))
    assert scale.high - scale.low >= 4.0
    assert scale.high <= 100


@pytest.mark.parametrize("name", ["1h", "6h", "24h", "7d"])
def test_a_chart_has_some_times_and_never_too_many(name):
    span = trailing(name, NOON_MS)
    frame = frame_of(span, span.start_ms, NOON_MS)
    found = time_ticks(Scale(frame.start_ms, span.end_ms, 0, 1))
    assert 2 <= len(found) <= 8


def test_a_chart_begins_where_there_is_anything_but_is_never_too_short():
    span = trailing("1h", NOON_MS)
    assert frame_of(span, None, NOON_MS).start_ms == span.start_ms
    assert frame_of(span, NOON_MS - MINUTE_MS, NOON_MS).start_ms == span.end_ms - 10 * MINUTE_MS
    late = frame_of(span, NOON_MS - 30 * MINUTE_MS, NOON_MS)
    assert late.start_ms == NOON_MS - 30 * MINUTE_MS


def test_a_chart_shows_its_target_marks_and_newest_values():
    span = trailing("1h", NOON_MS)
    marks = [
        Mark("opened", NOON_MS - MINUTE_MS, "opened"),
        Mark("opened", NOON_MS - 5 * 3_600_000, "long ago"),
    ]
    frame = frame_of(span, span.start_ms, NOON_MS, marks)
    line = PlottedLine("p95", [Sample(NOON_MS - 2 * MINUTE_MS, 50.0, True)], "line-1")
    found = chart(
        frame,
        "x",
        "X",
        [line],
        lambda value: Quantity(f"{value:g}", "ms"),
        least=1,
        bounds=(0, 1e16),
        target=(100.0, "target"),
    )
    assert [mark.text for mark in found.marks] == ["opened"]
    assert found.lines[0].newest == "50 ms"
    assert found.target is not None
    assert found.target < 100
    assert not found.is_empty
