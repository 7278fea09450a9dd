"""Say what a metric is over a span, in people's units, and how many samples it rests on."""

from collections.abc import Callable
from typing import NamedTuple

from schemas.rules import Metric, Operator
from streams.rules.sums import Sums

_RANKS: dict[str, float] = {
    "duration_p50": 0.5,
    "duration_p90": 0.9,
    "duration_p95": 0.95,
    "duration_p99": 0.99,
}
_US = 1000
_PPM_A_PERCENT = 10_000


class MetricDefinition(NamedTuple):
    """How a metric is told."""

    samples: Callable[[Sums], int]
    value: Callable[[Sums], float] | None
    """In the unit, where there are samples; None: of the digest."""
    unit: str
    words: str
    of: str = "operations"
    """What the samples are."""


MEASURES: dict[Metric, MetricDefinition] = {
    "success_rate": MetricDefinition(
        lambda s: s.count, lambda s: 100 * (s.count - s.failures) / s.count, "%", "success rate"
    ),
    "error_rate": MetricDefinition(
        lambda s: s.count, lambda s: 100 * s.failures / s.count, "%", "error rate"
    ),
    "duration_mean": MetricDefinition(
        lambda s: s.count, lambda s: s.duration_us / s.count / _US, "ms", "mean duration"
    ),
    "duration_p50": MetricDefinition(lambda s: s.count, None, "ms", "p50 of the duration"),
    "duration_p90": MetricDefinition(lambda s: s.count, None, "ms", "p90 of the duration"),
    "duration_p95": MetricDefinition(lambda s: s.count, None, "ms", "p95 of the duration"),
    "duration_p99": MetricDefinition(lambda s: s.count, None, "ms", "p99 of the duration"),
    "cache_hit_rate": MetricDefinition(
        lambda s: s.lookups, lambda s: 100 * s.hits / s.lookups, "%", "cache hit rate", "lookups"
    ),
    "cache_miss_rate": MetricDefinition(
        lambda s: s.lookups,
        lambda s: 100 * (s.lookups - s.hits) / s.lookups,
        "%",
        "cache miss rate",
        "lookups",
    ),
    "cache_eviction_rate": MetricDefinition(
        lambda s: s.lookups,
        lambda s: 100 * s.evictions / s.lookups,
        "%",
        "cache eviction rate",
        "lookups",
    ),
    "cache_ttl": MetricDefinition(
        lambda s: s.ttl_weight, lambda s: s.ttl_ms / s.ttl_weight / 1000, "s", "TTL", "lookups"
    ),
    "throughput": MetricDefinition(lambda s: s.count, None, "/s", "throughput"),
    "confidence": MetricDefinition(
        lambda s: s.confidence_count,
        lambda s: s.confidence_ppm / s.confidence_count / _PPM_A_PERCENT,
        "%",
        "mean confidence",
    ),
    "uptime": MetricDefinition(
        lambda s: s.known_ms // 1000, lambda s: 100 * s.up_ms / s.known_ms, "%", "uptime", "seconds"
    ),
}


def rank_of(metric: Metric) -> float | None:
    """Return the rank (0 to 1) of a percentile; None for any other metric."""
    return _RANKS.get(metric)


def is_past(value: float, threshold: float, operator: Operator) -> bool:
    """Return whether a value is where the operator says it must not be."""
    if operator == "less_than":
        return value < threshold
    if operator == "less_than_or_equal":
        return value <= threshold
    if operator == "greater_than":
        return value > threshold
    return value >= threshold
