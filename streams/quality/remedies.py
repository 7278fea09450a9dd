"""Decide whether a bad analysis is to be remedied, so that an input never goes round in circles."""

import hashlib
from typing import Literal, NamedTuple

from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from schemas.quality_scores import QualityScore
from schemas.remediations import Remediation
from streams.quality.input_state import OperationHistory, RemediationAttempt

Outcome = Literal["requested", "limit_reached", "cooldown", "healed", "not_healed"]
#: Findings that a request names.
MOST_FINDINGS = 5
_ID_LENGTH = 16


class Place(NamedTuple):
    """Where an analysis stands in the log, and its record's timestamp."""

    offset: int
    stamp_ms: int


class Remedy(NamedTuple):
    """What follows from a score: how it ended, and what is asked for."""

    outcomes: tuple[Outcome, ...]
    request: Remediation | None = None


def note_repeat(history: OperationHistory, analysis: Analysis, place: Place) -> None:
    """Count an analysis that repeats another as an attempt, also if nobody asked for it."""
    repeated = analysis.remediates
    if repeated is not None and history.attempt_of(repeated) is None:
        number = len(history.attempts_until(place.offset, repeated)) + 1
        attempt = RemediationAttempt(repeated, place.offset, place.stamp_ms, number)
        history.add_attempt(attempt)


def concerns(analysis: Analysis, quality: QualityScore, config: QualityConfig) -> bool:
    """Return whether a score is to be remedied, or says how a remedy ended."""
    overall = quality.overall
    is_bad = overall is not None and overall < config.acceptable
    return is_bad or (overall is not None and analysis.remediates is not None)


def remedy(
    analysis: Analysis,
    quality: QualityScore,
    history: OperationHistory,
    place: Place,
    config: QualityConfig,
) -> Remedy:
    """Return what to ask for; the attempt is noted in the history.

    The same analysis, read again, asks for the same.
    """
    overall = quality.overall
    if overall is None:
        return Remedy(())
    is_bad = overall < config.acceptable
    outcomes: tuple[Outcome, ...] = ()
    if analysis.remediates is not None:
        outcomes = ("not_healed" if is_bad else "healed",)
    if not is_bad or not config.remediation.attempts:
        return Remedy(outcomes)
    attempt = history.attempt_of(analysis.id)
    if attempt is not None and attempt.offset > place.offset:
        return Remedy(outcomes)  # somebody repeated it without being asked
    if attempt is None:
        before = history.attempts_until(place.offset, analysis.id)
        if len(before) >= config.remediation.attempts:
            return Remedy((*outcomes, "limit_reached"))
        last_ms = max((earlier.at_ms for earlier in before), default=None)
        if last_ms is not None and place.stamp_ms - last_ms < config.remediation.cooldown:
            return Remedy((*outcomes, "cooldown"))
        attempt = RemediationAttempt(analysis.id, *place, len(before) + 1)
        history.add_attempt(attempt)
    return Remedy((*outcomes, "requested"), _request(analysis, quality, attempt))


def _request(analysis: Analysis, quality: QualityScore, attempt: RemediationAttempt) -> Remediation:
    assert quality.overall is not None
    findings = [found for dimension in quality.dimensions.values() for found in dimension.findings]
    findings.sort(key=lambda finding: -finding.cost)
    return Remediation(
        id=_id_of(analysis),
        analysis=analysis.id,
        input_hash=analysis.input.hash,
        service=analysis.service,
        operation=analysis.operation,
        platform=analysis.platform,
        model=analysis.model,
        action=quality.actions[0] if quality.actions else "human_review",
        attempt=attempt.number,
        overall=quality.overall,
        findings=findings[:MOST_FINDINGS],
        requested_at=attempt.at_ms,
    )


def _id_of(analysis: Analysis) -> str:
    """Return the request's id: a repeat of it has the same."""
    parts = analysis.service, analysis.operation, analysis.input.hash, analysis.id
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_ID_LENGTH]
