"""Make partitions of labels, and tell them samples and labels."""

from typing import Any

from streams.measure.window_times import window_start
from streams.quality.label_joins import Calibrations
from streams.quality.label_records import (
    AnalysisLabel,
    CalibrationSample,
    PartitionSums,
    decode,
    encode,
    label_of,
    sample_of,
)
from tests.unit.streams.analysis_samples import NOW_MS, analysis, label

DAY = window_start("24h", NOW_MS)


def partition(packed: dict[bytes, bytes] | None = None, limit: int = 100) -> Calibrations:
    return Calibrations(0, {} if packed is None else packed, limit)


def sample(name: str = "a-1", truths: Any = None, **changed: Any) -> CalibrationSample:
    """Return a sample whose own confidence is 0.8 and whose overall score is 0.6."""
    of = analysis(id=name, **changed)
    return sample_of(of, 0.6, 3, {} if truths is None else truths)


def label_of_analysis(name: str = "a-1", **changed: Any) -> AnalysisLabel:
    return label_of(name, label(analysis=name, **changed))


def tell(calibrations: Calibrations, *records: Any, now_ms: int = NOW_MS) -> list[Any]:
    """Take records in; return what is passed on to inputs."""
    passed_on: list[Any] = []
    for record in records:
        if isinstance(record, CalibrationSample):
            passed_on += calibrations.sample(decode(encode(record)), now_ms)  # type: ignore[arg-type]
        else:
            passed_on += calibrations.label(decode(encode(record)), now_ms)  # type: ignore[arg-type]
    return passed_on


def sums(source: int, revision: int, *, right: bool = True, start_ms: int = DAY) -> PartitionSums:
    calibrations = Calibrations(source, {}, 10)
    tell(calibrations, sample(occurred_at=start_ms))
    tell(calibrations, label_of_analysis(truth="likely_real" if right else "ghost"))
    return calibrations.take_sums(revision)[0]
