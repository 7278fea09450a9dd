"""List the tables of history that records go to: their columns, and which of two entries stands.

The migrations make them (agents/database/migrations); a test compares the two.
"""

from typing import Any, Literal, NamedTuple

Kind = Literal[
    "name",  # part of a key, or what people select by: short
    "text",
    "json",
    "texts",
    "int4",
    "int8",
    "float8",
    "numeric",
    "bool",
    "time",  # with a zone
    "local time",  # without one: UTC
    "uuid",
    "bytes",
]


class HistoryTable(NamedTuple):
    """A table, and which of two entries with one key stands."""

    name: str
    columns: dict[str, Kind]
    key: tuple[str, ...]
    order: tuple[str, ...] = ()
    """The entry with the larger values stands, of equal ones the later; none: the later one."""
    order_sql: str = ""
    """The same as an expression of the row `{0}`, where the columns alone do not say it."""
    keeps_first: bool = False
    """The entry with the smaller values stands."""
    partitioned: bool = False

    @property
    def places(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return where the key and the order stand among the values."""
        names = list(self.columns)
        return (
            tuple(names.index(name) for name in self.key),
            tuple(names.index(name) for name in self.order),
        )


class Entry(NamedTuple):
    """A row of a table of history."""

    table: HistoryTable
    values: tuple[Any, ...]
    rank: Any = ()
    """Of two entries with one key the one with the larger rank stands, or the later."""


_REVISED = ("revision", "final")

WINDOWS = HistoryTable(
    "windows",
    {
        "series": "name",
        "size": "name",
        "start_at": "time",
        "end_at": "time",
        "operation": "name",
        "platform": "name",
        "confidence": "name",
        "revision": "int8",
        "final": "bool",
        "missing": "int8",
        "count": "int8",
        "successes": "int8",
        "failures": "int8",
        "success_rate": "float8",
        "duration_sum_ms": "float8",
        "mean_ms": "float8",
        "min_ms": "float8",
        "max_ms": "float8",
        "std_dev_ms": "float8",
        "p50_ms": "float8",
        "p90_ms": "float8",
        "p95_ms": "float8",
        "p99_ms": "float8",
        "cache_lookups": "int8",
        "cache_hits": "int8",
        "cache_misses": "int8",
        "cache_evictions": "int8",
        "cache_average_ttl_s": "float8",
        "cache_ttl_count": "int8",
        "mean_confidence": "float8",
        "confidence_count": "int8",
        "failures_by_type": "json",
        "trend": "json",
        "exemplars": "json",
        "digest": "bytes",
        "flags": "texts",
    },
    key=("series", "size", "start_at"),
    order=_REVISED,
    partitioned=True,
)
QUALITY_WINDOWS = HistoryTable(
    "quality_windows",
    {
        "series": "name",
        "size": "name",
        "start_at": "time",
        "end_at": "time",
        "dimension": "name",
        "operation": "name",
        "platform": "name",
        "model": "name",
        "revision": "int8",
        "final": "bool",
        "missing": "int8",
        "count": "int8",
        "mean": "float8",
        "min": "float8",
        "max": "float8",
        "std_dev": "float8",
        "p5": "float8",
        "p50": "float8",
        "good": "int8",
        "acceptable": "int8",
        "trend": "json",
        "exemplars": "json",
        "findings": "json",
        "actions": "json",
        "configurations": "texts",
        "digest": "bytes",
        "flags": "texts",
    },
    key=("series", "size", "start_at"),
    order=_REVISED,
    partitioned=True,
)
SERVICES = HistoryTable(
    "services",
    {
        "service": "name",
        "size": "name",
        "start_at": "time",
        "end_at": "time",
        "revision": "int8",
        "final": "bool",
        "status": "text",
        "since_at": "time",
        "silent": "bool",
        "last_beat_at": "time",
        "every_s": "float8",
        "message": "text",
        "up_ms": "int8",
        "degraded_ms": "int8",
        "down_ms": "int8",
        "unknown_ms": "int8",
        "uptime": "float8",
        "forgotten": "bool",
        "flags": "texts",
    },
    key=("service", "size", "start_at"),
    order=_REVISED,
)
CALIBRATIONS = HistoryTable(
    "calibrations",
    {
        "service": "name",
        "operation": "name",
        "model": "name",
        "size": "name",
        "start_at": "time",
        "end_at": "time",
        "revision": "int8",
        "final": "bool",
        "count": "int8",
        "right_count": "int8",
        "accuracy": "float8",
        "confidence": "json",
        "overall": "json",
        "flags": "texts",
    },
    key=("service", "operation", "model", "size", "start_at"),
    order=_REVISED,
)
PERFORMANCE_METRICS = HistoryTable(
    "performance_metrics",
    {
        "id": "uuid",
        "metric_type": "text",
        "platform": "text",
        "metric_value": "numeric",
        "measurement_window": "text",
        "measured_at": "local time",
        "additional_data": "json",
    },
    key=("id",),
    order_sql="coalesce(({0}.additional_data->>'revision')::bigint, 0)",
)
