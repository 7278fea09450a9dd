"""A number that is found quickly is one that reading all numbers finds."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.quality.figures import numbers_in, shows_number
from tests.effort import examples

TEXTS = st.text(alphabet="0123456789.,' \u00a0k$-a", max_size=12)


@settings(max_examples=examples(300))
@example(number=72_000, before="$", after=" - $92,000", grouped=True)
@example(number=72_000, before="1 ", after="", grouped=True)
@example(number=5, before="1.", after="k", grouped=False)
@given(
    number=st.integers(0, 10**16),
    before=TEXTS,
    after=TEXTS,
    grouped=st.booleans(),
)
def test_a_number_that_stands_plainly_is_among_all_numbers(number, before, after, grouped):
    text = f"{before}{number:,}{after}" if grouped else f"{before}{number}{after}"
    if shows_number(number, text):
        assert float(number) in numbers_in(text)


def test_a_number_apart_from_others_stands_plainly():
    assert shows_number(72_000, "Pay: $72,000 to $92,000 a year")
    assert shows_number(72_000, "72000")
    assert not shows_number(72_000, "172,000")
    assert not shows_number(72_000, "72,000.5")
    assert not shows_number(0.5, "0.5")


@pytest.mark.parametrize("value", [math.inf, math.nan, 1e300])
def test_no_number_is_too_large_to_be_looked_for(value: float):
    assert not shows_number(value, "72000")
