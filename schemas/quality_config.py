"""Describe the quality file: weights, budget, what operations must deliver, remediation."""

from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.analyses import FieldName, Share
from schemas.numbers import plain
from schemas.quality_scores import Action
from schemas.rules import Configured
from schemas.spans import HOUR_MS, SECOND_MS, Positive, Span

Glob = Annotated[str, Field(min_length=1, max_length=200)]
Format = Literal["text", "number", "date", "url", "email", "boolean"]
#: A tuple, since caches need what has a hash; a file has a list.
FieldGlobs = Annotated[tuple[Glob, ...], Field(max_length=100, strict=False)]
#: Of a dimension that the file does not name, as that of a third party's assessor.
OTHER_WEIGHT = 0.2
#: Operations × platforms: any producer names them.
_MAX_EXPECTED = 1_000


class Targets(Configured):
    """What is fast and thrifty. At a limit the score is 0."""

    duration: Positive = Field(3 * SECOND_MS, description="As fast as wanted.")
    duration_limit: Positive = 30 * SECOND_MS
    attempts: Annotated[int, Field(ge=1, le=1000)] = 1
    tokens: Annotated[int, Field(ge=1)] = 8_000
    tokens_limit: Annotated[int, Field(ge=1)] = 80_000

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if self.duration >= self.duration_limit:
            message = "`duration` must be below `duration_limit`"
            raise ValueError(message)
        if self.tokens >= self.tokens_limit:
            message = "`tokens` must be below `tokens_limit`"
            raise ValueError(message)
        return self


class Expected(Configured):
    """What is expected of the analyses of an operation on a platform."""

    required: list[FieldName] = Field(
        default_factory=list,
        max_length=100,
        description="Fields that may not be null; `verdict` is the label.",
    )
    formats: dict[FieldName, Format] = Field(default_factory=dict, max_length=100)
    verbatim: FieldGlobs = Field(
        (), description="Fields (patterns) whose value stands in the input."
    )
    paraphrased: FieldGlobs = Field(
        (), description="Fields (patterns) that are in other words, or derived."
    )
    labels: dict[Glob, tuple[Share, Share]] = Field(
        default_factory=dict,
        max_length=100,
        description="Lowest and highest score that fits a label.",
    )
    targets: Targets = Field(default_factory=Targets)

    @field_validator("labels", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}

    @field_validator("labels")
    @classmethod
    def _ranges(cls, ranges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for label, (low, high) in ranges.items():
            if low > high:
                message = f"the range of {label} must rise: write [{plain(high)}, {plain(low)}]"
                raise ValueError(message)
        return ranges


class OperationExpected(Expected):
    """What is expected, and of which operations and platforms."""

    operation: Glob = Field("*", description="A pattern with * and ?, such as analyze_*.")
    platform: Glob = "*"

    def covers(self, operation: str, platform: str) -> bool:
        """Return whether the entry is about this operation on this platform."""
        return fnmatchcase(operation, self.operation) and fnmatchcase(platform, self.platform)


class ConsistencyConfig(Configured):
    """What the same input may differ by, from one analysis to the next."""

    score_tolerance: Share = 0.1
    earlier: Annotated[int, Field(ge=1, le=20)] = Field(
        5, description="Earlier analyses of the same input that are compared and kept."
    )


class RemediationConfig(Configured):
    """When an input is analysed again, and when it is let alone."""

    attempts: Annotated[int, Field(ge=0, le=20)] = Field(
        2, description="Of an input, at most; 0 asks for none."
    )
    cooldown: Span = Field(HOUR_MS // 6, description="Between two of one input, at least.")
    actions: dict[Annotated[str, Field(max_length=100)], Action] = Field(
        default_factory=dict,
        max_length=200,
        description="The action for a finding's code, where it is not the built-in one.",
    )


class QualityConfig(Configured):
    """How analyses are scored, and what follows."""

    version: Literal[1] = 1
    weights: dict[Annotated[str, Field(max_length=100)], Annotated[float, Field(ge=0, le=100)]] = (
        Field(
            default_factory=lambda: {
                "accuracy": 0.5,
                "consistency": 0.25,
                "reliability": 0.15,
                "performance": 0.1,
            },
            max_length=50,
        )
    )
    deadline: Positive = Field(300, description="Of each assessor.")
    budget: Positive = Field(500, description="Of all assessors together.")
    good: Share = 0.85
    acceptable: Share = 0.7
    operations: list[OperationExpected] = Field(
        default_factory=list,
        max_length=500,
        description="Of those that cover an analysis the first that has a field counts;"
        " the built-in ones come last.",
    )
    consistency: ConsistencyConfig = Field(default_factory=ConsistencyConfig)
    remediation: RemediationConfig = Field(default_factory=RemediationConfig)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not any(self.weights.values()):
            message = "every weight is 0: give at least one dimension a weight"
            raise ValueError(message)
        if self.acceptable > self.good:
            message = f"`acceptable` must be at most `good`, which is {plain(self.good)}"
            raise ValueError(message)
        if self.deadline > self.budget:
            message = "`deadline` must be at most `budget`"
            raise ValueError(message)
        return self

    def weight_of(self, dimension: str) -> float:
        """Return how much the dimension counts beside the others."""
        return self.weights.get(dimension, OTHER_WEIGHT)

    @cached_property  # no private attribute: these are compared too
    def composed_expected(self) -> dict[tuple[str, str], Expected]:
        """What `expected_of` composed before."""
        return {}

    def expected_of(self, operation: str, platform: str) -> Expected:
        """Return what is expected of an operation on a platform."""
        found = self.composed_expected.get((operation, platform))
        if found is None:
            if len(self.composed_expected) >= _MAX_EXPECTED:
                self.composed_expected.clear()
            found = self._composed(operation, platform)
            self.composed_expected[operation, platform] = found
        return found

    def _composed(self, operation: str, platform: str) -> Expected:
        fields: dict[str, Any] = {}
        for entry in (*self.operations, *BUILT_IN):
            if entry.covers(operation, platform):
                written = {name: getattr(entry, name) for name in entry.model_fields_set}
                fields = written | fields
        return Expected(**{name: fields[name] for name in Expected.model_fields if name in fields})


BUILT_IN: tuple[OperationExpected, ...] = (
    OperationExpected(operation="*job*", required=["title", "company"]),
    OperationExpected(
        labels={
            "likely_ghost": (0.5, 1.0),
            "ghost": (0.5, 1.0),
            "uncertain": (0.2, 0.8),
            "likely_real": (0.0, 0.5),
            "real": (0.0, 0.5),
        },
        verbatim=(
            *("*company*", "*employer*", "*title*", "*name*", "*email*", "*phone*", "*address*"),
            *("*location*", "city", "*_city", "*brand*", "*product*", "*sku*", "*url*", "*link*"),
            *("*number*", "*person*", "*author*", "*university*", "*school*", "*recruiter*"),
            *("*organisation*", "*organization*", "*customer*", "*manufacturer*", "*vendor*"),
            *("contact", "hiring_manager"),
        ),
        paraphrased=(
            *("*type*", "*category*", "*priority*", "*sentiment*", "*status*", "*level*"),
            *("*seniority*", "*language*", "*currency*", "*country*", "*summary*", "*notes*"),
            *("*reason*", "*description*", "*intent*", "*topic*", "mode", "*_mode", "tag", "tags"),
            *("*remote*", "mood", "tone", "*_tone", "*severity*", "*urgency*", "*industry*"),
            *("*explanation*", "*score*", "*confidence*", "*probability*", "count", "*_count"),
            *("*platform*", "source", "*_source", "*function*", "*department*", "*arrangement*"),
            *(
                "*workplace*",
                "*ratio*",
                "days_*",
                "*_days",
                "*_age",
                "*schedule*",
                "*availability*",
            ),
        ),
    ),
)
"""What is expected where the quality file says nothing."""
