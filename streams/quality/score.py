"""Combine what the assessors found into the score of an analysis."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from schemas.quality_scores import DimensionScore, LeftOut, QualityScore
from streams.quality.actions import actions_of
from streams.quality.assessor import Assessed, Assessor

_HASH_LENGTH = 12
#: What does not decide a score is not in the hash.
_NOT_HASHED = {"deadline", "budget", "remediation"}
#: Of a dimension in a score; an assessor may find any number.
MAX_FINDINGS = 20


def configuration_of(config: QualityConfig, assessors: Iterable[Assessor]) -> str:
    """Return the hash of what decides scores: scores of two hashes cannot be compared."""
    plain = {
        "config": config.model_dump(mode="json", exclude=_NOT_HASHED),
        "assessors": sorted(f"{it.dimension}={name_of(it)}" for it in assessors),
    }
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]


def name_of(assessor: Assessor) -> str:
    """Return an assessor's name and version: accuracy/1."""
    return f"{assessor.name}/{assessor.version}"


def combine(
    analysis: Analysis,
    results: Mapping[str, Assessed | LeftOut],
    config: QualityConfig,
    *,
    assessors: Sequence[Assessor],
    configuration: str,
    source: tuple[int, int],
    took_ms: float,
    each_took_ms: Mapping[str, float],
) -> QualityScore:
    """Return the score of an analysis: the weighted mean of the dimensions that answered.

    Args:
        analysis: the analysis.
        results: by dimension.
        config: weights and thresholds.
        assessors: which answered, by their dimension.
        configuration: of `configuration_of`.
        source: partition and offset of the analysis.
        took_ms: all of it.
        each_took_ms: by dimension.
    """
    answers = {name: it for name, it in results.items() if isinstance(it, Assessed)}
    left_out = [it for it in results.values() if isinstance(it, LeftOut)]
    left_out += [_out_of_range(name, it) for name, it in answers.items() if not _in_range(it)]
    answers = {name: it for name, it in answers.items() if _in_range(it)}
    weights = {name: config.weight_of(name) for name in answers}
    weighed = sum(weights.values())
    overall = None
    if weighed > 0:
        overall = sum(weights[name] * it.score for name, it in answers.items()) / weighed
        overall = min(max(overall, 0.0), 1.0)
    names = {assessor.dimension: name_of(assessor) for assessor in assessors}
    dimensions = {
        name: DimensionScore(
            score=it.score,
            weight=weights[name] / weighed if weighed else 0.0,
            findings=list(it.findings[:MAX_FINDINGS]),
            assessor=names.get(name, name),
            took_ms=each_took_ms.get(name, 0.0),
        )
        for name, it in answers.items()
    }
    findings = [found for it in dimensions.values() for found in it.findings]
    return QualityScore(
        analysis=analysis.id,
        service=analysis.service,
        operation=analysis.operation,
        platform=analysis.platform,
        model=analysis.model,
        occurred_at=analysis.occurred_at,
        overall=overall,
        dimensions=dimensions,
        left_out=left_out,
        actions=actions_of(findings, config, cached=analysis.cached is not None),
        configuration=configuration,
        took_ms=took_ms,
        source=source,
        remediates=analysis.remediates,
    )


def _in_range(answer: Assessed) -> bool:
    return 0 <= answer.score <= 1  # not so of nan


def _out_of_range(dimension: str, answer: Assessed) -> LeftOut:
    detail = f"its score {answer.score} is not from 0 to 1"
    return LeftOut(dimension=dimension, why="failed", detail=detail)
