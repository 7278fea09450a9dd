"""Remember how far confidences and scores can be trusted: the newest window of each series."""

from typing import Annotated, Literal, NamedTuple

import msgspec

from streams.rules.aggregate_reader import MAX_AGGREGATE_BYTES, Count, Ratio

#: Series beyond are left out.
_MOST = 200
#: Windows of this size have enough labels to say anything.
_SIZE = "7d"
_Name = Annotated[str, msgspec.Meta(max_length=200)]


class _Bin(msgspec.Struct, gc=False):
    low: Ratio
    high: Ratio
    count: Count
    mean_estimate: Ratio | None = None
    accuracy: Ratio | None = None


class _Reliability(msgspec.Struct, gc=False):
    count: Count
    bins: Annotated[list[_Bin], msgspec.Meta(max_length=20)]
    expected_calibration_error: Ratio | None = None
    brier_score: Ratio | None = None


class _Series(msgspec.Struct, gc=False):
    service: _Name
    operation: _Name
    model: _Name


class _Window(msgspec.Struct, gc=False):
    size: Literal["1m", "5m", "1h", "6h", "24h", "7d"]
    start_ms: int


class CalibrationRecord(msgspec.Struct, gc=False, tag_field="kind", tag="calibration"):
    """See schemas.calibration.CalibrationAggregate."""

    series: _Series
    window: _Window
    revision: Count
    count: Count
    right: Count
    confidence: _Reliability
    overall: _Reliability
    accuracy: Ratio | None = None


class Calibration(NamedTuple):
    """How far estimates of a series are right."""

    service: str
    operation: str
    model: str
    start_ms: int
    revision: int
    count: int  # type: ignore[assignment]  # tuple.count
    """Analyses with a label."""
    accuracy: float | None
    confidence_bins: tuple[tuple[float, float, int], ...]
    """Mean confidence, share that was right, analyses: of each tenth that has some."""
    confidence_error: float | None
    score_bins: tuple[tuple[float, float, int], ...]
    score_error: float | None


_decode = msgspec.json.Decoder(CalibrationRecord).decode


class NewestCalibrations:
    """The newest window of each series."""

    def __init__(self) -> None:
        self.newest: dict[tuple[str, str, str], Calibration] = {}

    def take(self, value: bytes | None) -> bool:
        """Take a record on `aggregates` in; return whether anything is newer now."""
        if not value or len(value) > MAX_AGGREGATE_BYTES or b'"calibration"' not in value[:60]:
            return False
        try:
            record = _decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        key = record.series.service, record.series.operation, record.series.model
        before = self.newest.get(key)
        if record.window.size != _SIZE or (before is None and len(self.newest) >= _MOST):
            return False
        version = record.window.start_ms, record.revision
        if before is not None and version <= (before.start_ms, before.revision):
            return False
        self.newest[key] = Calibration(
            *key,
            *version,
            record.count,
            record.accuracy,
            _bins(record.confidence),
            record.confidence.expected_calibration_error,
            _bins(record.overall),
            record.overall.expected_calibration_error,
        )
        return True


def _bins(reliability: _Reliability) -> tuple[tuple[float, float, int], ...]:
    return tuple(
        (it.mean_estimate, it.accuracy, it.count)
        for it in reliability.bins
        if it.mean_estimate is not None and it.accuracy is not None
    )
