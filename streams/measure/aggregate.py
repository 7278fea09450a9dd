"""Make the aggregate of a window that is published."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from schemas.aggregates import Trend
from schemas.fields import DERIVED, RATIOS, SUMMED, Sums
from schemas.partials import Stats
from schemas.series import WindowSize
from streams.measure.digest_wire import published_digest
from streams.measure.series import parse_series
from streams.measure.tallies import published_tallies
from streams.measure.window_times import SIZE_MS

_RANKS = (0.5, 0.9, 0.95, 0.99)
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
    percentiles, digest = published_digest(stats.digest, count, _RANKS, final=final)
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
            "digest": digest,
        }
        | figures
        | published_tallies(stats.tallies, stats.sums.failures)
    )


@lru_cache(maxsize=65_536)
def _series_fields(series: str) -> msgspec.Raw:
    return msgspec.Raw(parse_series(series).model_dump_json().encode())


def _figures_maker() -> Callable[..., dict[str, Any]]:
    """Return what makes figures of the fields of Sums and the derived ones, in this order."""
    figures: dict[str, str] = {
        summed.published: name if summed.times == 1 else f"{name} / {summed.times}"
        for name, summed in SUMMED.items()
        if summed.mean_of is None
    }
    figures |= DERIVED
    for path, (above, below, times) in RATIOS.items():
        figures[path] = f"{above} / {below} / {times} if {below} else None"
    groups: dict[str, list[str]] = {}
    for path, figure in figures.items():
        group, _, name = path.rpartition(".")
        groups.setdefault(group, []).append(f"{name!r}: {figure}")
    items = groups.pop("")
    items += [f"{group!r}: {{{', '.join(inside)}}}" for group, inside in groups.items()]
    arguments = ", ".join([*SUMMED, *DERIVED.values()])
    made: Callable[..., dict[str, Any]] = eval(  # noqa: S307 - a loop over the table takes 4 times as long
        f"lambda {arguments}: {{{', '.join(items)}}}"
    )
    return made


_make_figures = _figures_maker()


def figures_of(sums: Sums) -> dict[str, Any]:
    """Return what aggregates have of the table in schemas/fields.py."""
    return _make_figures(*sums, sums.failures, sums.lookups)


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
