"""Make of scores the events that are folded into blocks and windows, as operations are.

By dimension a score counts in the place of an operation: what it lost, 1000 × (1 − score), is its
duration, so that the p95 of losses is the p5 of scores and the slowest are the worst; a good score
is a success; an acceptable one is a cache hit, another one a miss; and the worst finding with the
action that is recommended first is the error type, of which failures are tallied by name.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from schemas.quality_scores import Finding, QualityScore
from streams.measure.operation_reader import Events
from streams.quality.score_series import SCORE_DIMENSIONS

#: What a score of 0 loses.
LOST = 1000.0
_OVERALL = "overall"
#: Between a finding's code and an action.
_BETWEEN = " > "
_CODE_LENGTH = 70


class DimensionEvent(NamedTuple):
    """What one dimension's windows count of a score."""

    lost: float
    """1000 × (1 − score)."""
    is_good: bool
    is_acceptable: bool
    fault: str
    """The worst finding and the first action, see fault_of; empty: neither."""


class ScoreEvent(NamedTuple):
    """A score, as a block takes it."""

    id: str
    """Of the analysis."""
    operation: str
    platform: str
    model: str
    configuration: str
    dimensions: tuple[DimensionEvent | None, ...]
    """In the order of SCORE_DIMENSIONS; None: it has no such score."""


class ScoredRecord(NamedTuple):
    """A score, and the record of the analysis that it is of."""

    offset: int
    stamp_ms: int
    """The record's timestamp."""
    score: QualityScore


def events_of(scored: Sequence[ScoredRecord], good: float, acceptable: float) -> Events:
    """Return scores, in the log's order, as events.

    Args:
        scored: the scores.
        good: the least score that is good.
        acceptable: the least that is acceptable.
    """
    return Events(
        np.array([record.offset for record in scored], np.int64),
        np.array([record.stamp_ms for record in scored], np.int64),
        np.array([record.score.occurred_at for record in scored], np.int64),
        [_event(record.score, good, acceptable) for record in scored],
    )


def _event(score: QualityScore, good: float, acceptable: float) -> ScoreEvent:
    action = score.actions[0] if score.actions else ""
    dimensions: list[DimensionEvent | None] = []
    for dimension in SCORE_DIMENSIONS:
        if dimension == _OVERALL:
            value, found = score.overall, _of_all(score)
        else:
            part = score.dimensions.get(dimension)
            value = None if part is None else part.score
            found = [(it.cost, it) for it in part.findings] if part else []
        if value is None:
            dimensions.append(None)
            continue
        worst = max(found, key=lambda pair: (pair[0], pair[1].code), default=None)
        fault = _fault(worst[1].code if worst else "", action)
        lost = LOST * (1 - value)
        dimensions.append(DimensionEvent(lost, value >= good, value >= acceptable, fault))
    return ScoreEvent(
        score.analysis,
        score.operation,
        score.platform,
        score.model,
        score.configuration,
        tuple(dimensions),
    )


def _of_all(score: QualityScore) -> list[tuple[float, Finding]]:
    """Return the findings of all dimensions, each with what it cost of the overall score."""
    return [
        (finding.cost * part.weight, finding)
        for part in score.dimensions.values()
        for finding in part.findings
    ]


def _fault(code: str, action: str) -> str:
    return f"{code[:_CODE_LENGTH]}{_BETWEEN}{action}" if code or action else ""


def fault_of(text: str | None) -> tuple[str, str]:
    """Return the code of the finding and the action that a fault names; empty for none."""
    code, between, action = (text or "").rpartition(_BETWEEN)
    return (code, action) if between else (action, "")


def counted_faults(faults: Iterable[tuple[str, int]]) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many results have each finding, and each action, by the counts of faults."""
    findings: dict[str, int] = {}
    actions: dict[str, int] = {}
    for fault, count in faults:
        code, action = fault_of(fault)
        if code:
            findings[code] = findings.get(code, 0) + count
        if action:
            actions[action] = actions.get(action, 0) + count
    return findings, actions
