"""Check a threshold's size and side; each refusal says what to write."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from schemas.fields import METRICS, QUALITY_DIMENSIONS
from schemas.numbers import plain
from schemas.rules import SEVERITIES, Configured, Severity
from schemas.spans import HOUR_MS, MINUTE_MS

#: In per cent, and never past a hundred.
_RATES = {"uptime", "quality_bad_share"} | {
    name for name, metric in METRICS.items() if metric.unit == "%" and metric.is_share
}
#: What is good when it is near a hundred: a threshold of 1 or less was meant as a ratio.
_NEAR_100 = {"uptime"} | {name for name, metric in METRICS.items() if metric.is_good_near_100}


class Tier(Configured):
    """A severity past a threshold of its own."""

    severity: Severity
    threshold: float


def in_range(value: float, metric: str, operator: str | None) -> None:
    """Refuse a threshold that the metric never reaches, or that was meant as a ratio."""
    if value < 0:
        message = f"{metric} is never below 0"
        raise ValueError(message)
    if metric in QUALITY_DIMENSIONS and metric not in _RATES and value > 1:
        message = f"{metric} is a score from 0 to 1: write {plain(value / 100)}"
        raise ValueError(message)
    if metric in _RATES and value > 100:  # noqa: PLR2004, RUF100 - per cent
        message = f"{metric} is in per cent and never above 100"
        raise ValueError(message)
    below = operator in ("less_than", "less_than_or_equal")
    if metric in _NEAR_100 and below and 0 < value <= 1:
        message = f"{metric} is in per cent: write {plain(value * 100, 6)}"
        raise ValueError(message)


def rising(tiers: Sequence[Tier], fields: Mapping[str, Any]) -> None:
    """Refuse tiers that are not mildest first, or that stand beside a threshold.

    Args:
        tiers: as the file has them.
        fields: of the rule, those that were read so far and are right.
    """
    if "threshold" in fields:
        if tiers and fields["threshold"] is not None:
            message = "stand in place of `threshold`: leave one of the two out"
            raise ValueError(message)
        if not tiers and fields["threshold"] is None:
            message = "`threshold` is missing: write `threshold: 5` (or `tiers`)"
            raise ValueError(message)
    operator = fields.get("operator")
    for mild, grave in pairwise(tiers):
        if SEVERITIES.index(grave.severity) <= SEVERITIES.index(mild.severity):
            message = f"must be mildest first: {grave.severity} cannot come after {mild.severity}"
            raise ValueError(message)
        if operator and not _past(grave.threshold, mild.threshold, operator):
            side = "below" if operator.startswith("less") else "above"
            message = (
                f"contradict {operator}: the threshold of {grave.severity}"
                f" ({plain(grave.threshold)}) must be {side} that of {mild.severity}"
                f" ({plain(mild.threshold)})"
            )
            raise ValueError(message)


def behind(value: float | None, fields: Mapping[str, Any]) -> None:
    """Refuse a resolve threshold that is past the threshold itself."""
    operator, first = fields.get("operator"), _first(fields)
    if value is None or operator is None or first is None:
        return
    if _past(value, first, operator):
        side = "below" if operator.startswith("greater") else "above"
        message = (
            f"is on the wrong side of the threshold: with {operator} {plain(first)} write"
            f" {plain(first)} or a number {side} it"
        )
        raise ValueError(message)


def _first(fields: Mapping[str, Any]) -> float | None:
    tiers = fields.get("tiers")
    if tiers:
        return float(tiers[0].threshold)
    threshold = fields.get("threshold")
    return None if threshold is None else float(threshold)


def _past(value: float, other: float, operator: str) -> bool:
    return value < other if operator.startswith("less") else value > other


def enough(samples: int, fields: Mapping[str, Any]) -> None:
    """Refuse `enough_samples` where it does not look at minutes, or they are not enough.

    Raises:
        ValueError: what to write instead.
    """
    if fields.get("window", 0) > HOUR_MS:
        message = "looks at single minutes: write `window: 1h`, or less"
        raise ValueError(message)
    if samples < (least := fields.get("min_samples", 1)):
        message = f"must be at least min_samples, which is {least}"
        raise ValueError(message)
    if fields.get("metric") == "throughput":
        message = "is of no use to throughput, which needs the whole window: leave it out"
        raise ValueError(message)


def single_results(fields: Mapping[str, Any]) -> None:
    """Refuse `each_analysis` where no single result is judged.

    Raises:
        ValueError: what to write instead.
    """
    if "metric" not in fields or "window" not in fields:
        return
    metric = fields["metric"]
    if metric not in QUALITY_DIMENSIONS or metric == "quality_bad_share":
        message = f"is of scores, and {metric} is none: write `metric: quality_overall`"
        raise ValueError(message)
    if not fields.get("operator", "less_than").startswith("less"):
        message = "judges the worst result: write `operator: less_than`"
        raise ValueError(message)
    if fields["window"] != MINUTE_MS or fields.get("min_samples", 1) != 1:
        message = "judges single results: write `window: 1m`, and leave min_samples out"
        raise ValueError(message)
