"""A bad analysis is asked to be repeated, within a limit and not too often."""

from typing import Any

import pytest

from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from schemas.quality_scores import Finding
from streams.quality.assessor import Assessed
from streams.quality.input_state import OperationHistory
from streams.quality.remedies import Place, note_repeat, remedy
from streams.quality.score import combine
from tests.unit.streams.analysis_samples import analysis

COOLDOWN_MS = 600_000
CONFIG = QualityConfig()


def assess(history: OperationHistory, offset: int, score: float, at_ms: int, **fields: Any):
    found: Analysis = analysis(id=f"a-{offset}", **fields)
    finding = Finding(
        code="invented_quote", dimension="accuracy", message="It is invented.", cost=1 - score
    )
    quality = combine(
        found,
        {"accuracy": Assessed(score=score, findings=(finding,))},
        CONFIG,
        assessors=(),
        configuration="x",
        source=(0, offset),
        took_ms=1.0,
        each_took_ms={},
    )
    place = Place(offset, at_ms)
    note_repeat(history, found, place)
    return remedy(found, quality, history, place, CONFIG)


def test_a_bad_analysis_is_asked_to_be_repeated_for_its_worst_finding():
    found = assess(OperationHistory(), 3, 0.4, 1_000)

    assert found.outcomes == ("requested",)
    assert found.request is not None
    assert found.request.analysis == "a-3"
    assert found.request.action == "reanalyse"
    assert found.request.attempt == 1
    assert [finding.code for finding in found.request.findings] == ["invented_quote"]


def test_an_acceptable_one_is_not():
    assert assess(OperationHistory(), 3, 0.7, 1_000) == ((), None)


def test_the_same_analysis_read_again_asks_for_the_same():
    history = OperationHistory()
    first = assess(history, 3, 0.4, 1_000)
    assess(history, 4, 0.4, 1_000 + COOLDOWN_MS)

    assert assess(history, 3, 0.4, 1_000) == first


def test_no_input_is_remedied_beyond_the_limit():
    history = OperationHistory()
    outcomes = []
    for step in range(6):
        before = {"remediates": f"a-{step - 1}"} if step else {}
        found = assess(history, step, 0.2, step * COOLDOWN_MS, **before)
        outcomes.append(found.outcomes[-1])

    assert outcomes == ["requested", "requested", *["limit_reached"] * 4]


def test_nobody_asks_again_before_the_cooldown_ends():
    history = OperationHistory()
    assess(history, 0, 0.2, 1_000)

    assert assess(history, 1, 0.2, COOLDOWN_MS).outcomes == ("cooldown",)
    assert assess(history, 2, 0.2, COOLDOWN_MS + 1_000).outcomes == ("requested",)


def test_repeats_that_nobody_asked_for_count_as_attempts():
    history = OperationHistory()
    for step in range(2):
        assess(history, step, 0.9, step * COOLDOWN_MS, remediates=f"elsewhere-{step}")

    assert assess(history, 2, 0.2, 9 * COOLDOWN_MS).outcomes == ("limit_reached",)


@pytest.mark.parametrize(("score", "outcome"), [(0.9, "healed"), (0.3, "not_healed")])
def test_a_repeat_is_healed_or_not(score: float, outcome: str):
    history = OperationHistory()
    assess(history, 0, 0.2, 1_000)

    assert assess(history, 1, score, 2_000, remediates="a-0").outcomes[0] == outcome
