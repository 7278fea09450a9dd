"""Describe what the quality role sends itself on the internal topic `calibration`."""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from schemas.analyses import Share
from schemas.base import Wire
from schemas.series import WindowSize

SourceTruthRow = tuple[int, str, bool]
"""When a source found it out, the truth in JSON, and whether it is verified."""
_Bin = tuple[int, int, int]


class ScoredSample(Wire):
    """A scored analysis, as labels are compared with it; the key is the analysis id."""

    kind: Literal["sample"] = "sample"
    analysis: str
    input_hash: str
    partition: int = Field(description="Of the analysis.")
    service: str
    operation: str
    model: str
    occurred_at: int
    confidence: Share | None
    overall: Share | None
    label: str | None
    fields: dict[str, str | int | float | bool | None]
    dropped: list[str] = Field(description="Fields that cannot be compared.")
    truths: dict[str, dict[str, SourceTruthRow]] = Field(
        description="What was known of the input, by field and source."
    )


class LabelOfAnalysis(Wire):
    """A label on its way to an analysis; the key is the analysis id."""

    kind: Literal["label"] = "label"
    analysis: str
    about: str
    source: str
    truth: SourceTruthRow
    is_of_input: bool


class LabelOfInput(Wire):
    """A label of an analysis on its way to its input; the key is the input's hash."""

    kind: Literal["input_label"] = "input_label"
    input_hash: str
    about: str
    source: str
    truth: SourceTruthRow


class WindowSums(Wire):
    """What a partition knows of a calibration window; the key is the series."""

    kind: Literal["sums"] = "sums"
    source: int = Field(description="The partition.")
    revision: int = Field(description="Only grows.")
    series: tuple[str, str, str] = Field(description="Service, operation, model.")
    size: WindowSize
    start_ms: int
    sums: tuple[int, int, tuple[list[_Bin], int], tuple[list[_Bin], int]] = Field(
        description="Analyses, right ones; of the confidence and of the overall score ten bins"
        " (analyses, right ones, sum of estimates) and the sum of squared distances; in millionths."
    )


class CalibrationMessage(
    RootModel[
        Annotated[
            ScoredSample | LabelOfAnalysis | LabelOfInput | WindowSums, Field(discriminator="kind")
        ]
    ]
):
    """A record on `calibration`."""
