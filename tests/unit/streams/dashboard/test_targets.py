"""A figure is judged by its target, in a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.dashboard.changes import check_claim, wilson
from streams.dashboard.points import OperationsSum
from streams.dashboard.targets import DEFAULT, FIGURES, parse_claim, parse_targets


def test_the_default_targets_name_every_figure():
    assert set(parse_targets(DEFAULT)) == set(FIGURES)


@pytest.mark.parametrize(
    ("text", "figure", "aim", "limit"),
    [
        ("success_rate=95/85", "success_rate", 95, 85),
        ("success_rate=99.9%", "success_rate", 99.9, 99.9),
        ("p95=2s/5s", "p95", 2000, 5000),
        ("p95=800ms/2s", "p95", 800, 2000),
        ("p95=2/5s", "p95", 2, 5000),
        ("quality=0.85/0.7", "quality", 0.85, 0.7),
    ],
)
def test_a_target_is_read_in_the_unit_it_is_written_in(text, figure, aim, limit):
    target = parse_targets(text)[figure]
    assert (target.aim, target.limit) == (aim, limit)


@pytest.mark.parametrize(
    "text",
    ["x", "success_rate", "success_rate=101", "success_rate=85/95", "p95=5s/2s", "quality=85",
     "p95=1..2", "speed=1", "success_rate=/5"],
)  # fmt: skip
def test_what_is_no_target_says_what_to_write(text: str):
    with pytest.raises(ValueError, match=r"success_rate|range|past|number"):
        parse_targets(text)


@pytest.mark.parametrize(
    ("value", "samples", "state"),
    [(95.0, 100, "good"), (94.9, 100, "near"), (85.0, 100, "near"), (84.9, 100, "bad"),
     (10.0, 19, "few"), (None, 0, "none"), (None, 100, "none")],
)  # fmt: skip
def test_a_rate_is_good_near_or_bad_and_nothing_by_a_few_samples(value, samples, state):
    assert parse_targets("success_rate=95/85")["success_rate"].state(value, samples) == state


@pytest.mark.parametrize(("value", "state"), [(2000.0, "good"), (2001.0, "near"), (5001.0, "bad")])
def test_of_durations_less_is_better(value, state):
    assert parse_targets("p95=2s/5s")["p95"].state(value, 100) == state


@pytest.mark.parametrize(
    ("text", "written"), [("96-99", "96–99 %"), ("99.5", "99.5 %"), ("96 – 99 %", "96–99 %")]
)
def test_a_claim_is_a_range_or_a_figure(text, written):
    assert str(parse_claim(text)) == written


@pytest.mark.parametrize("text", ["x", "99-96", "0-5", "96-101", "96-99-100"])
def test_what_is_no_claim_is_refused(text):
    with pytest.raises(ValueError, match="no claim"):
        parse_claim(text)


@pytest.mark.parametrize(
    ("count", "failures", "verdict"),
    [(0, 0, "unknown"), (10_000, 100, "holds"), (10_000, 600, "broken"), (50, 2, "open")],
)
def test_a_claim_is_judged_by_what_chance_allows(count, failures, verdict):
    claim = parse_claim("96-99")
    assert claim is not None
    assert check_claim(claim, OperationsSum(count=count, failures=failures)).verdict == verdict


@given(st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_what_was_measured_lies_in_its_interval(good_of):
    good, count = good_of
    low, high = wilson(good, count)
    assert (
        0 <= low <= good / count <= high <= 1
        or abs(good / count - low) < 1e-9
        or (abs(good / count - high) < 1e-9)
    )
