"""Make aggregates for tests."""

from typing import Any

from schemas.aggregates import Aggregate

MINUTE_MS = 60_000
SIZES_MS = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "24h": 1440 * MINUTE_MS,
    "7d": 10080 * MINUTE_MS,
}
#: 2026-03-04 05:06 UTC.
START_MS = 1_772_600_760_000


def aggregate(
    operation: str = "parse_job_data",
    *,
    platform: str | None = None,
    confidence: str | None = None,
    size: str = "1m",
    start_ms: int = START_MS,
    revision: int | None = None,
    count: int = 100,
    success_rate: float = 0.99,
    p50: float = 12.3,
    p95: float = 45.6,
    p99: float = 789.0,
    hit_rate: float | None = 0.8,
    final: bool = False,
    verdict: str | None = None,
) -> Aggregate:
    successes = round(count * success_rate)
    evidence = {
        "baseline_rate": 0.9,
        "baseline_count": 10,
        "rate": 0.8,
        "count": 10,
        "z": -3.0,
        "p_value": 0.001,
        "dispersion": 1.0,
        "agreeing": 3,
    }
    body: dict[str, Any] = {
        "series": {"operation": operation, "platform": platform, "confidence": confidence},
        "window": {"size": size, "start_ms": start_ms, "end_ms": start_ms + SIZES_MS[size]},
        "revision": count if revision is None else revision,
        "final": final,
        "count": count,
        "successes": successes,
        "failures": count - successes,
        "success_rate": success_rate,
        "error_rate": 1 - success_rate,
        "duration_ms": {
            "sum": 1.0,
            "mean": p50,
            "min": 1.0,
            "max": p99,
            "std_dev": 1.0,
            "p50": p50,
            "p90": p95,
            "p95": p95,
            "p99": p99,
        },
        "cache": {
            "lookups": 10,
            "hits": 8,
            "misses": 2,
            "hit_rate": hit_rate,
            "miss_rate": None if hit_rate is None else 1 - hit_rate,
            "evictions": 0,
            "eviction_rate": 0.0,
            "average_ttl_s": None,
            "ttl_count": 0,
        },
        "mean_confidence": None,
        "confidence_count": 0,
        "trend": None if verdict is None else {"verdict": verdict, "evidence": evidence},
        "exemplars": [],
        "digest": {"n": 1, "centroids": [{"m": 1.0, "c": 1.0}]},
    }
    return Aggregate.model_validate(body)
