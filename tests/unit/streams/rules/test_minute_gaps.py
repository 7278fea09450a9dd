"""Gaps in time: how much work they are, and what is said where no operations come."""

from collections.abc import Iterator
from typing import Any

import pytest

from streams.rules.compiled import CompiledRule, compile_rules
from streams.rules.formatting import not_judged
from tests.unit.streams.rules.worlds import (
    World,
    episodes,
    operations,
    rule_file,
    service,
    threshold,
    words,
)

DAY = 24 * 60
KINDS: dict[str, dict[str, Any]] = {
    "threshold": threshold(each="platform"),
    "patient": threshold(each="platform", keep_firing_for="1h", **{"for": "1h"}),
    "keeps": threshold(each="platform", no_operations="keep_firing"),
    "slow": threshold(each="platform", metric="duration_p95", window="1h", threshold=1.0),
    "long": threshold(each="platform", window="6h"),
    "busy": threshold(each="platform", metric="throughput", threshold=0.1),
    "idle": threshold(
        each="platform", metric="throughput", operator="less_than", threshold=100.0, window="3h"
    ),
    "burn": {"kind": "burn_rate", "objective": 99.0, "each": "platform", "min_samples": 1},
    "silent": {"kind": "no_data", "after": "10m", "each": "platform"},
    "worse": {"kind": "trend", "each": "platform"},
}


def rules(*names: str) -> Iterator[dict[str, Any]]:
    yield from (KINDS[name] | {"name": name} for name in names)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often a rule was judged."""
    count = [0]
    verdict = CompiledRule.verdict

    def counted(self: CompiledRule, *args: Any) -> Any:
        count[0] += 1
        return verdict(self, *args)

    monkeypatch.setattr(CompiledRule, "verdict", counted)
    return count


def ahead(days: int, name: str) -> World:
    """One partition is days ahead: what it told is not final, and finals come from the past."""
    world = World(*rules(name))
    for minute in range(3):
        world.read(operations(minute, 10, 9, platform="lever"))
    for minute in range(5):
        far = days * DAY + minute
        world.read(operations(far, 10, 9, platform="lever", final=False), late_ms=0)
        world.read(operations(far, 20, 9, platform="lever", final=False))
    for minute in range(3, 8):
        world.read(operations(minute, 10, 9, platform="ashby"))
        world.read(operations(minute, 20, 9, platform="lever"))
    return world


def silent(days: int, name: str) -> World:
    """Nothing came for days, and then something does."""
    world = World(*rules(name))
    for minute in range(20):
        world.read(operations(minute, 10, 9, platform="lever"))
    world.read(operations(days * DAY, 10, 9, platform="lever", final=False))
    world.read(operations(days * DAY, 20, 9, platform="lever"))
    world.read(operations(days * DAY + 1, 20, 0, platform="lever"))
    return world


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("life", [ahead, silent])
def test_a_gap_ten_times_as_long_takes_no_more_steps(
    name: str, life: Any, steps: list[int]
) -> None:
    life(5, name)
    few = steps[0]
    steps[0] = 0
    life(50, name)
    assert few < 600
    assert steps[0] <= few + 20


@pytest.mark.parametrize("name", KINDS)
def test_time_alone_takes_no_steps(name: str, steps: list[int]) -> None:
    world = World(*rules(name))
    for minute in range(20):
        world.read(operations(minute, 10, 9, platform="lever"))
    steps[0] = 0
    world.pass_minutes(5 * 365 * DAY)
    assert steps[0] < 300


def test_a_thousand_minutes_that_wait_for_their_finals_are_not_walked_each_time(
    steps: list[int],
) -> None:
    world = World(*rules("threshold"))
    world.read(operations(0, 10, 9, platform="lever"))
    for minute in range(1, 1000):
        world.read(operations(minute, 10, 9, platform="lever", final=False))
    assert steps[0] < 1000 * 6


# ------------------------------------------------------------------ no operations

JUDGED_BY_OPERATIONS = ["threshold", "slow", "long", "burn"]


@pytest.mark.parametrize("name", JUDGED_BY_OPERATIONS)
def test_a_total_outage_is_no_recovery(name: str) -> None:
    world = World(*rules(name))
    for minute in range(10):
        world.read(operations(minute, 1000, 900, platform="lever"))
    told = world.pass_minutes(3 * DAY)
    assert ("updated", "no_operations") in words(told)
    assert "resolved" not in [one.state for one in world.said]
    assert [one.state for one in told if not one.judged] == ["updated"]


@pytest.mark.parametrize("name", JUDGED_BY_OPERATIONS)
@pytest.mark.parametrize("failures", [0, 900])
def test_when_traffic_returns_it_is_judged_again(name: str, failures: int) -> None:
    world = World(*rules(name))
    for minute in range(10):
        world.read(operations(minute, 1000, 900, platform="lever"))
    world.pass_minutes(3 * DAY)
    world.said.clear()
    for minute in range(3 * DAY, 3 * DAY + 10):
        mean = 10.0 if failures else 0.5
        world.read(operations(minute, 1000, failures, platform="lever", mean=mean))
    said = words(world.said)
    assert said[0] == (("updated", "judged_again") if failures else ("resolved", "condition_gone"))
    assert len({one.id for one in world.said}) == 1
    assert world.evaluation.firing == bool(failures)


def test_a_rule_may_keep_firing() -> None:
    world = World(*rules("keeps"))
    world.minutes(0, [50], platform="lever")
    assert world.pass_minutes(DAY) == []
    assert world.evaluation.firing == 1
    assert words(world.minutes(DAY, [0], platform="lever")) == [("resolved", "condition_gone")]


def test_keep_firing_for_ends_in_its_minute_though_nothing_comes_in_it() -> None:
    world = World(KINDS["busy"] | {"name": "busy", "keep_firing_for": "30m"})
    world.minutes(0, [0], platform="lever")
    world.pass_minutes(2)
    world.pass_minutes(60)
    assert episodes(world.said) == [(0, 31, "high")]


def test_after_a_week_without_anything_it_is_no_more() -> None:
    world = World(*rules("threshold", "keeps"))
    world.minutes(0, [50], platform="lever")
    told = world.pass_minutes(8 * DAY)
    assert sorted(words(told)) == [
        ("resolved", "series_gone"),
        ("resolved", "series_gone"),
        ("updated", "no_operations"),
    ]
    assert told[-1].summary == 'nothing came from *{platform="lever"} for a week'
    assert world.evaluation.firing == 0


def test_too_few_operations_are_no_recovery_either() -> None:
    world = World(threshold(min_samples=20))
    world.minutes(0, [50])
    told = [one for minute in range(1, 8) for one in world.read(operations(minute, 5, 0))]
    assert words(told) == [("updated", "too_few_samples")]
    assert told[0].summary == (
        "high_error_rate on * is no longer judged: fewer than 20 operations for 5 min"
    )
    assert words(world.minutes(8, [0])) == [("resolved", "condition_gone")]


def test_a_pause_of_four_minutes_is_nothing_to_speak_of() -> None:
    world = World(threshold())
    world.minutes(0, [50])
    assert world.pass_minutes(5) == []
    assert words(world.minutes(5, [50])) == [("updated", "still_true")]
    assert episodes(world.said) == [(0, None, "high")]


def test_what_was_about_to_open_begins_anew_after_five_minutes_without_operations() -> None:
    world = World(threshold(**{"for": "4m"}))
    world.minutes(0, [50, 50])
    world.pass_minutes(7)
    assert world.minutes(7, [50, 50, 50, 50]) == []
    assert episodes(world.minutes(11, [50])) == [(11, None, "high")]


def test_a_gap_that_is_over_when_it_is_seen_is_not_spoken_of() -> None:
    world = World(threshold())
    world.minutes(0, [50])
    world.read(operations(30, 10, 9, final=False))
    told = world.read(operations(30, 100, 90))
    assert [one.why for one in told if one.why in ("no_operations", "judged_again")] == []
    assert world.evaluation.firing == 1


def test_a_service_that_nobody_knows_of_is_not_spoken_of() -> None:
    world = World({"name": "down", "kind": "service_status", "status": "down", "each": "service"})
    world.read(service(0, "down"))
    assert [one for minute in range(1, 9) for one in world.read(service(minute, "unknown"))] == []
    assert world.evaluation.firing == 1


def test_a_trend_without_enough_to_tell_is_no_longer_judged() -> None:
    rule = {"name": "worse", "kind": "trend", "window": "1h", "evaluations": 1}
    evidence = {"baseline_rate": 0.99, "baseline_count": 900, "rate": 0.5, "count": 900}
    trend = {"verdict": "degrading", "evidence": evidence | {"z": -5.0, "agreeing": 3}}
    world = World(rule)
    world.read(operations(59, 100), operations(0, 900, 450, size="1h", trend=trend))
    world.minutes(60, [50])
    unknown = trend | {"verdict": "insufficient_data", "evidence": evidence | {"rate": None}}
    world.read(operations(60, 2, 0, size="1h", trend=unknown))
    told = [one for minute in range(120, 130) for one in world.read(operations(minute, 1))]
    assert words(told)[-1] in (("updated", "too_few_samples"), ("updated", "no_operations"))
    assert "resolved" not in [one.state for one in world.said]
    for minute in range(130, 140):
        world.read(operations(minute, 1))


@pytest.mark.parametrize("name", KINDS)
def test_whatever_kind_fires_says_that_there_is_too_little(name: str) -> None:
    (compiled,) = compile_rules(rule_file(*rules(name)))
    for too_few in (True, False):
        assert not_judged(compiled.kind, "*", too_few=too_few).startswith(
            f"{name} on * is no longer"
        )
