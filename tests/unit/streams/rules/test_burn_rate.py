"""A rule of burn_rate opens when both windows burn the budget at its rate, and not before."""

import numpy as np
import pytest

from tests.unit.streams.rules.worlds import BURN, MINUTE_MS, World, operations, words


def _hour(world: World, failures: int, first: int = 0) -> None:
    world.minutes(first, [failures] * 60)


@pytest.mark.parametrize(
    ("failures", "severity"), [(144, "critical"), (143, None), (145, "critical")]
)
def test_a_budget_that_burns_at_the_rate_is_told(failures: int, severity: str | None) -> None:
    pair = {"rate": 14.4, "long": "1h", "short": "5m", "severity": "critical"}
    world = World(BURN | {"pairs": [pair]})
    for minute in range(60):
        world.read(operations(minute, 1000, failures))
    assert {one.severity for one in world.said} == ({severity} if severity else set())


def test_both_windows_must_burn() -> None:
    pair = {"rate": 14.4, "long": "1h", "short": "5m", "severity": "critical"}
    world = World(BURN | {"pairs": [pair]})
    _hour(world, 0)
    assert world.minutes(60, [90] * 5) == []  # 5m burns, 1h not yet: 7.5 % of an hour
    told = world.minutes(65, [90] * 5)
    assert words(told)[0] == ("opened", "violated")
    assert words(world.minutes(70, [0] * 6))[-1] == ("resolved", "condition_gone")


def test_low_traffic_pages_nobody() -> None:
    pair = {"rate": 14.4, "long": "2m", "short": "1m", "severity": "critical"}
    world = World(BURN | {"min_samples": 100, "pairs": [pair]})
    assert world.read(operations(0, 99, 99)) == []
    assert words(world.read(operations(1, 1, 1))) == [("opened", "violated")]


def test_two_failures_among_a_series_first_operations_are_no_three_days_budget() -> None:
    world = World(BURN)
    assert world.minutes(0, [0, 2, 2, 2] + [0] * 26) == []


def test_a_new_series_burns_as_one_that_was_without_a_failure_until_then() -> None:
    pair = {"rate": 14.4, "long": "1h", "short": "5m", "severity": "critical"}
    new, old = World(BURN | {"pairs": [pair]}), World(BURN | {"pairs": [pair]})
    old.minutes(0, [0] * 60)
    opened = [world.minutes(at, [50] * 60)[0].since_ms for world, at in ((new, 0), (old, 60))]
    assert opened[1] - opened[0] == 60 * MINUTE_MS


def test_the_gravest_pair_that_burns_gives_the_severity() -> None:
    pairs = [
        {"rate": 14.4, "long": "2m", "short": "1m", "severity": "critical"},
        {"rate": 6, "long": "3m", "short": "1m", "severity": "high"},
        {"rate": 1, "long": "4m", "short": "1m", "severity": "medium"},
    ]
    world = World(BURN | {"pairs": pairs})
    world.minutes(0, [0, 0, 0, 0, 60])
    assert [one.severity for one in world.said][:1] == ["critical"]
    world = World(BURN | {"pairs": pairs})
    world.minutes(0, [0, 0, 0, 0, 20])
    assert [(one.severity, one.threshold) for one in world.said][:1] == [("high", 6.0)]


def test_long_spans_use_larger_windows() -> None:
    pair = {"rate": 6, "long": "6h", "short": "30m", "severity": "high"}
    world = World(BURN | {"pairs": [pair]})
    for hour in range(8):
        _hour(world, 3, 60 * hour)
        for five in range(12):
            world.read(operations(60 * hour + 5 * five, 500, 15, size="5m"))
    assert world.said == []
    told = world.minutes(480, [60] * 30)
    assert told[0].state == "opened"
    # 330 minutes of 3 failures and 30 of 60, at the first minute past six times the budget
    assert told[0].samples <= 36_000
    assert told[0].observed == pytest.approx(6, abs=0.2)


def test_a_bound_of_latency_burns_by_the_share_that_is_not_below_it() -> None:
    pair = {"rate": 6, "long": "1h", "short": "5m", "severity": "high"}
    world = World(BURN | {"objective": 95.0, "below": "2s", "pairs": [pair]})
    rng = np.random.default_rng(11)
    took = [np.round(rng.lognormal(7.0, 0.9, 100)) for _ in range(90)]
    opened = None
    for minute, durations in enumerate(took):
        if minute >= 60:
            durations[:70] = 2000.0
        values, counts = np.unique(durations, return_counts=True)
        digest = {
            "n": 100,
            "centroids": [
                {"m": float(m), "c": int(c)} for m, c in zip(values, counts, strict=True)
            ],
        }
        for breach in world.read(operations(minute, 100, digest=digest)):
            opened = opened or (minute, breach)
    assert opened is not None
    minute, breach = opened
    last = np.concatenate(took[minute - 59 : minute + 1])
    assert breach.observed == pytest.approx((last >= 2000).mean() / 0.05, abs=1e-6)
    assert breach.observed >= 6
    before = np.concatenate(took[minute - 60 : minute])
    assert (before >= 2000).mean() / 0.05 < 6
    assert breach.evidence["below_ms"] == 2000
    assert "burns the error budget of 95 % under 2s" in breach.summary


def test_failures_are_no_matter_to_an_objective_of_latency() -> None:
    pair = {"rate": 2, "long": "5m", "short": "1m", "severity": "high"}
    world = World(BURN | {"objective": 50.0, "below": "1s", "pairs": [pair]})
    assert world.minutes(0, [100] * 10, mean=999.0) == []
    assert words(world.minutes(10, [0] * 5, mean=1000.0))[0] == ("opened", "violated")


def test_a_bound_of_latency_goes_over_days_without_a_digest() -> None:
    world = World(BURN | {"objective": 95.0, "below": "2s"})
    for hour in range(30):
        world.minutes(60 * hour, [0] * 60, mean=2500.0 if hour < 25 else 10.0)
        world.read(operations(60 * hour, 6000, size="1h", mean=2500.0 if hour < 25 else 10.0))
    (state,) = (series.state for series in world.evaluation._table.awake.values())
    assert sum(window.slow[2000] for window in state.hours.values()) == 25 * 6000
    assert not any(window.digest for window in (*state.hours.values(), *state.minutes.values()))
    assert words(world.said)[0] == ("opened", "violated")
