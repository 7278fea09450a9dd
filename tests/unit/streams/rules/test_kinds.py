"""service_status, burn_rate, trend and no_data: just below, at and above; gaps; flapping."""

from typing import Any

import numpy as np
import pytest

from tests.unit.streams.rules.worlds import (
    MINUTE_MS,
    World,
    episodes,
    operations,
    service,
    threshold,
    words,
)

DOWN = {
    "name": "critical_service_failure",
    "kind": "service_status",
    "status": "down",
    "each": "service",
    "severity": "critical",
}
UPTIME = threshold(
    name="sla_violation", metric="uptime", operator="less_than", threshold=99.9, each="service",
    window="5m",
)  # fmt: skip
BURN = {"name": "slo", "kind": "burn_rate", "objective": 99.0, "min_samples": 100}
NO_DATA = {"name": "silent", "kind": "no_data", "after": "5m", "each": "platform"}


# ------------------------------------------------------------------ service_status


def test_a_service_that_is_down_is_told_at_once() -> None:
    world = World(DOWN)
    world.read(service(0), service(1, final=False))
    (told,) = world.read(service(1, "down", final=False, revision=9))
    assert (told.state, told.severity, told.series) == (
        "opened", "critical", 'service{name="crawler"}',
    )  # fmt: skip
    assert told.summary == "service crawler is down"
    assert told.evidence == {"status": "down"}


@pytest.mark.parametrize(
    ("wanted", "status", "silent", "opens"),
    [
        ("down", "up", False, False),
        ("down", "degraded", False, False),
        ("down", "down", False, True),
        ("down", "down", True, True),
        ("silent", "down", False, False),
        ("silent", "down", True, True),
        (["degraded", "silent"], "degraded", False, True),
        ("down", "unknown", False, False),
    ],
)
def test_a_status_is_what_the_rule_names(
    wanted: Any, status: str, silent: bool, opens: bool
) -> None:
    world = World(DOWN | {"status": wanted})
    assert bool(world.read(service(0, status, silent=silent))) is opens


def test_what_nobody_knows_neither_opens_nor_resolves() -> None:
    world = World(DOWN)
    world.read(service(0, "down"), service(1, "unknown"), service(9, "unknown"))
    assert words(world.said)[0] == ("opened", "violated")
    assert {one.state for one in world.said[1:]} <= {"updated"}
    assert words(world.read(service(10)))[-1] == ("resolved", "condition_gone")


def test_a_service_that_flaps_is_one_breach_with_keep_firing_for() -> None:
    world = World(DOWN | {"keep_firing_for": "2m"})
    world.read(*(service(i, status) for i, status in enumerate(["down", "up"] * 3 + ["up"] * 3)))
    assert episodes(world.said) == [(0, 7, "critical")]


def test_for_lets_a_short_outage_pass() -> None:
    world = World(DOWN | {"for": "1m"})
    world.read(service(0, "down"), service(1), service(2, "down"), service(3, "down"), service(4))
    assert episodes(world.said) == [(3, 4, "critical")]


@pytest.mark.parametrize(("down_ms", "opens"), [(299, False), (300, False), (301, True)])
def test_uptime_is_over_the_time_that_is_known(down_ms: int, opens: bool) -> None:
    world = World(UPTIME)
    world.read(*(service(i) for i in range(4)))
    told = world.read(service(4, up_ms=60_000 - down_ms, down_ms=down_ms))
    assert bool(told) is opens


# ------------------------------------------------------------------ burn_rate


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


def test_what_a_service_had_open_resolves_when_the_service_is_no_more() -> None:
    world = World(
        {"name": "down", "kind": "service_status", "status": "down", "each": "service"},
        {"name": "quiet", "kind": "no_data", "after": "3m", "each": "service"},
    )
    for minute in range(6):
        world.read(service(minute, "down", silent=True))
    last = service(6, "unknown", forgotten=True, unknown_ms=60_000)
    resolved = world.read(last)
    assert {(one.rule, one.state, one.why) for one in resolved} == {
        ("down", "resolved", "series_gone"),
        ("quiet", "resolved", "series_gone"),
    }
    assert world.evaluation.firing == 0
    world.evaluation.take_changes()
    assert world.read(service(7)) == []
    assert [one.state for one in world.read(service(8, "down"))] == ["opened"]


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


# ------------------------------------------------------------------ trend


def _trend(verdict: str, rate: float | None = None) -> dict[str, Any]:
    if rate is None:
        rate = 0.95 if verdict == "degrading" else 0.99
    evidence = {"baseline_rate": 0.99, "baseline_count": 900, "rate": rate, "count": 900}
    return {"verdict": verdict, "evidence": {**evidence, "z": -5.0, "p_value": 0.0, "agreeing": 3}}


def _hours(verdicts: list[str], **rule: Any) -> World:
    world = World({"name": "worse", "kind": "trend", "window": "1h", "evaluations": 2, **rule})
    for hour, verdict in enumerate(verdicts):
        world.read(operations(60 * hour + 59, 100))
        world.read(operations(60 * hour, 900, 45, size="1h", trend=_trend(verdict)))
        world.read(operations(60 * hour + 60, 100))
    return world


@pytest.mark.parametrize(
    ("verdicts", "opens"),
    [
        (["degrading"], False),
        (["degrading", "degrading"], True),
        (["degrading", "stable", "degrading"], False),
        (["degrading", "insufficient_data", "degrading"], False),
    ],
)
def test_a_trend_must_degrade_several_windows_in_a_row(verdicts: list[str], opens: bool) -> None:
    assert bool(_hours(verdicts).said) is opens


@pytest.mark.parametrize("verdict", ["stable", "improving", "insufficient_data"])
def test_a_trend_goes_on_while_it_is_worse_than_before_the_first_bad_window(verdict: str) -> None:
    world = _hours(["stable", "degrading"])
    world.read(operations(180, 900, 45, size="1h"))  # no trend: says nothing
    assert world.said == []
    world.read(operations(120, 900, 45, size="1h", trend=_trend(verdict, 0.95)))
    (opened, *_) = world.read(operations(180, 100))
    assert (opened.state, opened.threshold, opened.observed) == ("opened", 99.0, 95.0)


def test_a_trend_resolves_with_the_first_window_that_is_well() -> None:
    world = _hours(["degrading", "degrading", "stable"])
    assert words(world.said)[0] == ("opened", "violated")
    assert words(world.said)[-1] == ("resolved", "condition_gone")
    assert "fell from 99 % to 95 %" in world.said[0].summary


# ------------------------------------------------------------------ no_data


@pytest.mark.parametrize(("minutes", "opens"), [(4, False), (5, True), (6, True)])
def test_silence_is_told_after_its_span(minutes: int, opens: bool) -> None:
    world = World(NO_DATA)
    world.read(operations(0, 10, platform="lever"))
    assert bool(world.pass_minutes(minutes + 1)) is opens


def test_silence_ends_with_the_first_final_minute() -> None:
    world = World(NO_DATA)
    world.read(operations(0, 10, platform="lever"))
    (opened,) = world.pass_minutes(7)
    assert opened.summary == '*{platform="lever"} has been silent for 5m (≥ 5m)'
    assert world.read(operations(8, 1, platform="lever", final=False)) == []
    assert words(world.read(operations(8, 2, platform="lever"))) == [("resolved", "condition_gone")]


def test_a_series_that_never_spoke_is_not_silent() -> None:
    world = World(NO_DATA)
    world.read(operations(0, 10, platform="lever"))
    world.pass_minutes(30)
    assert {one.series for one in world.said} == {'*{platform="lever"}'}


def test_days_without_anything_take_no_time() -> None:
    world = World(NO_DATA, BURN | {"each": "platform"})
    world.read(operations(0, 1000, platform="lever"))
    told = world.pass_minutes(30 * 24 * 60)
    assert (told[0].rule, told[0].why) == ("silent", "violated")
    assert len(told) <= 6  # what is history is not said every five minutes
    assert told[0].opened_ms - told[0].span.end_ms == -60_000
    back = world.minutes(30 * 24 * 60, [0, 0], platform="lever")
    assert words(back) == [("resolved", "condition_gone")]


def test_a_row_of_which_nothing_was_heard_for_a_week_goes() -> None:
    world = World(threshold(each="platform"))
    world.read(operations(0, 10, platform="gone"))
    world.evaluation.take_changes()
    world.read(operations(9 * 24 * 60, 10, platform="here"))
    changes = dict(world.evaluation.take_changes())
    assert b'operations/*{platform="gone"}' in changes
    world.read(operations(17 * 24 * 60, 10, platform="here"))
    changes |= dict(world.evaluation.take_changes())
    assert changes[b'operations/*{platform="gone"}'] is None
