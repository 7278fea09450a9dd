"""Say what a metric is over a span, in people's units, and how many samples it rests on."""

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from schemas import fields
from schemas.rules import Operator
from streams.rules.history import History
from streams.rules.window_sums import LOST_A_RESULT

_RANKS = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class MetricDefinition(NamedTuple):
    """What a metric is made of, and its unit and words."""

    samples: Callable[[Any], int]
    """Of Sums, or of ServiceTimes."""
    value: Callable[[Any], float | None] | None
    """In the unit, where there are samples; None: of the digest."""
    unit: str
    words: str
    samples_of: str = "operations"
    """What the samples are."""
    rank: float | None = None
    """Of a percentile of durations, from 0 to 1."""

    def observed(self, history: History, sums: Any, span: int, minute: int) -> float | None:
        """Return the metric over a span, in the unit; None if nothing says it.

        Args:
            history: of the series.
            sums: of the span: there are samples.
            span: in minutes.
            minute: the last one.
        """
        if self.rank is not None:
            return history.quantile(span, minute, self.rank)
        assert self.value is not None
        return self.value(sums)


def _definition(metric: fields.Metric) -> MetricDefinition:
    ratio = fields.RATIOS[metric.figure]
    scale = 100 if metric.unit == "%" else 1
    return MetricDefinition(
        attrgetter(ratio.below),
        partial(ratio.of, scale=scale),
        metric.unit,
        metric.words,
        metric.samples,
    )


def _mean_score(sums: Any) -> float:
    mean: float = 1 - sums.duration_us / LOST_A_RESULT / sums.count
    return mean


_count = attrgetter("count")
METRICS: dict[str, MetricDefinition] = {
    **{name: _definition(metric) for name, metric in fields.METRICS.items()},
    **{
        f"duration_{name}": MetricDefinition(
            _count, None, "ms", f"{name} of the duration", rank=rank
        )
        for name, rank in _RANKS.items()
    },
    **{
        name: MetricDefinition(_count, _mean_score, "", f"{dimension} quality", "results")
        for name, dimension in fields.QUALITY_DIMENSIONS.items()
    },
    "quality_bad_share": MetricDefinition(
        _count,
        lambda sums: 100 * sums.misses / sums.count,
        "%",
        "share of bad results",
        "results",
    ),
    "throughput": MetricDefinition(_count, None, "/s", "throughput"),
    "uptime": MetricDefinition(
        lambda times: times.observed_ms // 1000,
        lambda times: 100 * times.up_ms / times.observed_ms,
        "%",
        "uptime",
        "seconds",
    ),
}


def is_past(value: float, threshold: float, operator: Operator) -> bool:
    """Return whether a value is where the operator says it must not be."""
    if operator == "less_than":
        return value < threshold
    if operator == "less_than_or_equal":
        return value <= threshold
    if operator == "greater_than":
        return value > threshold
    return value >= threshold
