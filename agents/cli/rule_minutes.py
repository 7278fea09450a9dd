"""Make the aggregates that a rule test's series would have published."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from agents.cli.rule_given import Given, GivenService
from agents.cli.rule_values import Value
from schemas.spans import MINUTE_MS
from streams.measure.series import parse_series

_SIZES_MIN = {"1m": 1, "5m": 5, "1h": 60, "6h": 360, "24h": 1440, "7d": 10_080}
_STATUS = {
    "up": "up",
    "degraded": "degraded",
    "down": "down",
    "silent": "down",
    "unknown": "unknown",
}


class Published(NamedTuple):
    """A record on `aggregates`, and the minute after which it is there."""

    at_ms: int
    body: dict[str, Any]


def published(given: Given | GivenService, start_ms: int) -> Iterator[Published]:
    """Yield a final window for each value that is not a gap."""
    if isinstance(given, GivenService):
        yield from _service(given, start_ms)
        return
    columns = given.columns()
    length = max(len(column) for column in columns.values())
    span_ms = _SIZES_MIN[given.window] * MINUTE_MS
    for at in range(length):
        row = {name: column[at] if at < len(column) else None for name, column in columns.items()}
        if row.get("count") is None:
            continue
        window = _window(given.window, start_ms + at * span_ms, span_ms)
        yield Published(window["end_ms"], _operations(given.series, window, row))


def _window(size: str, start_ms: int, span_ms: int) -> dict[str, Any]:
    return {"size": size, "start_ms": start_ms, "end_ms": start_ms + span_ms}


def _operations(name: str, window: dict[str, Any], row: Mapping[str, Value]) -> dict[str, Any]:
    series = parse_series(name)
    count = _whole(row, "count")
    failures = min(_whole(row, "failures"), count)
    took = float(row.get("duration_ms") or 0.0)
    return {
        "version": 1,
        "kind": "operations",
        "series": series.model_dump(),
        "window": window,
        "revision": max(count, 1),
        "final": True,
        "count": count,
        "successes": count - failures,
        "failures": failures,
        "success_rate": (count - failures) / count if count else 1.0,
        "error_rate": failures / count if count else 0.0,
        "duration_ms": {"sum": took * count, "std_dev": 0.0}
        | dict.fromkeys(("mean", "min", "max", "p50", "p90", "p95", "p99"), took),
        "cache": _cache(row),
        "mean_confidence": _ratio(row.get("confidence")),
        "confidence_count": count if row.get("confidence") is not None else 0,
        "trend": _trend(row.get("trend"), count),
        "exemplars": [],
        "digest": {"n": count, "centroids": [{"m": took, "c": float(count)}] if count else []},
    }


def _cache(row: Mapping[str, Value]) -> dict[str, Any]:
    lookups, evictions = _whole(row, "lookups"), _whole(row, "evictions")
    hits = min(_whole(row, "hits"), lookups)
    return {
        "lookups": lookups,
        "hits": hits,
        "misses": lookups - hits,
        "hit_rate": hits / lookups if lookups else None,
        "miss_rate": (lookups - hits) / lookups if lookups else None,
        "evictions": evictions,
        "eviction_rate": evictions / lookups if lookups else None,
        "average_ttl_s": row.get("ttl_s"),
        "ttl_count": 0 if row.get("ttl_s") is None else lookups,
    }


def _trend(verdict: Value, count: int) -> dict[str, Any] | None:
    if verdict is None:
        return None
    evidence = {"baseline_rate": None, "baseline_count": 0, "rate": None, "count": count}
    evidence |= {"z": None, "p_value": None, "dispersion": None, "agreeing": 3}
    return {"verdict": verdict, "evidence": evidence}


def _service(given: GivenService, start_ms: int) -> Iterator[Published]:
    since_ms, before = start_ms, None
    for at, told in enumerate(given.statuses()):
        if told != before:
            since_ms, before = start_ms + at * MINUTE_MS, told
        if told is None:
            continue
        window = _window("1m", start_ms + at * MINUTE_MS, MINUTE_MS)
        status = _STATUS[told]
        known = status != "unknown"
        body = {
            "version": 1,
            "kind": "service",
            "series": {"service": given.service},
            "window": window,
            "revision": at + 1,
            "final": True,
            "status": status,
            "since_ms": since_ms,
            "silent": told == "silent",
            "last_beat_ms": None,
            "every_s": 10.0,
            "message": None,
            **{
                f"{each}_ms": MINUTE_MS * (each == status) for each in sorted(set(_STATUS.values()))
            },
            "uptime": float(status != "down") if known else None,
        }
        yield Published(window["end_ms"], body)


def _whole(row: Mapping[str, Value], name: str) -> int:
    return round(float(row.get(name) or 0))


def _ratio(value: Value) -> float | None:
    return None if value is None else float(value) / 100
