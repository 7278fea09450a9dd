"""A rule of trend opens when several windows in a row degrade, and ends with a good one."""

from typing import Any

import pytest

from tests.unit.streams.rules.worlds import World, operations, words


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
