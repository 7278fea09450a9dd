"""Compare every table of history with the topics: what stands there is calculated here again.

Expected rows are made of the records in plain Python, and of nothing of ours.
"""

import base64
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

SIZE_MS = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000}
Value = dict[str, Any]
Query = Callable[[str], list[Any]]
Latest = dict[tuple[Any, ...], Value]


@dataclass(frozen=True)
class Copied:
    """A table: the topic it is of, which of two records with a key stands, and its columns."""

    topic: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    """Where each column stands in a record; a dot leads into an object."""
    kind: str | None = None
    order: tuple[str, ...] = ()
    """The record with the larger values stands, of equal ones the later; none: the later one."""
    keeps_first: bool = False


def _same(names: str, **others: str) -> dict[str, str]:
    return {name: name for name in names.split()} | others


_SPAN = {"size": "window.size", "start_at": "window.start_ms", "end_at": "window.end_ms"}
_REVISED = ("revision", "final")

TABLES = {
    "windows": Copied(
        "aggregates",
        ("operation", "platform", "confidence", "size", "start_at"),
        _SPAN
        | {name: f"series.{name}" for name in ("operation", "platform", "confidence")}
        | {f"{name}_ms": f"duration_ms.{name}" for name in ["mean", "min", "max", "std_dev", "p50"]}
        | {f"{name}_ms": f"duration_ms.{name}" for name in ["p90", "p95", "p99"]}
        | {f"cache_{name}": f"cache.{name}" for name in ["lookups", "hits", "misses", "evictions"]}
        | {f"cache_{name}": f"cache.{name}" for name in ("average_ttl_s", "ttl_count")}
        | _same(
            "revision final missing count successes failures success_rate mean_confidence"
            " confidence_count failures_by_type trend exemplars digest",
            duration_sum_ms="duration_ms.sum",
        ),
        kind="operations",
        order=_REVISED,
    ),
    "quality_windows": Copied(
        "aggregates",
        ("dimension", "operation", "platform", "model", "size", "start_at"),
        _SPAN
        | {name: f"series.{name}" for name in ("dimension", "operation", "platform", "model")}
        | _same(
            "revision final missing count mean min max std_dev p5 p50 good acceptable trend"
            " exemplars findings actions configurations digest"
        ),
        kind="quality",
        order=_REVISED,
    ),
    "services": Copied(
        "aggregates",
        ("service", "size", "start_at"),
        _SPAN
        | _same(
            "revision final status silent every_s message up_ms degraded_ms down_ms unknown_ms"
            " uptime forgotten",
            service="series.service",
            since_at="since_ms",
            last_beat_at="last_beat_ms",
        ),
        kind="service",
        order=_REVISED,
    ),
    "calibrations": Copied(
        "aggregates",
        ("service", "operation", "model", "size", "start_at"),
        _SPAN
        | {name: f"series.{name}" for name in ("service", "operation", "model")}
        | _same("revision final count accuracy confidence overall", right_count="right"),
        kind="calibration",
        order=_REVISED,
    ),
    "quality_scores": Copied(
        "quality-scores",
        ("analysis",),
        _same(
            "analysis service operation platform model occurred_at overall dimensions left_out"
            " actions configuration took_ms remediates",
            source_partition="source.0",
            source_offset="source.1",
        ),
    ),
    "labels": Copied(
        "labels",
        ("analysis", "input_hash", "about", "source"),
        _same("analysis input_hash about truth verified source at"),
        order=("at",),
    ),
    "acknowledgements": Copied(
        "commands",
        ("alert",),
        _same("fingerprint by comment", alert="breach_id", command="id", at="at_ms"),
        kind="acknowledge",
        order=("at_ms",),
        keeps_first=True,
    ),
    "alerts": Copied(
        "breaches",
        ("id",),
        _same(
            "id revision state why fingerprint rule kind series labels severity samples confirmed"
            " summary rules_hash",
            span_start_at="span.start_ms",
            span_end_at="span.end_ms",
            since_at="since_ms",
            opened_at="opened_ms",
        ),
        order=("revision",),
    ),
    "notifications": Copied(
        "notifications",
        ("id",),
        _same(
            "id fingerprint rule series severity channel event reason sentence",
            alert="breach_id",
            decided_at="now_ms",
        ),
    ),
}
TOPICS = tuple(dict.fromkeys(copied.topic for copied in TABLES.values()))
#: Metrics of performance_metrics, by another name than in the code that writes them.
FIGURES = {
    "operations": {
        "success_rate": ("success_rate", 100),
        "error_rate": ("error_rate", 100),
        "response_time": ("duration_ms.mean", 1),
        "response_time_p50": ("duration_ms.p50", 1),
        "response_time_p95": ("duration_ms.p95", 1),
        "response_time_p99": ("duration_ms.p99", 1),
        "cache_hit_rate": ("cache.hit_rate", 100),
        "cache_miss_rate": ("cache.miss_rate", 100),
        "cache_eviction_rate": ("cache.eviction_rate", 100),
        "cache_average_ttl": ("cache.average_ttl_s", 1),
    },
    "quality": {"quality_{dimension}": ("mean", 100)},
    "service": {"uptime": ("uptime", 100)},
}


def compare(query: Query, records: Mapping[str, Iterable[bytes]]) -> None:
    """Compare every row with the records of the topics."""
    values = {topic: [json.loads(record) for record in records[topic]] for topic in TOPICS}
    for name, copied in TABLES.items():
        _compare_table(query, name, copied, latest(copied, values[copied.topic]))
    _compare_figures(query, values["aggregates"])


def latest(copied: Copied, values: Iterable[Value]) -> Latest:
    """Return the record of each key that stands."""
    found: Latest = {}
    for value in values:
        if copied.kind is not None and value["kind"] != copied.kind:
            continue
        key = tuple(_plain(_at(value, copied.columns[name])) for name in copied.key)
        before = found.get(key)
        if before is not None:
            rank, rank_before = (
                tuple(_at(each, path) for path in copied.order) for each in (value, before)
            )
            stands = rank < rank_before if copied.keeps_first else rank >= rank_before
            if not stands:
                continue
        found[key] = value
    return found


def _compare_table(query: Query, name: str, copied: Copied, expected: Latest) -> None:
    rows = query(f"SELECT * FROM opwatch.{name}")
    assert all(row["flags"] == [] for row in rows)
    stored = {}
    for row in rows:
        found = {column: _stored(column, row[column]) for column in copied.columns}
        stored[tuple(found[column] for column in copied.key)] = found
    assert len(stored) == len(rows), f"{name} has a row twice"
    wanted = {
        key: {column: _wanted(column, _at(value, path)) for column, path in copied.columns.items()}
        for key, value in expected.items()
    }
    assert stored.keys() == wanted.keys(), name
    for key, row in stored.items():
        assert row == wanted[key], (name, key)


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value[int(name)] if isinstance(value, list) else value.get(name)
    return value


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int)) else json.dumps(value)


def _stored(column: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return _digest(value) if column == "digest" else value


def _wanted(column: str, value: Any) -> Any:
    if column == "digest" and isinstance(value, str):
        return _digest(base64.b64decode(value))
    if column == "digest":
        return [(_float32(each["m"]), each["c"]) for each in value["centroids"]]
    return value


def _digest(packed: bytes) -> list[tuple[float, int]]:
    width = {0: 0, 1: 2, 2: 4, 3: 8}[packed[0]]
    count = (len(packed) - 1) // (4 + width)
    means = struct.unpack_from(f"<{count}f", packed, 1)
    kind = {0: "", 1: "H", 2: "I", 3: "d"}[packed[0]]
    weights = struct.unpack_from(f"<{count}{kind}", packed, 1 + 4 * count) if kind else [1] * count
    return list(zip(means, (int(weight) for weight in weights), strict=True))


def _float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _compare_figures(query: Query, values: Iterable[Value]) -> None:
    """Compare performance_metrics with the latest final revision of each window."""
    finals = [value for value in values if value["final"] and value["window"]["size"] != "1m"]
    expected = {}
    for kind in FIGURES:
        table = next(each for each in TABLES.values() if each.kind == kind)
        for value in latest(table, finals).values():
            if value["series"].get("model") is None:
                expected |= _figures(kind, value)
    rows = query(
        "SELECT metric_type, coalesce(additional_data->>'operation', additional_data->>'service'),"
        " platform, measurement_window, measured_at, metric_value FROM opwatch.performance_metrics"
    )
    assert len(rows) == len(expected)
    assert {tuple(row)[:5]: row["metric_value"] for row in rows} == expected


def _figures(kind: str, value: Value) -> dict[tuple[Any, ...], Decimal]:
    series, size = value["series"], value["window"]["size"]
    end = datetime(1970, 1, 1) + timedelta(milliseconds=value["window"]["end_ms"])  # noqa: DTZ001
    subject = series.get("operation", series.get("service"))
    place = subject, series.get("platform"), size, end
    found: dict[tuple[Any, ...], Decimal] = {}
    if kind == "operations":
        found["throughput", *place] = _four(value["count"] / (SIZE_MS[size] / 1000))
    for metric, (path, times) in FIGURES[kind].items():
        figure = _at(value, path)
        if figure is not None:
            found[metric.format(**series), *place] = _four(times * figure)
    return found


def _four(value: float) -> Decimal:
    return Decimal(value).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
