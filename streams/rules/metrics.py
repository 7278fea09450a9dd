"""Say what a metric is over a span, in people's units, and how many samples it rests on."""

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import schemas.fields
from schemas.fields import METRICS, RATIOS
from schemas.rules import Metric, Operator

_RANKS: dict[str, float] = {
    "duration_p50": 0.5,
    "duration_p90": 0.9,
    "duration_p95": 0.95,
    "duration_p99": 0.99,
}


class MetricDefinition(NamedTuple):
    """What a metric is made of, and its unit and words."""

    samples: Callable[[Any], int]
    """Of Sums, or of ServiceTimes."""
    value: Callable[[Any], float | None] | None
    """In the unit, where there are samples; None: of the digest."""
    unit: str
    words: str
    of: str = "operations"
    """What the samples are."""


def _definition(metric: schemas.fields.Metric) -> MetricDefinition:
    ratio = RATIOS[metric.figure]
    scale = 100 if metric.unit == "%" else 1
    return MetricDefinition(
        attrgetter(ratio.below),
        partial(ratio.of, scale=scale),
        metric.unit,
        metric.words,
        metric.samples,
    )


_count = attrgetter("count")
MEASURES: dict[str, MetricDefinition] = {
    **{name: _definition(metric) for name, metric in METRICS.items()},
    **{
        name: MetricDefinition(
            _count, None, "ms", f"{name.removeprefix('duration_')} of the duration"
        )
        for name in _RANKS
    },
    "throughput": MetricDefinition(_count, None, "/s", "throughput"),
    "uptime": MetricDefinition(
        lambda times: times.known_ms // 1000,
        lambda times: 100 * times.up_ms / times.known_ms,
        "%",
        "uptime",
        "seconds",
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
