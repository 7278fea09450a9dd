"""Describe how well confidences and scores meet the truth, as a window on `aggregates`."""

from typing import Literal

from pydantic import Field

from schemas.analyses import Share
from schemas.base import Wire
from schemas.series import Window


class CalibrationSeries(Wire):
    """Whose analyses they are."""

    service: str
    operation: str
    model: str


class ReliabilityBin(Wire):
    """The analyses whose estimate lies in a tenth: from <= estimate < to, 1 in the last one."""

    low: Share = Field(description="Where the tenth begins.")
    high: Share
    count: int
    mean_estimate: Share | None
    accuracy: Share | None = Field(description="The share of them that was right.")


class EstimateReliability(Wire):
    """How well an estimate from 0 to 1 says whether an analysis is right."""

    count: int = Field(description="Labelled analyses that have the estimate.")
    bins: list[ReliabilityBin] = Field(description="Ten.")
    expected_calibration_error: Share | None = Field(
        description="The mean distance of estimate and accuracy, by bin; null is unknown."
    )
    brier_score: Share | None = Field(
        description="The mean squared distance of the estimate from 1 (right) or 0 (wrong)."
    )


class CalibrationAggregate(Wire):
    """A calibration window's revision: of analyses that ended in it, those with labels.

    Labels come late: it changes for as long as they do, and is never final.
    """

    version: Literal[1] = 1
    kind: Literal["calibration"] = "calibration"
    series: CalibrationSeries
    window: Window
    revision: int = Field(description="Of two with the same key the larger stands; it only grows.")
    final: bool
    count: int = Field(description="Labelled analyses.")
    right: int = Field(description="Those whose labels all agree with what the analysis found.")
    accuracy: Share | None = Field(description="right / count; null is unknown.")
    confidence: EstimateReliability = Field(description="Of the service's own confidence.")
    overall: EstimateReliability = Field(description="Of opwatch's overall score.")
