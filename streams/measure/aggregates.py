"""Put a window's sums into the form that is published."""

import math
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from schemas.aggregates import Trend
from schemas.partials import Stats
from schemas.series import WindowSize
from streams.measure.centroids import Floats
from streams.measure.digests import PUBLISHED_LIMIT, shown
from streams.measure.series import parse_series
from streams.measure.sizes import SIZE_MS

_RANKS = (0.5, 0.9, 0.95, 0.99)
_PPM = 1_000_000
_encode = msgspec.json.Encoder().encode


def aggregate_key(series: str, size: WindowSize, start_ms: int) -> bytes:
    """Return the key of a window on `aggregates`."""
    return f"{series}/{size}/{start_ms}".encode()


def aggregate(
    series: str,
    size: WindowSize,
    start_ms: int,
    stats: Stats,
    trend: Trend | None,
    *,
    final: bool,
    missing: int = 0,
) -> bytes:
    """Return a schemas.aggregates.Aggregate as JSON; `stats` holds at least one operation."""
    failures = stats.count - stats.successes
    percentiles, means, weights = shown(stats.digest, _RANKS, PUBLISHED_LIMIT)
    sure = stats.confidence_count
    return _encode(
        {
            "version": 1,
            "kind": "operations",
            "series": _series_fields(series),
            "window": {"size": size, "start_ms": start_ms, "end_ms": start_ms + SIZE_MS[size]},
            "revision": stats.count,
            "final": final,
            "count": stats.count,
            "successes": stats.successes,
            "failures": failures,
            "missing": missing,
            "success_rate": stats.successes / stats.count,
            "error_rate": failures / stats.count,
            "duration_ms": _durations(stats, percentiles),
            "cache": _cache(stats),
            "mean_confidence": stats.confidence_ppm / sure / _PPM if sure else None,
            "confidence_count": sure,
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
            "digest": {"n": stats.count, "centroids": _centroids(means, weights)},
        }
    )


@lru_cache(maxsize=65_536)
def _series_fields(series: str) -> msgspec.Raw:
    return msgspec.Raw(parse_series(series).model_dump_json().encode())


def _durations(stats: Stats, percentiles: list[float]) -> dict[str, float]:
    total = stats.duration_us / 1000
    mean = total / stats.count
    variance = max(0.0, stats.duration_sq / stats.count - mean * mean)
    low, high = stats.min_ms, stats.max_ms
    p50, p90, p95, p99 = [min(max(one, low), high) for one in percentiles]
    return {
        "sum": total,
        "mean": mean,
        "min": low,
        "max": high,
        "std_dev": math.sqrt(variance),
        "p50": p50,
        "p90": p90,
        "p95": p95,
        "p99": p99,
    }


def _cache(stats: Stats) -> dict[str, Any]:
    lookups = stats.hits + stats.misses
    return {
        "lookups": lookups,
        "hits": stats.hits,
        "misses": stats.misses,
        "hit_rate": stats.hits / lookups if lookups else None,
        "miss_rate": stats.misses / lookups if lookups else None,
        "evictions": stats.evictions,
        "eviction_rate": stats.evictions / lookups if lookups else None,
        "average_ttl_s": stats.ttl_ms / stats.ttl_count / 1000 if stats.ttl_count else None,
    }


def _centroids(means: Floats, weights: Floats | None) -> msgspec.Raw:
    """Return the `tdigest` package's form; float32 means in the digits they have, not float64's."""
    told = _joined(means)
    if weights is None:
        pairs = told.replace(b",", b',"c":1},{"m":') + b',"c":1'
    else:
        counts = _joined(weights.astype(np.int64))
        each = zip(told.split(b","), counts.split(b","), strict=True)
        pairs = b'},{"m":'.join(map(b',"c":'.join, each))
    return msgspec.Raw(b'[{"m":' + pairs + b"}]")


def _joined(numbers: npt.NDArray[Any]) -> bytes:
    return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
