"""Describe what all rules of the rule file share: names, series, severity, words and routing."""

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, get_args

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

from schemas import rule_file_checks, schedules
from schemas.spans import Minutes, Positive, Span

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
    "quality_overall",
    "quality_accuracy",
    "quality_performance",
    "quality_reliability",
    "quality_consistency",
    "quality_bad_share",
]
#: Of what the share of good ones may be an objective, or have a trend.
GoodMetric = Literal[
    "success_rate",
    "quality_overall",
    "quality_accuracy",
    "quality_performance",
    "quality_reliability",
    "quality_consistency",
]
Dimension = Literal["operation", "platform", "confidence", "model", "service"]

Link = Annotated[str, Field(max_length=2000), AfterValidator(rule_file_checks.link)]
Labels = Annotated[
    dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=1000)]],
    Field(max_length=50),
]
Channels = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=20)]
IntervalNames = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=20)]
Template = Annotated[str, Field(max_length=2000), AfterValidator(rule_file_checks.template)]


def _schedule(text: str) -> str:
    schedules.parse(text)
    return text


Schedule = Annotated[str, Field(max_length=schedules.MAX_TEXT), AfterValidator(_schedule)]


class Configured(BaseModel):
    """A part of the rule file: frozen, and a field that is unknown is a mistake."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def word_or_list(words: Any, **bounds: int) -> WithJsonSchema:
    """Return the JSON Schema of a list of words for which a single word may stand."""
    choices = {"enum": list(get_args(words))}
    return WithJsonSchema({"anyOf": [choices, {"type": "array", "items": choices, **bounds}]})


AS_LIST = BeforeValidator(_as_list)
Dimensions = Annotated[list[Dimension], AS_LIST, word_or_list(Dimension)]
RuleName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=100)]


class EscalationStep(Configured):
    """Whom to notify when nobody has acknowledged for this long."""

    after: Positive
    channels: Annotated[Channels, Field(min_length=1)]


class BaseRule(Configured):
    """What all kinds share."""

    MEASURES: ClassVar[frozenset[str]] = frozenset()
    """The kind's own fields that say what is measured; its other own fields decide."""
    OF: ClassVar[rule_file_checks.SeriesKind | None] = "operations"
    """What its series are of; None: of anything."""

    name: RuleName
    description: Annotated[str, Field(max_length=2000)] | None = None
    split_by: Dimensions = Field(
        alias="each",
        default_factory=list,
        description="A breach for each of these; none: one for all together.",
    )
    match: Annotated[str, AfterValidator(rule_file_checks.matcher_text)] | None = Field(
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
    mute_time_intervals: IntervalNames | None = Field(
        None,
        description="Nobody is notified in these; by default defaults.mute_time_intervals.",
    )
    active_time_intervals: IntervalNames | None = Field(
        None,
        description="Nobody is notified outside these; by default defaults.active_time_intervals.",
    )
    keep_firing_for: Minutes = Field(
        0, description="Resolve only after the condition was gone for this long."
    )
    enabled: bool = True

    @property
    def dimensions(self) -> frozenset[str]:
        """The dimensions that `each` names."""
        return frozenset(self.split_by)

    @field_validator("escalation")
    @classmethod
    def _later_and_later(cls, steps: list[EscalationStep]) -> list[EscalationStep]:
        if any(later.after <= step.after for step, later in pairwise(steps)):
            message = "its steps must come later and later: let `after` grow"
            raise ValueError(message)
        return steps

    @field_validator("kind", check_fields=False)
    @classmethod
    def _selects_something(cls, kind: str, info: ValidationInfo) -> str:
        if "metric" in cls.model_fields:
            return kind  # the metric says it
        rule_file_checks.selection(info, of=cls.OF, what=kind)
        return kind
