"""change: just below, at and above; both sides need samples; hours of a day or a week before."""

from typing import Any

import pytest
from pydantic import ValidationError

from streams.rules.kinds import kind_for
from tests.unit.streams.rules.worlds import (
    MINUTE_MS,
    World,
    episodes,
    operations,
    rule_file,
    words,
)

HALVED = {
    "name": "halved", "kind": "change", "metric": "throughput", "operator": "less_than_or_equal",
    "threshold": -50.0, "window": "5m",
}  # fmt: skip
DAY, WEEK = 24 * 60, 7 * 24 * 60


def counts(world: World, first: int, *numbers: int, **fields: Any) -> list[Any]:
    found = []
    for place, count in enumerate(numbers):
        found += world.read(operations(first + place, count, **fields))
    return found


def hours(world: World, first: int, *numbers: int, **fields: Any) -> list[Any]:
    """Publish hours as windows does: their minutes, then the whole one."""
    found = []
    for place, count in enumerate(numbers):
        start = 60 * (first + place)
        found += counts(world, start, *[count // 60] * 60, **fields)
        found += world.read(operations(start, count, size="1h", **fields))
    return found


@pytest.mark.parametrize(("count", "opens"), [(51, False), (50, True), (49, True)])
def test_a_fall_opens_at_its_threshold(count: int, opens: bool) -> None:
    world = World(HALVED)
    found = counts(world, 0, *[100] * 5, *[count] * 5)
    assert [one.state for one in found] == (["opened"] if opens else [])


def test_a_breach_says_what_it_was_before() -> None:
    world = World(HALVED)
    (opened,) = counts(world, 0, *[120] * 5, *[60] * 5)
    assert (opened.metric, opened.observed, opened.threshold) == ("throughput", -50.0, -50.0)
    assert (opened.unit, opened.samples) == ("%", 300)
    assert opened.evidence == {"now": 1.0, "before": 2.0, "before_samples": 600}
    assert opened.summary == (
        "throughput of * fell by 50 % (≤ -50 %) to 1/s over 5m, 300 operations,"
        " from 2/s 5m before, 600"
    )


def test_it_ends_when_what_was_before_is_as_low() -> None:
    world = World(HALVED)
    counts(world, 0, *[100] * 5, *[50] * 10)
    assert episodes(world.said) == [(9, 10, "medium")]


def test_a_minute_that_is_not_over_is_no_fall() -> None:
    world = World(HALVED | {"window": "1m"})
    counts(world, 0, 100)
    assert world.read(operations(1, 2, final=False)) == []
    assert counts(world, 1, 100) == []


def test_p95_doubled() -> None:
    rule = HALVED | {"metric": "duration_p95", "operator": "greater_than_or_equal",
                     "threshold": 100.0, "resolve_threshold": 50.0}  # fmt: skip
    world = World(rule)
    counts(world, 0, *[10] * 10, mean=100.0)
    assert counts(world, 10, 10, mean=199.0) == []
    (opened,) = counts(world, 11, 10, mean=200.0)
    assert opened.summary.startswith("p95 of the duration of * rose by 100 % (≥ 100 %) to 200 ms")


@pytest.mark.parametrize("least", [501, 251])
def test_both_sides_need_samples(least: int) -> None:
    world = World(HALVED | {"min_samples": least})
    assert counts(world, 0, *[100] * 5, *[50] * 5) == []


def test_a_series_that_has_only_begun_is_not_compared() -> None:
    rule = HALVED | {"operator": "greater_than", "threshold": 50.0}
    world = World(rule)
    assert counts(world, 2, *[100] * 6, *[100] * 5) == []


def test_of_nothing_before_no_change_can_be_said() -> None:
    rule = HALVED | {"metric": "error_rate", "operator": "greater_than", "threshold": 50.0}
    world = World(rule)
    assert world.minutes(0, [0] * 5 + [50] * 5) == []


def test_where_no_operations_come_it_is_no_longer_judged() -> None:
    world = World(HALVED)
    counts(world, 0, *[100] * 5, *[40] * 5)
    world.pass_minutes(30)
    assert words(world.said)[-1] == ("updated", "no_operations")
    assert "no longer judged: no operations" in world.said[-1].summary


@pytest.mark.parametrize(("against", "ago"), [("day", DAY), ("week", WEEK)])
def test_hours_are_compared_with_the_same_hours_before(against: str, ago: int) -> None:
    world = World(HALVED | {"window": "1h", "against": against})
    wave = [6000 if hour % 24 < 12 else 1200 for hour in range(ago // 60 + 24)]
    hours(world, 0, *wave)
    assert world.said == []
    found = hours(world, len(wave), 2400, 2400, 1200)
    assert words(found)[0] == ("opened", "violated")
    assert found[0].evidence["before"] == pytest.approx(6000 / 3600, abs=1e-6)
    state = next(iter(world.evaluation._table.awake.values())).state
    assert len(state.hours) <= ago / 60 + 5
    assert len(state.minutes) <= 70


def test_an_hour_is_compared_by_its_own_percentile() -> None:
    rule = {"name": "slow", "kind": "change", "metric": "duration_p95", "window": "1h",
            "operator": "greater_than_or_equal", "threshold": 100.0, "against": "day"}  # fmt: skip
    world = World(rule)
    hours(world, 0, *[600] * 25, mean=100.0)
    assert world.said == []
    hours(world, 25, 600, mean=250.0)
    (opened,) = counts(world, 26 * 60, 10, mean=250.0)
    assert (opened.state, opened.observed) == ("opened", 150.0)
    state = next(iter(world.evaluation._table.awake.values())).state
    assert all(window.digest == b"" for window in state.hours.values())


def test_a_rule_is_not_judged_by_windows_that_nobody_needed_before_it() -> None:
    world = World({"name": "quiet", "kind": "no_data", "after": "5m"})
    counts(world, 0, *[100] * 60)
    world.reload(HALVED | {"window": "30m"})
    counts(world, 60, *[20] * 60)
    assert world.said == []
    assert words(counts(world, 120, *[5] * 25))[0] == ("opened", "violated")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"threshold": 50.0}, "must be below 0, as a fall in per cent: write -50"),
        ({"operator": "greater_than"}, "must be above 0, as a rise in per cent: write 50"),
        ({"threshold": -150.0}, "nothing falls by more than 100 %"),
        ({"metric": "uptime", "each": "service"}, "write kind: metric_threshold"),
        ({"window": "90m"}, "previous compares whole hours, 1 to 24: write window: 1h"),
        ({"against": "day"}, "day compares whole hours, 1 to 24: write window: 1h"),
        ({"against": "week", "window": "2d"}, "week compares whole hours"),
        ({"against": "day", "window": "2h", "metric": "duration_p95"}, "percentile of single"),
        ({"resolve_threshold": -60.0}, "is on the wrong side of the threshold"),
    ],
)
def test_what_cannot_be_compared_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        rule_file(HALVED | fields)


def test_a_backtest_reads_what_both_sides_need() -> None:
    def reach(**fields: Any) -> int:
        (rule,) = rule_file(HALVED | fields).rules
        return kind_for(rule).lookback_ms // MINUTE_MS

    assert 10 <= reach() <= 20
    assert 25 * 60 <= reach(window="1h", against="day") <= 27 * 60
    assert kind_for(rule_file(HALVED).rules[0]).condition() == (
        "throughput against 5m before ≤ -50% over 5m"
    )
