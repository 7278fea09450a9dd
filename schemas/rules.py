"""Describe the rules of the rule file: what is good, and for which series."""

import math
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from schemas import checks, limits
from schemas.spans import Minutes, Positive, Span, Window

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
"""In rising order."""

Operator = Literal["less_than", "less_than_or_equal", "greater_than", "greater_than_or_equal"]

#: What a metric is of, and the unit of its threshold: ratios are per cent in the file.
Metric = Literal[
    "success_rate",
    "error_rate",
    "duration_mean",
    "duration_p50",
    "duration_p90",
    "duration_p95",
    "duration_p99",
    "cache_hit_rate",
    "cache_miss_rate",
    "cache_eviction_rate",
    "cache_ttl",
    "throughput",
    "confidence",
    "uptime",
]
Dimension = Literal["operation", "platform", "confidence", "service"]

Link = Annotated[str, Field(max_length=2000), AfterValidator(checks.link)]
Labels = Annotated[
    dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=1000)]],
    Field(max_length=50),
]
Channels = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=20)]
Template = Annotated[str, Field(max_length=2000), AfterValidator(checks.template)]


class Configured(BaseModel):
    """A part of the rule file: frozen, and a field that is unknown is a mistake."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


Dimensions = Annotated[
    list[Dimension],
    BeforeValidator(_one_or_more),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(get_args(Dimension))},
                {"type": "array", "items": {"enum": list(get_args(Dimension))}},
            ]
        }
    ),
]
Status = Literal["down", "degraded", "silent"]
Statuses = Annotated[
    list[Status],
    Field(min_length=1),
    BeforeValidator(_one_or_more),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(get_args(Status))},
                {"type": "array", "items": {"enum": list(get_args(Status))}, "minItems": 1},
            ]
        }
    ),
]
RuleName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=100)]


NoOperations = Literal["not_judged", "keep_firing"]
NO_OPERATIONS: Any = Field(
    "not_judged",
    description="What an open breach is after five minutes without operations to judge by.",
)


class EscalationStep(Configured):
    """Whom to tell when nobody has acknowledged for so long."""

    after: Positive
    channels: Annotated[Channels, Field(min_length=1)]


class _Rule(Configured):
    """What all kinds share."""

    name: RuleName
    description: Annotated[str, Field(max_length=2000)] | None = None
    each: Dimensions = Field(
        default_factory=list,
        description="A breach for each of these; none: one for all together.",
    )
    match: Annotated[str, AfterValidator(checks.matcher_text)] | None = Field(
        None,
        description='Label matchers as in Prometheus: operation="parse", platform=~"lever|ashby".',
    )
    severity: Severity = "medium"
    labels: Labels = Field(default_factory=dict)
    runbook: Link | None = Field(None, description="A link that says what to do.")
    dashboard: Link | None = Field(None, description="A link that shows more.")
    summary: Template | None = Field(
        None, description="A Jinja template; by default a plain sentence."
    )
    channels: Channels = Field(default_factory=list)
    cooldown: Span | None = Field(None, description="By default defaults.cooldown.")
    escalation: list[EscalationStep] = Field(default_factory=list, max_length=20)
    keep_firing_for: Minutes = Field(
        0, description="Resolve only after the condition was gone for so long."
    )
    enabled: bool = True

    @property
    def dimensions(self) -> frozenset[str]:
        """The dimensions that `each` names."""
        return frozenset(self.each)

    @field_validator("escalation")
    @classmethod
    def _later_and_later(cls, steps: list[EscalationStep]) -> list[EscalationStep]:
        if any(later.after <= step.after for step, later in pairwise(steps)):
            message = "its steps must come later and later: let `after` grow"
            raise ValueError(message)
        return steps


class Tier(Configured):
    """A severity past a threshold of its own."""

    severity: Severity
    threshold: float


class MetricThreshold(_Rule):
    """A metric over a trailing window is past a threshold."""

    kind: Literal["metric_threshold"]
    metric: Metric
    operator: Operator
    threshold: float | None = Field(
        None, description="Per cent, milliseconds, seconds (TTL) or operations a second."
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
    hold: Minutes = Field(0, alias="for", description="Breach only after so long in a row.")
    min_samples: Annotated[int, Field(ge=1)] = 1
    no_operations: NoOperations = NO_OPERATIONS

    @field_validator("metric")
    @classmethod
    def _selects_something(cls, metric: Metric, info: ValidationInfo) -> Metric:
        checks.selection(info, of_services=metric == "uptime", what=metric)
        return metric

    @field_validator("threshold", "resolve_threshold")
    @classmethod
    def _in_range(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and "metric" in info.data:
            limits.in_range(value, info.data["metric"], info.data.get("operator"))
        return value

    @field_validator("tiers")
    @classmethod
    def _rising(cls, tiers: list[Tier], info: ValidationInfo) -> list[Tier]:
        limits.rising(tiers, info.data)
        return tiers

    @field_validator("resolve_threshold")
    @classmethod
    def _behind(cls, value: float | None, info: ValidationInfo) -> float | None:
        limits.behind(value, info.data)
        return value


class ServiceStatus(_Rule):
    """A service is down, degraded or silent."""

    kind: Literal["service_status"]
    status: Statuses
    hold: Minutes = Field(0, alias="for", description="Breach only after so long in a row.")

    @field_validator("kind")
    @classmethod
    def _selects_something(cls, kind: str, info: ValidationInfo) -> str:
        checks.selection(info, of_services=True, what=kind)
        return kind


class BurnPair(Configured):
    """A page or a ticket: burning the budget so many times too fast over both windows."""

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


class BurnRate(_Rule):
    """The error budget of an objective burns too fast over a long and a short window.

    Source: https://sre.google/workbook/alerting-on-slos/
    """

    kind: Literal["burn_rate"]
    objective: Annotated[float, Field(gt=0, lt=100)] = Field(
        description="The success rate aimed at, in per cent."
    )
    pairs: Annotated[list[BurnPair], Field(min_length=1, max_length=10)] = Field(
        default_factory=lambda: [BurnPair.model_validate(pair) for pair in WORKBOOK_PAIRS],
        description="By default the workbook's three.",
    )
    min_samples: Annotated[int, Field(ge=1)] = Field(
        100, description="Operations in the long window, so that low traffic pages nobody."
    )
    no_operations: NoOperations = NO_OPERATIONS

    @field_validator("kind")
    @classmethod
    def _selects_something(cls, kind: str, info: ValidationInfo) -> str:
        checks.selection(info, of_services=False, what=kind)
        return kind


class TrendRule(_Rule):
    """The success rate degrades against the window before, several windows in a row."""

    kind: Literal["trend"]
    window: Literal["1h", "6h", "24h", "7d"] = "1h"
    evaluations: Annotated[int, Field(ge=1, le=24)] = 2
    no_operations: NoOperations = NO_OPERATIONS

    @field_validator("kind")
    @classmethod
    def _selects_something(cls, kind: str, info: ValidationInfo) -> str:
        checks.selection(info, of_services=False, what=kind)
        return kind


class NoData(_Rule):
    """A series that used to speak fell silent."""

    kind: Literal["no_data"]
    after: Window

    @field_validator("kind")
    @classmethod
    def _selects_something(cls, kind: str, info: ValidationInfo) -> str:
        checks.selection(info, of_services=None, what=kind)
        return kind


Rule = Annotated[
    MetricThreshold | ServiceStatus | BurnRate | TrendRule | NoData, Field(discriminator="kind")
]


def json_rule(rule: Any) -> dict[str, Any]:
    """Return a rule as plain values, spans in milliseconds."""
    dumped: dict[str, Any] = rule.model_dump(mode="json", by_alias=True)
    return dumped
