"""Describe each kind of rule: what is good, and what it takes to be in breach."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator

from schemas import rule_file_checks, thresholds
from schemas.numbers import plain
from schemas.rules import (
    AS_LIST,
    SEVERITIES,
    BaseRule,
    Configured,
    GoodMetric,
    Metric,
    Operator,
    Severity,
    word_or_list,
)
from schemas.spans import DAY_MS, HOUR_MS, Minutes, Positive, Window
from schemas.thresholds import Tier

Status = Literal["down", "degraded", "silent"]
Statuses = Annotated[list[Status], Field(min_length=1), AS_LIST, word_or_list(Status, minItems=1)]
NoOperations = Literal["not_judged", "keep_firing"]
NO_OPERATIONS: Any = Field(
    "not_judged",
    description="What an open breach is after five minutes without operations to judge by.",
)
FOR: Any = Field(0, alias="for", description="Breach only after this long in a row.")


class MetricRule(BaseRule):
    """What all kinds share that judge a metric over a window by thresholds."""

    MEASURES = frozenset({"metric"})

    metric: Metric
    operator: Operator
    threshold: float | None = Field(
        None,
        description="Per cent, milliseconds, seconds (TTL), operations a second; a score: 0 to 1.",
    )
    tiers: list[Tier] = Field(
        default_factory=list,
        max_length=len(SEVERITIES),
        validate_default=True,
        description="In place of threshold and severity, mildest first.",
    )
    resolve_threshold: float | None = Field(
        None, description="Resolve only once the metric is back past this one."
    )
    window: Window
    for_ms: Minutes = FOR
    min_samples: Annotated[int, Field(ge=1)] = 1
    no_operations: NoOperations = NO_OPERATIONS

    @classmethod
    def in_range(cls, value: float, fields: Mapping[str, Any]) -> None:
        """Refuse a threshold that is never reached.

        Args:
            value: the threshold.
            fields: of the rule, those that were read so far and are right.
        """
        if "metric" in fields:
            thresholds.in_range(value, fields["metric"], fields.get("operator"))

    @field_validator("metric")
    @classmethod
    def _has_such_series(cls, metric: Metric, info: ValidationInfo) -> Metric:
        rule_file_checks.selection(info, of=rule_file_checks.series_of(metric), what=metric)
        return metric

    @field_validator("threshold", "resolve_threshold")
    @classmethod
    def _in_range(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None:
            cls.in_range(value, info.data)
        return value

    @field_validator("tiers")
    @classmethod
    def _rising(cls, tiers: list[Tier], info: ValidationInfo) -> list[Tier]:
        thresholds.rising(tiers, info.data)
        for tier in tiers:
            cls.in_range(tier.threshold, info.data)
        return tiers

    @field_validator("resolve_threshold")
    @classmethod
    def _behind(cls, value: float | None, info: ValidationInfo) -> float | None:
        thresholds.behind(value, info.data)
        return value


class MetricThreshold(MetricRule):
    """A metric over a trailing window is past a threshold."""

    kind: Literal["metric_threshold"]
    enough_samples: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Where the newest minutes of the window hold this many, they alone are judged:"
        " a change is found by half as many, however many come.",
    )
    each_analysis: bool = Field(
        False,
        description="Of a quality score: each result is judged, not the mean. A bad one is a breach"
        " of its own, which ends at once; write `window: 1m`.",
    )

    @field_validator("enough_samples")
    @classmethod
    def _fits_minutes(cls, enough: int | None, info: ValidationInfo) -> int | None:
        if enough is not None:
            thresholds.enough(enough, info.data)
        return enough

    @field_validator("each_analysis")
    @classmethod
    def _judges_single_results(cls, is_on: bool, info: ValidationInfo) -> bool:  # noqa: FBT001, RUF100 - a validator
        if is_on:
            thresholds.single_results(info.data)
        return is_on


class Change(MetricRule):
    """A metric changed against what it was a span, a day or a week before."""

    kind: Literal["change"]
    threshold: float | None = Field(
        None, description="Per cent of what it was before: -50 is half, 100 is double."
    )
    against: Literal["previous", "day", "week"] = Field(
        "previous",
        validate_default=True,
        description="The span just before, or the same hours a day or a week before.",
    )

    @classmethod
    def in_range(cls, value: float, fields: Mapping[str, Any]) -> None:
        """Refuse a threshold on the wrong side of no change, or a fall below nothing."""
        falls = fields.get("operator", "").startswith("less")
        if "operator" in fields and (value >= 0 if falls else value <= 0):
            side, example = ("below", -50) if falls else ("above", 100)
            what = "a fall" if falls else "a rise"
            message = f"must be {side} 0, as {what} in per cent: write {plain(-value or example)}"
            raise ValueError(message)
        if value < -100:  # noqa: PLR2004, RUF100 - per cent
            message = "is out of range: nothing falls by more than 100 %"
            raise ValueError(message)

    @field_validator("metric")
    @classmethod
    def _is_of_operations(cls, metric: Metric) -> Metric:
        if metric == "uptime":
            message = "cannot be compared with before: write kind: metric_threshold"
            raise ValueError(message)
        return metric

    @field_validator("against")
    @classmethod
    def _fits_the_window(cls, against: str, info: ValidationInfo) -> str:
        window, metric = info.data.get("window"), info.data.get("metric", "")
        if window is None or (against == "previous" and window <= HOUR_MS):
            return against
        if window % HOUR_MS or not HOUR_MS <= window <= DAY_MS:
            message = f"{against} compares whole hours, 1 to 24: write window: 1h"
            raise ValueError(message)
        if metric.startswith("duration_p") and window != HOUR_MS:
            message = f"{against} compares a percentile of single hours: write window: 1h"
            raise ValueError(message)
        return against


class ServiceStatus(BaseRule):
    """A service is down, degraded or silent."""

    OF = "service"

    kind: Literal["service_status"]
    status: Statuses
    for_ms: Minutes = FOR


class BurnPair(Configured):
    """A page or a ticket: burning the budget this many times too fast over both windows."""

    rate: Annotated[float, Field(gt=0)]
    long: Window
    short: Window
    severity: Severity

    @field_validator("short")
    @classmethod
    def _shorter(cls, short: int, info: ValidationInfo) -> int:
        if short >= info.data.get("long", math.inf):
            message = "must be shorter than `long`: a twelfth of it is usual"
            raise ValueError(message)
        return short


WORKBOOK_PAIRS = (
    {"rate": 14.4, "long": "1h", "short": "5m", "severity": "critical"},
    {"rate": 6, "long": "6h", "short": "30m", "severity": "high"},
    {"rate": 1, "long": "3d", "short": "6h", "severity": "medium"},
)


class BurnRate(BaseRule):
    """The error budget of an objective burns too fast over a long and a short window.

    Source: https://sre.google/workbook/alerting-on-slos/
    """

    MEASURES = frozenset({"below", "metric"})

    kind: Literal["burn_rate"]
    metric: GoodMetric = Field(
        "success_rate", validate_default=True, description="Or a quality: of good results."
    )
    objective: Annotated[float, Field(gt=0, lt=100)] = Field(
        description="The share of good operations aimed at, in per cent."
    )
    below: Positive | None = Field(
        None, description="Good is what took less than this; by default, what succeeded."
    )
    pairs: Annotated[list[BurnPair], Field(min_length=1, max_length=10)] = Field(
        default_factory=lambda: [BurnPair.model_validate(pair) for pair in WORKBOOK_PAIRS],
        description="By default the workbook's three.",
    )
    min_samples: Annotated[int, Field(ge=1)] = Field(
        100, description="Operations in the long window, so that low traffic pages nobody."
    )
    no_operations: NoOperations = NO_OPERATIONS

    @field_validator("metric")
    @classmethod
    def _of_such_series(cls, metric: str, info: ValidationInfo) -> str:
        rule_file_checks.selection(info, of=rule_file_checks.series_of(metric), what="burn_rate")
        return metric

    @field_validator("below")
    @classmethod
    def _is_of_operations(cls, below: int | None, info: ValidationInfo) -> int | None:
        if below is not None and info.data.get("metric", "success_rate") != "success_rate":
            message = "is of durations: leave it out, or leave `metric` out"
            raise ValueError(message)
        return below


class TrendRule(BaseRule):
    """The success rate degrades against the window before, several windows in a row."""

    MEASURES = frozenset({"metric"})

    kind: Literal["trend"]
    metric: GoodMetric = Field(
        "success_rate",
        validate_default=True,
        description="Or a quality: the share of good results.",
    )
    window: Literal["1h", "6h", "24h", "7d"] = "1h"
    evaluations: Annotated[int, Field(ge=1, le=24)] = 2
    no_operations: NoOperations = NO_OPERATIONS

    @field_validator("metric")
    @classmethod
    def _of_such_series(cls, metric: str, info: ValidationInfo) -> str:
        rule_file_checks.selection(info, of=rule_file_checks.series_of(metric), what="trend")
        return metric


class NoData(BaseRule):
    """A series that used to speak fell silent."""

    OF = None

    kind: Literal["no_data"]
    after: Window


Rule = Annotated[
    MetricThreshold | Change | ServiceStatus | BurnRate | TrendRule | NoData,
    Field(discriminator="kind"),
]
RULE_MODELS: Mapping[str, type[BaseRule]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model
    for model in get_args(get_args(Rule)[0])
}
"""The models by the kind that they are of."""
if TYPE_CHECKING:
    RuleKind = str
else:
    RuleKind = Literal[tuple(RULE_MODELS)]
