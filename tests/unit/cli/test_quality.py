"""The worst results are found in bounded memory, and a later record of an analysis counts."""

import random

import pytest

from agents.quality.score_log import AnalysisScores, WorstScores
from schemas.quality_scores import QualityScore
from streams.quality.calibration import share_interval


def score(analysis: str, overall: float | None, *, at_ms: int = 0, remediates: str | None = None):
    return QualityScore(
        analysis=analysis,
        service="s",
        operation="analyze_job",
        platform="lever",
        model="none",
        occurred_at=at_ms,
        overall=overall,
        dimensions={},
        left_out=[],
        actions=[],
        configuration="c",
        took_ms=1.0,
        source=(0, 0),
        remediates=remediates,
    )


def test_the_worst_come_first_and_of_equals_the_latest():
    found = WorstScores(3)
    for analysis, overall, at_ms in (("a", 0.5, 1), ("b", 0.1, 1), ("c", 0.5, 2), ("d", 0.9, 3)):
        found.add(score(analysis, overall, at_ms=at_ms))

    assert [it.analysis for it in found.worst()] == ["b", "c", "a"]


def test_a_later_record_replaces_the_earlier_one():
    found = WorstScores(2)
    found.add(score("a", 0.1))
    found.add(score("b", 0.2))
    found.add(score("a", 0.95))
    found.add(score("b", None))

    assert [it.analysis for it in found.worst()] == ["a"]
    assert (found.count, found.unscored) == (4, 1)


def test_of_many_results_few_are_remembered_and_they_are_the_worst():
    chance = random.Random(1)
    overalls = [chance.random() for _ in range(20_000)]
    found = WorstScores(5)
    for number, overall in enumerate(overalls):
        found.add(score(str(number), overall))

    assert [it.overall for it in found.worst()] == sorted(overalls)[:5]
    assert len(found._scores) <= 200


def test_the_repeats_of_an_analysis_are_found_with_it():
    found = AnalysisScores("a")
    for it in (score("a", 0.2), score("b", 0.9, remediates="a"), score("c", 0.1), score("a", 0.3)):
        found.add(it)

    assert found.score is not None
    assert found.score.overall == 0.3
    assert list(found.repeats) == ["b"]


def test_the_interval_of_a_share_narrows_with_labels_and_stays_a_share():
    assert share_interval(15, 30) == pytest.approx((0.331, 0.669), abs=0.001)
    assert share_interval(500, 1000) == pytest.approx((0.469, 0.531), abs=0.001)
    assert share_interval(30, 30) == pytest.approx((0.886, 1.0), abs=0.001)
    assert share_interval(0, 30)[0] == 0
