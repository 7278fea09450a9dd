"""Describe an analysis' quality score, as consumers read it on `quality-scores`."""

from typing import Literal

from pydantic import Field

from schemas.analyses import Analysis, Identity, Share
from schemas.base import Wire
from schemas.operations import Name, OwnMs

Dimension = Literal["accuracy", "performance", "reliability", "consistency"]
DIMENSIONS: tuple[Dimension, ...] = ("accuracy", "performance", "reliability", "consistency")
ScoreDimension = Literal["overall", "accuracy", "performance", "reliability", "consistency"]
"""What windows of scores, and rules, tell apart."""
Why = Literal["too_slow", "failed", "nothing_to_judge", "out_of_budget"]
Action = Literal["reanalyse", "bypass_cache", "another_model", "human_review"]


class Finding(Wire):
    """A fault of an analysis that a person can act on."""

    code: str = Field(description="Of its kind, such as invented_quote.")
    dimension: str
    message: str = Field(description="What is wrong, in a sentence.")
    cost: Share = Field(description="How much of the dimension's score it took.")
    field: str | None = None


class DimensionScore(Wire):
    """What an assessor found."""

    score: Share
    weight: Share = Field(description="In the overall score, after renormalising.")
    findings: list[Finding]
    assessor: str = Field(description="Its name and version, such as accuracy/1.")
    took_ms: float


class LeftOut(Wire):
    """A dimension that is not in the overall score, and why."""

    dimension: str
    why: Why
    detail: str


class QualityScore(Wire):
    """The score of an analysis on `quality-scores`. The record's key is the analysis id.

    Of two records with one key the later one counts.
    """

    version: Literal[1] = 1
    analysis: Identity
    service: Name
    operation: Name
    platform: Name
    model: Name
    occurred_at: OwnMs = Field(description="Of the analysis.")
    overall: Share | None = Field(description="The weighted mean; null where nothing answered.")
    dimensions: dict[str, DimensionScore]
    left_out: list[LeftOut]
    actions: list[Action] = Field(description="Recommended, the most urgent first.")
    configuration: str = Field(
        description="A hash of weights, thresholds, required fields and the assessors' versions:"
        " scores with another one cannot be compared with these."
    )
    took_ms: float
    source: tuple[int, int] = Field(description="Partition and offset on `analyses`.")
    remediates: Identity | None = None


class ScoredAnalysis(Wire):
    """An analysis with its score on `scored-analyses`. The record's key is the analysis id."""

    version: Literal[1] = 1
    analysis: Analysis
    quality: QualityScore | None = Field(
        description="Null where the budget ran out: the score follows on `quality-scores`."
    )
