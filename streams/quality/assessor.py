"""Say what an assessor is: what it gets, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pydantic import JsonValue

from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from schemas.quality_scores import Finding

_SHOWN = 80


class Truth(NamedTuple):
    """What a label says, of the verdict or a field."""

    value: JsonValue
    verified: bool = False


class EarlierResult(NamedTuple):
    """What an analysis of an input found, in short: a list for msgpack."""

    offset: int
    id: str
    label: str | None
    score: float | None
    fields: dict[str, str]
    """Field values in canonical words, cut."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an assessor knows beside the analysis."""

    config: QualityConfig = field(default_factory=QualityConfig)
    earlier: tuple[EarlierResult, ...] = ()
    """Of the same input, oldest first; none was a cached answer, none is of this analysis."""
    labels: Mapping[str, Truth] = field(default_factory=dict)
    """Truths known of this analysis or its input: by field, or `verdict`."""


@dataclass(frozen=True, kw_only=True)
class Assessed:
    """A dimension's score from 0 to 1, and what took from it."""

    score: float
    findings: tuple[Finding, ...] = ()


class Assessor(Protocol):
    """Assesses one dimension of an analysis."""

    name: str
    version: int
    """Changes whenever the same analysis may get another score."""
    dimension: str
    heavy: bool
    """Whether it may take long: it then runs in a worker process that can be killed."""

    def assess(self, analysis: Analysis, context: Context) -> Assessed | None:
        """Return the score of the dimension; None where there is nothing to judge."""


def assessed(findings: list[Finding]) -> Assessed:
    """Return what the findings leave of 1: each takes its cost of what is left."""
    score = 1.0
    for finding in findings:
        score *= 1 - finding.cost
    worst_first = sorted(findings, key=lambda finding: -finding.cost)
    return Assessed(score=min(max(score, 0.0), 1.0), findings=tuple(worst_first))


def shown(value: object) -> str:
    """Return a value for a sentence, cut."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
