"""Make the aggregates that the series of a rule test would have published."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from agents.rule_tests.cases import MinuteValue, OperationsMinutes, ScoreMinutes, ServiceMinutes
from schemas.quality_config import QualityConfig
from schemas.spans import MINUTE_MS
from streams.measure.series import parse_series
from streams.quality.score_series import parse_score_series

#: What is good and acceptable unless configured.
GOOD: float = QualityConfig().good
ACCEPTABLE: float = QualityConfig().acceptable
_SIZES_MIN = {"1m": 1, "5m": 5, "1h": 60, "6h": 360, "24h": 1440, "7d": 10_080}
_STATUS = {
    "up": "up",
    "degraded": "degraded",
    "down": "down",
    "silent": "down",
    "unknown": "unknown",
}


class MadeAggregate(NamedTuple):
    """A record on `aggregates`, and when it is published, epoch ms."""

    at_ms: int
    body: dict[str, Any]


def aggregates(
    series: OperationsMinutes | ServiceMinutes | ScoreMinutes, start_ms: int
) -> Iterator[MadeAggregate]:
    """Yield a final window for each value that is not a gap."""
    if isinstance(series, ServiceMinutes):
        yield from _service(series, start_ms)
        return
    if isinstance(series, ScoreMinutes):
        yield from _scores(series, start_ms)
        return
    columns = series.columns()
    length = max(len(column) for column in columns.values())
    span_ms = _SIZES_MIN[series.window] * MINUTE_MS
    for at in range(length):
        row = {name: column[at] if at < len(column) else None for name, column in columns.items()}
        if row.get("count") is None:
            continue
        window = _window(series.window, start_ms + at * span_ms, span_ms)
        yield MadeAggregate(window["end_ms"], _operations(series.series, window, row))


def _window(size: str, start_ms: int, span_ms: int) -> dict[str, Any]:
    return {"size": size, "start_ms": start_ms, "end_ms": start_ms + span_ms}


def _operations(
    name: str, window: dict[str, Any], row: Mapping[str, MinuteValue]
) -> dict[str, Any]:
    count = _whole(row, "count")
    failures = min(_whole(row, "failures"), count)
    took = float(row.get("duration_ms") or 0.0)
    return {
        "version": 1,
        "kind": "operations",
        "series": parse_series(name).model_dump(),
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


def _cache(row: Mapping[str, MinuteValue]) -> dict[str, Any]:
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


def _trend(verdict: MinuteValue, count: int) -> dict[str, Any] | None:
    if verdict is None:
        return None
    evidence = {"baseline_rate": None, "baseline_count": 0, "rate": None, "count": count}
    evidence |= {"z": None, "p_value": None, "dispersion": None, "agreeing": 3}
    return {"verdict": verdict, "evidence": evidence}


def _service(series: ServiceMinutes, start_ms: int) -> Iterator[MadeAggregate]:
    since_ms, before = start_ms, None
    for at, word in enumerate(series.statuses()):
        if word != before:
            since_ms, before = start_ms + at * MINUTE_MS, word
        if word is None:
            continue
        window = _window("1m", start_ms + at * MINUTE_MS, MINUTE_MS)
        status = _STATUS[word]
        body = {
            "version": 1,
            "kind": "service",
            "series": {"service": series.service},
            "window": window,
            "revision": at + 1,
            "final": True,
            "status": status,
            "since_ms": since_ms,
            "silent": word == "silent",
            "last_beat_ms": None,
            "every_s": 10.0,
            "message": None,
            **{
                f"{name}_ms": MINUTE_MS * (name == status) for name in sorted(set(_STATUS.values()))
            },
            "uptime": None if status == "unknown" else float(status != "down"),
        }
        yield MadeAggregate(window["end_ms"], body)


def _scores(series: ScoreMinutes, start_ms: int) -> Iterator[MadeAggregate]:
    span_ms = _SIZES_MIN[series.window] * MINUTE_MS
    for at, (count, score) in enumerate(series.rows()):
        if not count or score is None:
            continue
        window = _window(series.window, start_ms + at * span_ms, span_ms)
        number, mean = round(float(count)), float(score)
        body = {
            "kind": "quality",
            "series": parse_score_series(series.scores).model_dump(),
            "window": window,
            "revision": number,
            "final": True,
            "count": number,
            "mean": mean,
            "min": mean,
            "good": number * (mean >= GOOD),
            "acceptable": number * (mean >= ACCEPTABLE),
        }
        yield MadeAggregate(window["end_ms"], body)


def _whole(row: Mapping[str, MinuteValue], name: str) -> int:
    return round(float(row.get(name) or 0))


def _ratio(value: MinuteValue) -> float | None:
    return None if value is None else float(value) / 100
