"""Make of a final window its figures in the specification's table, `performance_metrics`.

Rates are in per cent. A platform of None means all of them. What the columns do not say stands in
`additional_data`: the operation or service, the sample size, the window's start and revision, a
breakdown, and flags. Series by confidence level or model have no figures here: nobody could
distinguish their rows from those of all.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from schemas.aggregates import FailuresByName
from schemas.fast_structs import struct_of
from streams.history.fitting import at, fit_json, fit_name, ids_of
from streams.history.tables import PERFORMANCE_METRICS, Entry

#: The windows that the table is fed by.
SIZES = frozenset({"5m", "1h", "6h", "24h", "7d"})
_PLATFORM_LENGTH = 50
#: DECIMAL(10,4).
_MOST = Decimal("999999.9999")
_PLACES = Decimal("0.0001")
_PERCENT = 100.0

_decode_failures = msgspec.json.Decoder(struct_of(FailuresByName) | None).decode
Figures = dict[str, float | None]


def metrics_of_operations(record: Any) -> Iterator[Entry]:
    """Yield the figures of a window of operations."""
    series, window = record.series, record.window
    if not _counts(record) or series.confidence is not None:
        return
    took, cache, count = record.duration_ms, record.cache, record.count
    figures: Figures = {
        "success_rate": _PERCENT * record.success_rate,
        "error_rate": _PERCENT * record.error_rate,
        "response_time": took.mean,
        "response_time_p50": took.p50,
        "response_time_p95": took.p95,
        "response_time_p99": took.p99,
        "cache_hit_rate": _percent(cache.hit_rate),
        "cache_miss_rate": _percent(cache.miss_rate),
        "cache_eviction_rate": _percent(cache.eviction_rate),
        "cache_average_ttl": cache.average_ttl_s,
        "throughput": count / ((window.end_ms - window.start_ms) / 1000),
    }
    samples = dict.fromkeys(
        ("cache_hit_rate", "cache_miss_rate", "cache_eviction_rate"), cache.lookups
    )
    samples["cache_average_ttl"] = cache.ttl_count
    about = {"operation": series.operation, "breakdown": _failures(record.failures_by_type)}
    yield from _entries(record, figures, series.platform, about, count, samples)


def metrics_of_scores(record: Any) -> Iterator[Entry]:
    """Yield the figure of a window of scores."""
    series = record.series
    if not _counts(record) or series.model is not None:
        return
    figures: Figures = {f"quality_{series.dimension}": _PERCENT * record.mean}
    about = {
        "operation": series.operation,
        "breakdown": {"good": record.good, "acceptable": record.acceptable},
    }
    yield from _entries(record, figures, series.platform, about, record.count)


def metrics_of_service(record: Any) -> Iterator[Entry]:
    """Yield how long a service was up in a window."""
    if not _counts(record):
        return
    judged_ms = record.up_ms + record.degraded_ms + record.down_ms
    about = {
        "service": record.series.service,
        "breakdown": {
            "up_ms": record.up_ms,
            "degraded_ms": record.degraded_ms,
            "down_ms": record.down_ms,
            "unknown_ms": record.unknown_ms,
        },
    }
    yield from _entries(record, {"uptime": _percent(record.uptime)}, None, about, judged_ms)


def _counts(record: Any) -> bool:
    return bool(record.final) and record.window.size in SIZES


def _entries(
    record: Any,
    figures: Figures,
    platform: str | None,
    about: dict[str, Any],
    sample_size: int,
    sample_sizes: dict[str, int] | None = None,
) -> Iterator[Entry]:
    window = record.window
    named, cut = (None, "") if platform is None else fit_name(platform, _PLATFORM_LENGTH)
    measured_at = at(window.end_ms).replace(tzinfo=None)
    subject = about.get("operation", about.get("service"))
    ids = ids_of(platform, subject, f"{window.size}/{window.start_ms}")
    shared = about | {
        "window_start": at(window.start_ms).isoformat().replace("+00:00", "Z"),
        "revision": record.revision,
    }
    # The same for each figure but for its end: made once.
    shared_json = fit_json(msgspec.json.encode(shared))[0].removesuffix("}")
    rank = (record.revision,)
    for metric, value in figures.items():
        if value is None:
            continue
        size = sample_sizes.get(metric, sample_size) if sample_sizes else sample_size
        fits = abs(value) <= _MOST
        if fits and not cut:
            data = f'{shared_json},"sample_size":{size}}}'
        else:
            flags = [f"platform_{cut}"] * bool(cut) + ["value_clamped"] * (not fits)
            more = {"sample_size": size, "flags": flags, "value": value, "platform": platform}
            data = fit_json(msgspec.json.encode(shared | more))[0]
        stored = Decimal(value).quantize(_PLACES) if fits else _MOST
        values = (ids(metric), metric, named, stored, window.size, measured_at, data)
        yield Entry(PERFORMANCE_METRICS, values, rank)


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else _PERCENT * ratio


def _failures(raw: Any) -> dict[str, int]:
    """Return failures by type, at most ten types and `other`; nothing if there are none to read."""
    try:
        found = _decode_failures(raw)
    except msgspec.MsgspecError:
        return {}
    if found is None:
        return {}
    counts = {failure.name: failure.count for failure in found.most_frequent}
    others = {"other": found.other, "unnamed": found.unnamed}
    return counts | {name: count for name, count in others.items() if count}
