"""Records on `aggregates`, as the dashboard reads them."""

import json
from typing import Any

from streams.dashboard.book import Books
from streams.dashboard.records import Shown, read_shown
from streams.measure.window_times import SIZE_MS

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
#: 2026-11-23 12:00 UTC, a Monday.
NOON_MS = 1_795_435_200_000


def window(size: str, start_ms: int) -> dict[str, Any]:
    return {"size": size, "start_ms": start_ms, "end_ms": start_ms + SIZE_MS[size]}  # type: ignore[index]


def operations(
    start_ms: int,
    size: str = "1m",
    *,
    count: int = 100,
    failures: int | None = None,
    platform: str | None = None,
    operation: str = "*",
    durations: list[float] | None = None,
    **changed: Any,
) -> bytes:
    failures = min(5, count) if failures is None else failures
    values = sorted(durations or [10.0, 20.0, 30.0, 40.0])
    fields = {
        "version": 1,
        "kind": "operations",
        "series": {"operation": operation, "platform": platform, "confidence": None},
        "window": window(size, start_ms),
        "revision": count,
        "final": True,
        "count": count,
        "failures": failures,
        "duration_ms": {
            "sum": float(sum(values)),
            "max": values[-1],
            "p50": values[len(values) // 2],
            "p95": values[-1],
            "p99": values[-1],
        },
        "cache": {"lookups": count, "hits": count // 2},
        "trend": None,
        "failures_by_type": {
            "most_frequent": [{"name": "timeout", "count": failures}],
            "other": 0,
            "unnamed": 0,
        },
        "exemplars": [],
        "digest": {"n": len(values), "centroids": [{"m": value, "c": 1} for value in values]},
    }
    return json.dumps(fields | changed).encode()


def quality(start_ms: int, size: str = "1m", *, count: int = 10, mean: float = 0.9) -> bytes:
    fields = {
        "kind": "quality",
        "series": {"dimension": "overall", "operation": "*", "platform": None, "model": None},
        "window": window(size, start_ms),
        "revision": count,
        "final": True,
        "count": count,
        "mean": mean,
        "p5": mean - 0.2,
        "good": count - 1,
        "acceptable": count,
        "findings": {"most_frequent": [{"name": "invented_quote", "count": 1}]},
    }
    return json.dumps(fields).encode()


def service(
    start_ms: int, size: str = "1m", *, down_ms: int = 0, name: str = "crawler", **changed: Any
) -> bytes:
    length_ms = SIZE_MS[size]  # type: ignore[index]
    fields = {
        "kind": "service",
        "series": {"service": name},
        "window": window(size, start_ms),
        "revision": start_ms + length_ms,
        "final": True,
        "status": "down" if down_ms else "up",
        "since_ms": start_ms,
        "silent": False,
        "up_ms": length_ms - down_ms,
        "degraded_ms": 0,
        "down_ms": down_ms,
        "unknown_ms": 0,
    }
    return json.dumps(fields | changed).encode()


def read(value: bytes) -> Shown:
    found = read_shown(value)
    assert found is not None
    return found


def books(*values: bytes, most_series: int = 100) -> Books:
    made = Books(most_series)
    for value in values:
        record = read(value)
        made.take(record, record.window.end_ms)
    return made
