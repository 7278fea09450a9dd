"""Make the aggregate of a window that is published."""

import math
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from schemas.aggregates import Trend
from schemas.fields import DERIVED, RATIOS, SUMMED, Sums
from schemas.partials import Stats
from schemas.series import WindowSize
from streams.measure.centroids import PUBLISHED_LIMIT, Floats
from streams.measure.digests import shown
from streams.measure.series import parse_series
from streams.measure.tallies import published_tallies
from streams.measure.window_times import SIZE_MS

_RANKS = (0.5, 0.9, 0.95, 0.99)
_SUM_PATHS = {
    summed.published: (name, summed.times)
    for name, summed in SUMMED.items()
    if summed.mean_of is None
} | {path: (name, 1) for path, name in DERIVED.items()}
_PUBLISHED_SUMS = [
    (*path.rpartition(".")[::2], times, attrgetter(name))
    for path, (name, times) in _SUM_PATHS.items()
]
_PUBLISHED_RATIOS = [(*path.rpartition(".")[::2], ratio) for path, ratio in RATIOS.items()]
_encode = msgspec.json.Encoder().encode


def aggregate_key(series: str, size: WindowSize, start_ms: int) -> bytes:
    """Return the key of a window on `aggregates`."""
    return f"{series}/{size}/{start_ms}".encode()


def window_fields(size: WindowSize, start_ms: int) -> dict[str, Any]:
    """Return a window as aggregates have it: see schemas.series.Window."""
    return {"size": size, "start_ms": start_ms, "end_ms": start_ms + SIZE_MS[size]}


def aggregate(
    series: str,
    size: WindowSize,
    start_ms: int,
    stats: Stats,
    trend: Trend | None,
    baseline: tuple[str, ...] = (),
    *,
    final: bool,
    missing: int = 0,
) -> bytes:
    """Return a schemas.aggregates.Aggregate as JSON; see streams.measure.window_kind."""
    del baseline  # nothing of operations is configured here
    count = stats.sums.count
    percentiles, means, weights = shown(stats.digest, _RANKS, PUBLISHED_LIMIT)
    figures = figures_of(stats.sums)
    figures["duration_ms"] |= _durations(stats, figures["duration_ms"]["mean"], percentiles)
    return _encode(
        {
            "version": 1,
            "kind": "operations",
            "series": _series_fields(series),
            "window": window_fields(size, start_ms),
            "revision": count,
            "final": final,
            "missing": missing,
            "trend": None if trend is None else trend.model_dump(),
            "exemplars": [
                {
                    "id": row.id,
                    "success": not row.failed,
                    "duration_ms": row.duration_ms,
                    "error_type": row.error_type,
                }
                for row in stats.exemplars
            ],
            "digest": {"n": count, "centroids": centroids_of(means, weights)},
        }
        | figures
        | published_tallies(stats.tallies, stats.sums.failures)
    )


@lru_cache(maxsize=65_536)
def _series_fields(series: str) -> msgspec.Raw:
    return msgspec.Raw(parse_series(series).model_dump_json().encode())


def figures_of(sums: Sums) -> dict[str, Any]:
    """Return what aggregates have of the table in schemas/fields.py."""
    figures: dict[str, Any] = {}
    for group, name, times, value in _PUBLISHED_SUMS:
        into = figures.setdefault(group, {}) if group else figures
        number = value(sums)
        into[name] = number if times == 1 else number / times
    for group, name, ratio in _PUBLISHED_RATIOS:
        (figures[group] if group else figures)[name] = ratio.of(sums)
    return figures


def _durations(stats: Stats, mean: float, percentiles: list[float]) -> dict[str, float]:
    variance = max(0.0, stats.duration_sq / stats.sums.count - mean * mean)
    low, high = stats.min_ms, stats.max_ms
    p50, p90, p95, p99 = [min(max(value, low), high) for value in percentiles]
    return {
        "min": low,
        "max": high,
        "std_dev": math.sqrt(variance),
        "p50": p50,
        "p90": p90,
        "p95": p95,
        "p99": p99,
    }


def centroids_of(means: Floats, weights: Floats | None) -> msgspec.Raw:
    """Return the `tdigest` package's form; float32 means in the digits they have, not float64's."""
    values = _joined(means)
    if weights is None:
        pairs = values.replace(b",", b',"c":1},{"m":') + b',"c":1'
    else:
        counts = _joined(weights.astype(np.int64))
        both = zip(values.split(b","), counts.split(b","), strict=True)
        pairs = b'},{"m":'.join(map(b',"c":'.join, both))
    return msgspec.Raw(b'[{"m":' + pairs + b"}]")


def _joined(numbers: npt.NDArray[Any]) -> bytes:
    return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
