"""Make the aggregate of a window of scores that is published."""

import math
from functools import lru_cache
from typing import Any

import msgspec

from schemas.aggregates import Trend
from schemas.fields import PUBLISHED_NAMES, SUMMED
from schemas.partials import ExemplarRow, Stats
from schemas.series import WindowSize
from streams.measure.aggregate import window_fields
from streams.measure.digest_wire import published_digest
from streams.measure.tallies import most_frequent
from streams.measure.window_kind import WindowKind
from streams.quality.score_events import LOST, counted_faults, fault_of
from streams.quality.score_series import (
    ALL_SCORES,
    SCORE_TOTALS,
    is_score_series,
    parse_score_series,
    score_overflow_of,
)

#: Of what was lost: the p5 of scores is the p95 of losses.
_RANKS = (0.5, 0.95)
_encode = msgspec.json.Encoder().encode


def quality_aggregate(
    series: str,
    size: WindowSize,
    start_ms: int,
    stats: Stats,
    trend: Trend | None,
    baseline: tuple[str, ...] = (),
    *,
    final: bool,
    missing: int = 0,
) -> bytes:
    """Return a schemas.aggregates.QualityAggregate as JSON; see streams.measure.window_kind."""
    sums, count = stats.sums, stats.sums.count
    (p50, p95), digest = published_digest(stats.digest, count, _RANKS, final=final)
    mean_lost = sums.duration_us / SUMMED["duration_us"].times / count
    variance = max(0.0, stats.duration_sq / count - mean_lost * mean_lost)
    if stats.min_ms == stats.max_ms:
        variance = 0.0  # but for what rounding left
    low, high = _score(stats.max_ms), _score(stats.min_ms)
    acceptable = min(sums.hits, count)
    return _encode(
        {
            "version": 1,
            "kind": "quality",
            "series": _series_fields(series),
            "window": window_fields(size, start_ms),
            "revision": count,
            "final": final,
            "missing": missing,
            "count": count,
            "mean": _score(mean_lost),
            "min": low,
            "max": high,
            "std_dev": math.sqrt(variance) / LOST,
            "p5": min(max(_score(p95), low), high),
            "p50": min(max(_score(p50), low), high),
            "good": sums.successes,
            "acceptable": acceptable,
            "below_good": sums.failures / count,
            "below_acceptable": (count - acceptable) / count,
            "trend": None if trend is None else _trend(trend, {*stats.configurations, *baseline}),
            "exemplars": [_exemplar(row) for row in stats.exemplars],
            "configurations": stats.configurations,
            "digest": digest,
        }
        | _faults(stats)
    )


def _score(lost: float) -> float:
    """Return the score of which this much was lost. Anybody may have written a partial."""
    return min(max(1 - lost / LOST, 0.0), 1.0)


def _exemplar(row: ExemplarRow) -> dict[str, Any]:
    finding, _ = fault_of(row.error_type)
    return {"id": row.id, "score": _score(row.duration_ms), "finding": finding or None}


def _trend(trend: Trend, configurations: set[str]) -> dict[str, Any]:
    changed = len(configurations) > 1
    fields = trend.model_dump() | {"changed_configuration": changed}
    return fields | {"verdict": "insufficient_data"} if changed else fields


def _faults(stats: Stats) -> dict[str, Any]:
    """Return the findings and the actions of the results that are not good."""
    names, other = stats.tallies.failures_by_type
    findings, actions = counted_faults(names.items())
    top = most_frequent(findings)[:PUBLISHED_NAMES]
    named = sum(findings.values())
    return {
        "findings": {
            "most_frequent": [{"name": name, "count": count} for name, count in top],
            "other": named + other - sum(count for _, count in top),
            "unnamed": max(0, stats.sums.failures - named - other),
        },
        "actions": [{"name": name, "count": count} for name, count in most_frequent(actions)],
    }


@lru_cache(maxsize=65_536)
def _series_fields(series: str) -> msgspec.Raw:
    return msgspec.Raw(parse_score_series(series).model_dump_json().encode())


QUALITY_WINDOWS = WindowKind(
    is_score_series, SCORE_TOTALS, score_overflow_of, ALL_SCORES, "scores", quality_aggregate
)
