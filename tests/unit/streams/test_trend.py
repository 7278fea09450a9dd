import numpy as np
import pytest

from streams.measure.trend import is_worse, trend

FIVES = 12


def drawn(random, rate, *, subs=FIVES, minutes=5, a_minute=200, correlation=0.02):
    """Draw (operations, failures) of sub-windows; failures come in bursts within a minute."""
    counts = []
    for _ in range(subs):
        spread = 1 / correlation - 1 if correlation else 1e9
        bursts = random.beta(rate * spread, (1 - rate) * spread, minutes)
        counts.append((a_minute * minutes, int(random.binomial(a_minute, bursts).sum())))
    return counts


def test_correlated_noise_rarely_makes_a_verdict():
    random = np.random.default_rng(7)
    false = sum(
        trend(drawn(random, 0.01), drawn(random, 0.01)).verdict in ("improving", "degrading")
        for _ in range(1_000)
    )
    assert false <= 30


@pytest.mark.parametrize(
    ("before", "now", "verdict"), [(0.01, 0.02, "degrading"), (0.02, 0.01, "improving")]
)
def test_a_point_of_success_is_found_within_an_hour(before, now, verdict):
    random = np.random.default_rng(8)
    verdicts = [
        trend(drawn(random, before, correlation=0), drawn(random, now, correlation=0)).verdict
        for _ in range(100)
    ]
    assert verdicts.count(verdict) >= 95


def test_a_point_of_success_is_often_found_even_under_correlated_noise():
    random = np.random.default_rng(9)
    found = sum(
        trend(drawn(random, 0.01), drawn(random, 0.02)).verdict == "degrading" for _ in range(300)
    )
    assert found >= 120


def test_failures_and_successes_are_symmetric():
    random = np.random.default_rng(10)
    turned = {"improving": "degrading", "degrading": "improving"}
    for now in (0.01, 0.05, 0.1):
        before, after = drawn(random, 0.05), drawn(random, now)
        verdict = trend(before, after)
        mirrored = trend([(n, n - f) for n, f in before], [(n, n - f) for n, f in after])
        assert mirrored.verdict == turned.get(verdict.verdict, verdict.verdict)
        assert mirrored.evidence.z == pytest.approx(-verdict.evidence.z)


def test_there_is_no_verdict_without_enough_on_both_sides():
    enough = [(1000, 10)] * 12
    for before, now in (
        ([], enough),
        (enough, []),
        ([], []),
        ([(0, 0)], enough),
        (enough, [(5, 1)]),
    ):
        assert trend(before, now).verdict == "insufficient_data"
    empty = trend([], []).evidence
    assert (empty.baseline_rate, empty.rate, empty.z, empty.p_value) == (None,) * 4
    assert empty.agreeing == 3


@pytest.mark.parametrize(("count", "verdict"), [(93, "insufficient_data"), (94, "stable")])
def test_a_sample_is_enough_once_it_would_show_five_points(count, verdict):
    assert trend([(count, 0)], [(count, 0)] * 3).verdict == verdict
    assert trend([(count, 0)] * 3, [(count, 0), (0, 0), (0, 0)]).verdict == verdict


def test_bursts_ask_for_a_larger_sample():
    even, uneven = [(100, 10)] * 12, [(100, 65), *[(100, 5)] * 11]
    assert trend(even, even).verdict == "stable"
    assert trend(even, uneven).verdict == "insufficient_data"
    assert trend(uneven, even).verdict == "insufficient_data"


def test_a_small_move_is_stable_however_significant():
    before, now = [(10_000_000, 100_000)] * 3, [(10_000_000, 149_000)] * 3
    verdict = trend(before, now)
    assert verdict.verdict == "stable"
    assert verdict.evidence.p_value < 1e-6
    assert trend(before, [(10_000_000, 151_000)] * 3).verdict == "degrading"


def test_a_verdict_needs_two_of_three_evaluations():
    before = [(1000, 10)] * 12
    once = trend(before, [(1000, 40)])
    assert once.evidence.p_value < 0.01
    assert (once.verdict, once.evidence.agreeing) == ("stable", 1)
    twice = trend(before, [(1000, 40)] * 2)
    assert (twice.verdict, twice.evidence.agreeing) == ("degrading", 2)
    always = trend(before, [(1000, 40)] * 9)
    assert (always.verdict, always.evidence.agreeing) == ("degrading", 3)


def test_the_evidence_can_be_checked_by_hand():
    evidence = trend([(1000, 10), (1000, 10)], [(1000, 30)] * 4).evidence
    assert (evidence.baseline_count, evidence.count) == (2000, 4000)
    assert evidence.baseline_rate == pytest.approx(0.99)
    assert evidence.rate == pytest.approx(0.97)
    assert evidence.dispersion == 1.0
    pooled = 140 / 6000
    z = (0.01 - 0.03) / (pooled * (1 - pooled) * (1 / 2000 + 1 / 4000)) ** 0.5
    assert evidence.z == pytest.approx(z)
    assert evidence.p_value == pytest.approx(1.3e-6, rel=0.1)
    assert evidence.agreeing == 3


def test_the_dispersion_is_from_each_to_the_next_that_is_not_empty():
    uneven = [(100, 0), (0, 0), (100, 20), (100, 10)]
    evidence = trend([(1000, 100)] * 3, uneven).evidence
    assert evidence.dispersion == pytest.approx((200 + 50) / 9 / 2)
    assert trend([(1000, 0)], [(1000, 1000)]).evidence.dispersion == 1.0
    assert trend([(1000, 0)] * 2, [(1000, 0)] * 3).evidence.z == 0.0


def test_a_window_in_the_midst_of_which_it_begins_is_not_too_uneven_to_tell():
    before = [(1000, 5)] * FIVES
    now = [(1000, 5)] * 6 + [(1000, 105)] * 6
    verdict = trend(before, now)
    assert verdict.verdict == "degrading"
    assert verdict.evidence.dispersion < 10  # 65 about the mean: too uneven to tell
    assert trend(now, [(1000, 105)] * FIVES).verdict == "degrading"


def test_a_single_bad_five_minutes_is_no_trend():
    assert trend([(1000, 5)] * FIVES, [(1000, 5)] * 11 + [(1000, 105)]).verdict == "stable"


@pytest.mark.parametrize(
    ("now", "dispersion", "worse"),
    [
        ((12_000, 240), 1.0, True),
        ((12_000, 240), None, True),
        ((12_000, 240), 20.0, False),
        ((12_000, 170), 1.0, False),  # below the smallest effect
        ((50, 10), 1.0, False),
        ((0, 0), 1.0, False),
        ((12_000, 30), 1.0, False),
    ],
)
def test_worse_is_what_a_verdict_would_call_degrading(now, dispersion, worse):
    assert is_worse((12_000, 120), now, dispersion) is worse
