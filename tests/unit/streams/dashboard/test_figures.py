"""Figures are written as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.channels import text_format
from streams.dashboard import figures


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.0, "100 %"), (0.0, "0 %"), (0.99999, "99.99 %"), (0.000001, "0.01 %"), (0.9412, "94.12 %"),
     (None, "–")],
)  # fmt: skip
def test_a_rate_never_looks_whole_that_is_not(ratio, text):
    assert str(figures.percent(ratio)) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0.123, "0.12 ms"), (12.34, "12.3 ms"), (840.4, "840 ms"), (1234.0, "1.23 s"),
     (61_000.0, "1.02 min"), (7_200_000.0, "2.00 h"), (None, "–")],
)  # fmt: skip
def test_a_duration_has_three_digits_and_the_unit_that_fits(ms, text):
    assert str(figures.duration(ms)) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 s"), (999, "0 s"), (61_000, "1 min 1 s"), (3_600_000, "1 h"),
     (90_061_000, "1 d 1 h"), (-5, "0 s")],
)  # fmt: skip
def test_a_span_has_its_two_largest_units(ms, text):
    assert text_format.span(ms) == text


@given(st.integers(-(2**63), 2**63))
def test_any_moment_can_be_written(at_ms):
    assert text_format.rfc3339(at_ms).endswith("Z")
    assert text_format.moment(at_ms).endswith("UTC")


def test_changes_have_their_sign():
    assert figures.points(0.0042) == "+0.42 pt"
    assert figures.points(-0.01) == "−1.00 pt"
    assert figures.change(50.0, 100.0) == "−50 %"
