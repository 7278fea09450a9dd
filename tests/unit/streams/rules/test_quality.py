"""Rules judge scores: means, bad shares, single results, trends, objectives; with what is wrong."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from streams.measure.digests import ENGINES
from streams.measure.watermarks import Reached
from streams.measure.window_times import TimeLimits
from streams.measure.windows import Windows
from streams.quality.quality_aggregate import QUALITY_WINDOWS
from streams.quality.score_block import ScoreBlock
from streams.quality.score_events import ScoredRecord, events_of
from streams.rules.evaluator import Evaluator, read_aggregate
from tests.properties.worlds import MONDAY_MS
from tests.unit.streams.rules.worlds import MINUTE_MS, World, rule_file, scores, words

RULE: dict[str, Any] = {
    "name": "quality_degradation",
    "kind": "metric_threshold",
    "metric": "quality_overall",
    "operator": "less_than",
    "tiers": [
        {"severity": "medium", "threshold": 0.85},
        {"severity": "high", "threshold": 0.7},
    ],
    "window": "5m",
    "min_samples": 20,
}
SINGLE = {
    **{key: value for key, value in RULE.items() if key not in ("tiers", "min_samples")},
    "threshold": 0.7,
    "window": "1m",
    "each_analysis": True,
}


def mean_of(world: World, first: int, *means: float, count: int = 10, **fields: Any) -> list[Any]:
    found = []
    for place, mean in enumerate(means):
        found += world.read(scores(first + place, count, mean, **fields))
    return found


def test_a_falling_mean_opens_a_breach_that_says_what_is_wrong_and_what_to_do() -> None:
    world = World(RULE)
    faults = {"findings": {"invented_quote": 7, "slow": 2}, "actions": {"reanalyse": 9}}
    found = mean_of(world, 0, *[0.92] * 5) + mean_of(world, 5, *[0.6] * 4, **faults, bad=10)
    assert words(found) == [("opened", "violated"), ("updated", "severity_changed")]
    opened, worse = found
    assert (opened.severity, worse.severity) == ("medium", "high")
    assert (opened.series, opened.labels) == ("overall:*", {"dimension": "overall"})
    assert (worse.metric, worse.unit, worse.samples) == ("quality_overall", "", 50)
    assert worse.observed == pytest.approx(0.664)
    assert worse.evidence == {
        "bad_results": 40,
        "worst_findings": "invented_quote (28), slow (8)",
        "recommended_actions": "reanalyse (36)",
    }
    assert worse.summary == (
        "overall quality of * is 0.664 (< 0.7) over 5m, 50 results; worst findings:"
        " invented_quote (28), slow (8); recommended: reanalyse (36)"
    )
    assert (worse.exemplars[0].id, worse.exemplars[0].finding) == ("a8", "invented_quote")


def test_one_odd_result_among_few_opens_nothing() -> None:
    assert mean_of(World(RULE), 0, 0.9, 0.2, 0.9, count=3) == []
    assert mean_of(World(RULE), 0, 0.9, 0.9, 0.865, 0.9, 0.9) == []


BUSY = RULE | {"window": "1h", "min_samples": 50, "enough_samples": 200}


def test_of_a_busy_series_the_newest_minutes_with_enough_results_are_judged() -> None:
    world = World(BUSY)
    assert mean_of(world, 0, *[0.9] * 30, count=100) == []
    assert mean_of(world, 30, 0.8, count=100) == []  # with the minute before
    (opened,) = mean_of(world, 31, 0.8, count=100)
    assert (opened.samples, opened.observed) == (200, pytest.approx(0.8))
    assert (opened.span.end_ms - opened.span.start_ms) == 2 * MINUTE_MS
    assert "over 2m, 200 results" in opened.summary
    assert opened.evidence == {"bad_results": 0}


def test_of_a_quiet_series_the_whole_window_is_judged() -> None:
    world = World(BUSY)
    assert mean_of(world, 0, *[0.9] * 30, count=3) == []
    opened, *_ = mean_of(world, 30, *[0.8] * 35, count=3)
    assert (opened.state, opened.samples) == ("opened", 180)


def test_a_metric_looks_at_its_own_dimension_and_model_only() -> None:
    rule = RULE | {"metric": "quality_accuracy", "each": "model", "match": 'model=~"m.*"'}
    assert mean_of(World(rule), 0, *[0.1] * 5, model="m1") == []
    assert mean_of(World(rule), 0, *[0.1] * 5, dimension="accuracy", model="x") == []
    assert mean_of(World(rule), 0, *[0.1] * 5, dimension="accuracy") == []
    found = mean_of(World(rule), 0, *[0.1] * 5, dimension="accuracy", model="m1")
    assert found[0].labels == {"dimension": "accuracy", "model": "m1"}
    assert found[0].series == 'accuracy:*{model="m1"}'


def test_the_share_of_bad_results_is_in_per_cent() -> None:
    rule = {key: value for key, value in RULE.items() if key != "tiers"}
    rule |= {"metric": "quality_bad_share", "operator": "greater_than", "threshold": 10.0}
    found = mean_of(World(rule), 0, *[0.9] * 3, bad=2)
    assert (found[0].observed, found[0].unit) == (20.0, "%")


def named(*results: tuple[str, float]) -> list[dict[str, Any]]:
    return [{"id": name, "score": score, "finding": "slow"} for name, score in results]


def test_each_analysis_below_the_threshold_is_a_breach_of_its_own_that_ends_at_once() -> None:
    world = World(SINGLE)
    assert world.read(scores(0, 50, 0.95, exemplars=named(("a", 0.71)))) == []
    opened, resolved = world.read(
        scores(1, 50, 0.95, final=False, exemplars=named(("b", 0.69), ("c", 0.8)))
    )
    assert words([opened, resolved]) == [("opened", "violated"), ("resolved", "condition_gone")]
    assert (opened.id, opened.revision, resolved.revision) == (resolved.id, 1, 2)
    assert (opened.observed, opened.samples) == (0.69, 1)
    assert opened.summary == "overall quality of * is 0.69 (< 0.7) of b: slow"
    assert [it.id for it in opened.exemplars] == ["b"]
    further = world.read(
        scores(1, 51, 0.95, exemplars=named(("d", 0.3), ("b", 0.69))),
        scores(2, 50, 0.95, exemplars=[]),
        scores(3, 1, 0.5, exemplars=named(("e", 0.5))),
    )
    assert [it.exemplars[0].id for it in further] == ["d", "d", "e", "e"]
    assert len({it.id for it in (opened, *further)}) == 3
    assert {it.fingerprint for it in further} == {opened.fingerprint}
    assert world.evaluation.firing == 0


def test_a_result_is_not_published_again_after_a_restart_or_by_another_revision() -> None:
    world = World(SINGLE)
    world.read(scores(1, 50, 0.95, final=False, exemplars=named(("b", 0.69))))
    packed = {key: value for key, value in world.evaluation.take_changes() if value is not None}
    world.evaluation = Evaluator(rule_file(SINGLE), "hash-1", packed=packed)
    assert world.read(scores(1, 51, 0.95, exemplars=named(("b", 0.69)))) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tiers": [{"severity": "low", "threshold": 85.0}]}, "from 0 to 1: write 0.85"),
        ({"match": 'confidence="low"', "each": "confidence"}, "cannot name confidence"),
        ({"each": ["platform", "model"]}, "both a platform and a model"),
        ({"metric": "error_rate", "each": "model"}, "cannot name model"),
        (SINGLE | {"window": "5m"}, "write `window: 1m`"),
        (SINGLE | {"metric": "error_rate"}, "write `metric: quality_overall`"),
        (SINGLE | {"operator": "greater_than"}, "write `operator: less_than`"),
        (BUSY | {"window": "2h"}, "write `window: 1h`, or less"),
        (BUSY | {"enough_samples": 49}, "at least min_samples, which is 50"),
        (BUSY | {"metric": "throughput", "tiers": [], "threshold": 5.0}, "of no use to throughput"),
    ],
)
def test_a_mistake_gets_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    rule = fields if "name" in fields else RULE | fields
    with pytest.raises(ValidationError, match=sentence):
        rule_file(rule)


CHANGE = {
    "name": "c", "kind": "change", "metric": "quality_overall", "operator": "less_than",
    "threshold": -5.0, "window": "5m",
}  # fmt: skip


def test_a_change_is_not_told_across_configurations() -> None:
    same = mean_of(World(CHANGE), 0, *[0.9] * 10, *[0.7] * 5)
    assert same[0].state == "opened"
    world = World(CHANGE)
    found = mean_of(world, 0, *[0.9] * 10)
    assert found + mean_of(world, 10, *[0.7] * 5, configurations=["c2"]) == []


def trend(verdict: str, rate: float, *, changed: bool = False) -> dict[str, Any]:
    evidence = {"baseline_rate": 0.95, "baseline_count": 9000, "rate": rate, "count": 9000}
    evidence |= {"z": None, "p_value": None, "dispersion": 1.0, "agreeing": 3}
    return {"verdict": verdict, "evidence": evidence, "changed_configuration": changed}


def trends(changed: bool) -> list[Any]:
    world = World({"name": "t", "kind": "trend", "metric": "quality_overall"})
    found = []
    for hour, (verdict, rate) in enumerate(
        [("stable", 0.95), ("degrading", 0.6), ("stable", 0.6), ("stable", 0.6)]
    ):
        said = trend(verdict, rate, changed=changed and hour == 2)
        found += world.read(
            *(scores(60 * hour + at, 150, 0.9) for at in range(60)),
            scores(60 * hour, 9000, 0.9, size="1h", trend=said),
        )
    return found + world.read(scores(240, 150, 0.9))


def test_a_trend_does_not_go_on_across_a_change_of_configuration() -> None:
    (opened, *_) = trends(changed=False)
    assert (opened.metric, opened.observed) == ("quality_overall", 60.0)
    assert "share of results of good overall quality of * fell" in opened.summary
    assert trends(changed=True) == []


def test_a_budget_of_good_results_burns() -> None:
    rule = {"name": "b", "kind": "burn_rate", "metric": "quality_overall", "objective": 95.0,
            "min_samples": 10, "pairs": [{"rate": 2, "long": "10m", "short": "2m",
            "severity": "high"}]}  # fmt: skip
    found = mean_of(World(rule), 0, *[0.8] * 10, bad=5)
    assert found[0].evidence["objective"] == 95.0
    assert found[0].summary.endswith("results")


def test_a_model_that_falls_silent_is_found() -> None:
    world = World({"name": "n", "kind": "no_data", "after": "5m", "each": "model"})
    mean_of(world, 0, 0.9, 0.9, model="m1")
    assert words(world.pass_minutes(9)) == [("opened", "violated")]


def test_strange_records_are_refused_or_bounded() -> None:
    good = json.loads(scores(0, 10, 0.9))
    for field, value in [("mean", 1.5), ("mean", None), ("count", -1), ("good", "x")]:
        assert read_aggregate(json.dumps(good | {field: value}).encode()) is None
    series = good["series"] | {"dimension": "beauty"}
    assert read_aggregate(json.dumps(good | {"series": series}).encode()) is None
    found = mean_of(
        World(RULE | {"metric": "quality_bad_share", "tiers": [], "threshold": 1.0}), 0, *[0.1] * 3,
        good=99, acceptable=10**12, findings={"x": 1}, actions={}, exemplars=[{"id": 3}],
    )  # fmt: skip
    assert [it.observed for it in found] == [0.0]


def test_what_is_published_is_what_rules_read(scored: list[ScoredRecord]) -> None:
    block = ScoreBlock(0)
    block.take(events_of(scored, 0.85, 0.7), 0)
    windows = Windows(
        0, 1, {}, TimeLimits(3_600_000, 60_000, 10_000), ENGINES["fastdigest"], 100,
        kind=QUALITY_WINDOWS,
    )  # fmt: skip
    windows.apply(0, 0, block.fold(-1), 0, len(scored))
    windows.progress(Reached(1, MONDAY_MS + 10 * MINUTE_MS, MONDAY_MS + 10 * MINUTE_MS))
    windows.advance(0)
    world = World(RULE | {"window": "1m", "each": "model"})
    found = world.read(*(it.value for it in windows.collect(0) if it.window.size == "1m"))
    assert [it.series for it in found] == ['overall:*{model="broken"}']
    assert found[0].evidence["recommended_actions"] == "reanalyse (30)"


@pytest.fixture
def scored() -> list[ScoredRecord]:
    from random import Random

    from tests.properties.test_quality_windows import drawn_score

    found = []
    for number in range(60):
        score = drawn_score(Random(number), number, MONDAY_MS)
        is_good = number % 2 == 0
        fields = {"overall": 0.95 if is_good else 0.5, "model": "m" if is_good else "broken"}
        fields |= {"actions": [] if is_good else ["reanalyse"], "operation": "parse"}
        found.append(ScoredRecord(number, MONDAY_MS, score.model_copy(update=fields)))
    return found
