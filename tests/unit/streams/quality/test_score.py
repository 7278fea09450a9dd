"""An overall score is the weighted mean of the dimensions that answered."""

import pytest

from schemas.quality_config import QualityConfig
from schemas.quality_scores import Finding, LeftOut, QualityScore
from streams.quality.actions import actions_of
from streams.quality.assessor import Assessed, Assessor
from streams.quality.performance import Performance
from streams.quality.reliability import Reliability
from streams.quality.score import combine, configuration_of
from tests.unit.streams.quality.analyses import analysis

CONFIG = QualityConfig(weights={"accuracy": 0.6, "performance": 0.2, "reliability": 0.2})


def score(**results: Assessed | LeftOut) -> QualityScore:
    return combine(
        analysis(),
        results,
        CONFIG,
        assessors=[Performance()],
        configuration="c",
        source=(0, 7),
        took_ms=3.0,
        each_took_ms={"performance": 1.0},
    )


def left_out(dimension: str) -> LeftOut:
    return LeftOut(dimension=dimension, why="too_slow", detail="300 ms had passed")


def finding(code: str, cost: float) -> Finding:
    return Finding(code=code, dimension="accuracy", message="…", cost=cost)


def test_the_overall_score_is_the_weighted_mean():
    got = score(
        accuracy=Assessed(score=0.5), performance=Assessed(score=1), reliability=Assessed(score=1)
    )
    assert got.overall == pytest.approx(0.7)
    assert got.dimensions["performance"].assessor == "performance/1"
    assert got.dimensions["performance"].took_ms == 1.0


def test_the_weights_of_those_that_answered_are_renormalised():
    got = score(
        accuracy=left_out("accuracy"), performance=Assessed(score=0.5), reliability=left_out("r")
    )
    assert got.overall == pytest.approx(0.5)
    assert got.dimensions["performance"].weight == pytest.approx(1.0)
    assert [it.dimension for it in got.left_out] == ["accuracy", "r"]


def test_where_none_answered_there_is_no_score():
    got = score(accuracy=left_out("accuracy"))
    assert got.overall is None
    assert got.dimensions == {}


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.1, float("inf")])
def test_a_score_out_of_range_is_left_out_and_named(wrong: float):
    got = score(accuracy=Assessed(score=wrong), performance=Assessed(score=0.5))
    assert got.overall == pytest.approx(0.5)
    assert [(it.dimension, it.why) for it in got.left_out] == [("accuracy", "failed")]


def test_a_dimension_that_the_file_does_not_name_counts_too():
    got = score(accuracy=Assessed(score=1), tone=Assessed(score=0))
    assert got.overall == pytest.approx(0.75)


def test_the_configuration_is_what_decides_scores():
    assessors: list[Assessor] = [Performance(), Reliability()]
    same = configuration_of(CONFIG, assessors)
    assert configuration_of(CONFIG, assessors[::-1]) == same
    assert configuration_of(CONFIG.model_copy(update={"budget": 900}), assessors) == same
    assert configuration_of(CONFIG.model_copy(update={"good": 0.9}), assessors) != same
    newer = Performance()
    newer.version = 2
    assert configuration_of(CONFIG, [newer, Reliability()]) != same


def test_the_costliest_finding_names_the_first_action():
    findings = [finding("invented_quote", 0.4), finding("wrong_value", 0.5), finding("slow", 0.1)]
    assert actions_of(findings, CONFIG) == ["another_model", "reanalyse"]


def test_a_cached_answer_is_analysed_again_past_the_cache():
    assert actions_of([finding("missing_field", 0.5)], CONFIG, cached=True) == ["bypass_cache"]


def test_an_action_may_be_configured():
    body = {"remediation": {"actions": {"wrong_value": "human_review"}}}
    config = QualityConfig.model_validate(body)
    assert actions_of([finding("wrong_value", 0.5)], config) == ["human_review"]


def test_a_code_that_nobody_knows_asks_for_a_person():
    assert actions_of([finding("rude", 0.5)], CONFIG) == ["human_review"]
