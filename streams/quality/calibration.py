"""Compare estimates of quality with the truth: reliability, expected error, Brier score.

Sums are whole numbers, and what was added can be taken out again: so a corrected label changes them
as if it had come first.
"""

from math import sqrt
from typing import Any

import msgspec

BINS = 10
#: Estimates are counted in millionths, so that no order of addition shows.
_PPM = 1_000_000
_Z_95 = 1.96


class BinSums(msgspec.Struct, array_like=True, gc=False):
    """The sums of a tenth of the estimates."""

    count: int = 0
    right: int = 0
    estimates_ppm: int = 0

    def add(self, other: "BinSums", times: int = 1) -> None:
        """Add other sums, or with -1 take them out."""
        self.count += times * other.count
        self.right += times * other.right
        self.estimates_ppm += times * other.estimates_ppm


def _bins() -> list[BinSums]:
    return [BinSums() for _ in range(BINS)]


class EstimateSums(msgspec.Struct, array_like=True, gc=False):
    """The sums of an estimate against the truth."""

    bins: list[BinSums] = msgspec.field(default_factory=_bins)
    squares_ppm: int = 0
    """Of the distance to the truth."""

    def note(self, estimate: float | None, *, right: bool, times: int = 1) -> None:
        """Add an analysis, or with -1 take it out; nothing where there is no estimate."""
        if estimate is None:
            return
        ppm = round(estimate * _PPM)
        self.bins[min(ppm * BINS // _PPM, BINS - 1)].add(BinSums(1, int(right), ppm), times)
        distance = ppm - _PPM * right
        self.squares_ppm += times * (distance * distance // _PPM)

    def add(self, other: "EstimateSums") -> None:
        """Add other sums."""
        for mine, theirs in zip(self.bins, other.bins, strict=True):
            mine.add(theirs)
        self.squares_ppm += other.squares_ppm

    def figures(self) -> dict[str, Any]:
        """Return the fields of a schemas.calibration.EstimateReliability."""
        count = sum(each_bin.count for each_bin in self.bins)
        error_ppm = sum(
            abs(each_bin.estimates_ppm - _PPM * each_bin.right) for each_bin in self.bins
        )
        return {
            "count": count,
            "bins": [
                {
                    "low": place / BINS,
                    "high": (place + 1) / BINS,
                    "count": sums.count,
                    "mean_estimate": _ratio(sums.estimates_ppm, sums.count * _PPM),
                    "accuracy": _ratio(sums.right, sums.count),
                }
                for place, sums in enumerate(self.bins)
            ],
            "expected_calibration_error": _ratio(error_ppm, count * _PPM),
            "brier_score": _ratio(self.squares_ppm, count * _PPM),
        }


class CalibrationSums(msgspec.Struct, array_like=True, gc=False):
    """The sums of the labelled analyses of a window."""

    count: int = 0
    right: int = 0
    confidence: EstimateSums = msgspec.field(default_factory=EstimateSums)
    overall: EstimateSums = msgspec.field(default_factory=EstimateSums)

    def note(
        self, confidence: float | None, overall: float | None, *, right: bool, times: int = 1
    ) -> None:
        """Add an analysis, or with -1 take it out."""
        self.count += times
        self.right += times * right
        self.confidence.note(confidence, right=right, times=times)
        self.overall.note(overall, right=right, times=times)

    def add(self, other: "CalibrationSums") -> None:
        """Add other sums."""
        self.count += other.count
        self.right += other.right
        self.confidence.add(other.confidence)
        self.overall.add(other.overall)

    def figures(self) -> dict[str, Any]:
        """Return the figures of a schemas.calibration.CalibrationAggregate."""
        return {
            "count": self.count,
            "right": self.right,
            "accuracy": _ratio(self.right, self.count),
            "confidence": self.confidence.figures(),
            "overall": self.overall.figures(),
        }


def _ratio(above: int, below: int) -> float | None:
    return above / below if below else None


def share_interval(right: float, count: int) -> tuple[float, float]:
    """Return where the true share lies with 95 % (Wilson's interval)."""
    share, z = right / count, _Z_95
    middle = share + z * z / (2 * count)
    spread = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
