"""Define what meets on the internal topic `calibration`: samples, labels and sums.

The same as in schemas/calibration_records.py, faster to read and write.
"""

import msgspec

from schemas.analyses import Analysis
from schemas.labels import VERDICT, Label
from schemas.series import WindowSize
from streams.quality.agreement import is_true, same_label
from streams.quality.calibration import CalibrationSums
from streams.quality.labels import SourceTruth, Truths, counting, truth_of

#: Fields of an analysis that can be compared with labels, and the length of their values.
MOST_FIELDS = 50
MAX_VALUE = 300
_Scalar = str | int | float | bool | None


class CalibrationSample(msgspec.Struct, tag_field="kind", tag="sample", gc=False, frozen=True):
    """A scored analysis, as far as labels are compared with it. It goes by the analysis' id."""

    analysis: str
    input_hash: str
    partition: int
    """Of `analyses`: there its input is known."""
    service: str
    operation: str
    model: str
    occurred_at: int
    confidence: float | None
    overall: float | None
    label: str | None
    fields: dict[str, _Scalar]
    dropped: list[str]
    """Fields whose values are too long, or no simple ones: labels about them do not count."""
    truths: Truths
    """What was known of its input when it came."""

    def is_right(self, truths: Truths) -> bool | None:
        """Return whether it agrees with all that is known; None where nothing can be compared."""
        verdicts = []
        for about, truth in counting(truths).items():
            if about in self.dropped:
                continue
            true = msgspec.json.decode(truth.truth)
            if about == VERDICT:
                verdicts.append(self.label is not None and same_label(self.label, true))
            else:
                verdicts.append(is_true(self.fields.get(about), true))
        return all(verdicts) if verdicts else None


class AnalysisLabel(msgspec.Struct, tag_field="kind", tag="label", gc=False, frozen=True):
    """A label of an analysis. It goes by the analysis' id."""

    analysis: str
    about: str
    source: str
    truth: SourceTruth
    is_of_input: bool
    """Whether it is about the input: then the input knows it already."""


class InputLabel(msgspec.Struct, tag_field="kind", tag="input_label", gc=False, frozen=True):
    """A label of an analysis, on its way to its input. It goes by the input's partition."""

    input_hash: str
    about: str
    source: str
    truth: SourceTruth


class PartitionSums(msgspec.Struct, tag_field="kind", tag="sums", gc=False, frozen=True):
    """All that a partition of labels knows of a window. It goes by the series."""

    source: int
    """The partition."""
    revision: int
    """Only grows."""
    series: tuple[str, str, str]
    """Service, operation, model."""
    size: WindowSize
    start_ms: int
    sums: CalibrationSums


CalibrationRecord = CalibrationSample | AnalysisLabel | InputLabel | PartitionSums

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(CalibrationRecord).decode


def sample_of(
    analysis: Analysis, estimate: float | None, partition: int, truths: Truths
) -> CalibrationSample:
    """Return what labels of an analysis are compared with; `estimate` is its overall score."""
    fields: dict[str, _Scalar] = {}
    dropped = []
    for name, value in analysis.result.fields.items():
        is_simple = isinstance(value, str | int | float | bool | None)
        if not is_simple or len(fields) == MOST_FIELDS or len(str(value)) > MAX_VALUE:
            dropped.append(name)
        else:
            fields[name] = value  # type: ignore[assignment]
    return CalibrationSample(
        analysis.id,
        analysis.input.hash,
        partition,
        analysis.service,
        analysis.operation,
        analysis.model,
        analysis.occurred_at,
        analysis.result.confidence,
        estimate,
        analysis.result.label,
        fields,
        dropped,
        truths,
    )


def label_of(analysis: str, label: Label) -> AnalysisLabel:
    """Return a label as it goes to an analysis."""
    is_of_input = label.input_hash is not None
    return AnalysisLabel(analysis, label.about, label.source, truth_of(label), is_of_input)
