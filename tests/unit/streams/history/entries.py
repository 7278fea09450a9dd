"""Read the entries of records, as a person would write them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from streams.history import tables
from streams.history.tables import Entry
from tests.history_records import START_MS

HOUR_MS = 3_600_000
START = datetime(2026, 3, 2, tzinfo=UTC)
END = datetime(2026, 3, 2, 1, tzinfo=UTC)
WINDOW = {"size": "1h", "start_ms": START_MS, "end_ms": START_MS + HOUR_MS}
DIGEST = {"n": 3, "centroids": [{"m": 0.5, "c": 1}, {"m": 1.0, "c": 2}]}


def of(table: tables.HistoryTable, entries: list[Entry]) -> list[dict[str, Any]]:
    """Return the entries of a table, by column."""
    return [
        dict(zip(table.columns, entry.values, strict=True))
        for entry in entries
        if entry.table is table
    ]


def encoded(fields: dict[str, Any], **others: Any) -> bytes:
    return json.dumps(fields | others).encode()


def figures(entries: list[Entry]) -> dict[str, Decimal]:
    rows = of(tables.PERFORMANCE_METRICS, entries)
    return {row["metric_type"]: row["metric_value"] for row in rows}
