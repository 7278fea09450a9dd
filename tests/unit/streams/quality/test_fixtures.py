"""Each dimension ranks bad analyses below good ones, and its findings name the planted fault."""

import pytest

from agents.quality_file.assessors import load_assessors
from schemas.quality_config import QualityConfig
from schemas.quality_scores import DIMENSIONS
from streams.quality.assessor import Assessed, Context
from tests.quality_fixtures import documents, further_posts, job_posts
from tests.quality_fixtures.case import Case

GOOD = [*job_posts.GOOD, *documents.GOOD, *further_posts.GOOD]
BAD = [*job_posts.BAD, *documents.BAD, *further_posts.BAD]
ASSESSORS = {it.dimension: it for it in load_assessors([])}
CONFIG = QualityConfig()


def assess(case: Case, dimension: str) -> Assessed | None:
    context = Context(config=CONFIG, earlier=case.earlier, labels=case.labels)
    return ASSESSORS[dimension].assess(case.analysis, context)


def area_under_curve(good: list[float], bad: list[float]) -> float:
    """Return how often a good one has the higher score; an equal one is half."""
    wins = sum((g > b) + (g == b) / 2 for g in good for b in bad)
    return wins / (len(good) * len(bad))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_bad_analyses_rank_below_good_ones(dimension: str):
    good = [it.score for case in GOOD if (it := assess(case, dimension))]
    bad = [
        it.score for case in BAD if case.dimension == dimension and (it := assess(case, dimension))
    ]
    assert len(good) >= 10
    assert len(bad) >= 8
    assert area_under_curve(good, bad) >= 0.95


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_a_finding_names_the_planted_fault(case: Case):
    answer = assess(case, str(case.dimension))
    assert answer is not None
    messages = [it.message for it in answer.findings if it.code == case.fault]
    assert messages, answer.findings
    assert any(case.mentions in message for message in messages), messages
    assert answer.score < CONFIG.good


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_good_analysis_is_good_in_every_dimension(case: Case, dimension: str):
    answer = assess(case, dimension)
    if answer is not None:
        assert answer.score >= CONFIG.good, answer.findings


def test_there_are_enough_and_of_every_shape():
    assert len(GOOD) + len(BAD) >= 60
    assert len({case.body["operation"] for case in GOOD}) >= 4
