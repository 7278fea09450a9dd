"""A window of operations becomes the rows that a person would write of it."""

import json
from decimal import Decimal

import pytest

from streams.history import tables
from streams.history.aggregates import entries_of_aggregate
from streams.history.fitting import id_of
from streams.measure.digests import centroid_count
from tests.history_records import START_MS, changed, window
from tests.unit.streams.history.entries import (
    END,
    HOUR_MS,
    START,
    figures,
    of,
)


def test_a_window_of_operations_is_a_row_and_eleven_figures():
    entries = entries_of_aggregate(window()[1])
    (row,) = of(tables.WINDOWS, entries)
    digest = row.pop("digest")
    assert centroid_count(digest) == 3
    assert row == {
        "series": "parse",
        "size": "1h",
        "start_at": START,
        "end_at": END,
        "operation": "parse",
        "platform": None,
        "confidence": None,
        "revision": 3,
        "final": True,
        "missing": 0,
        "count": 3,
        "successes": 2,
        "failures": 1,
        "success_rate": pytest.approx(2 / 3),
        "duration_sum_ms": 60.0,
        "mean_ms": 20.0,
        "min_ms": 10.0,
        "max_ms": 30.0,
        "std_dev_ms": pytest.approx(8.16496580927726),
        "p50_ms": 20.0,
        "p90_ms": 28.0,
        "p95_ms": 29.0,
        "p99_ms": pytest.approx(29.8),
        "cache_lookups": 3,
        "cache_hits": 1,
        "cache_misses": 2,
        "cache_evictions": 1,
        "cache_average_ttl_s": 60.0,
        "cache_ttl_count": 1,
        "mean_confidence": 0.9,
        "confidence_count": 3,
        "failures_by_type": (
            '{"most_frequent":[{"name":"Timeout","count":1}],"other":0,"unnamed":0}'
        ),
        "trend": None,
        "exemplars": ('[{"id":"op-1","success":false,"duration_ms":20.0,"error_type":"Timeout"}]'),
        "flags": [],
    }
    assert figures(entries) == {
        "success_rate": Decimal("66.6667"),
        "error_rate": Decimal("33.3333"),
        "response_time": Decimal(20),
        "response_time_p50": Decimal(20),
        "response_time_p95": Decimal(29),
        "response_time_p99": Decimal("29.8"),
        "cache_hit_rate": Decimal("33.3333"),
        "cache_miss_rate": Decimal("66.6667"),
        "cache_eviction_rate": Decimal("33.3333"),
        "cache_average_ttl": Decimal(60),
        "throughput": Decimal("0.0008"),
    }


def test_a_figure_says_what_it_is_about_beside_its_columns():
    record = changed(window(), series__platform="lever")
    rows = of(tables.PERFORMANCE_METRICS, entries_of_aggregate(record[1]))
    by_metric = {row["metric_type"]: row for row in rows}
    row = by_metric["success_rate"]
    assert row["id"] == id_of("success_rate", "lever", "parse", f"1h/{START_MS}")
    assert (row["platform"], row["measurement_window"]) == ("lever", "1h")
    assert row["measured_at"] == END.replace(tzinfo=None)
    assert json.loads(row["additional_data"]) == {
        "operation": "parse",
        "breakdown": {"Timeout": 1},
        "window_start": "2026-03-02T00:00:00Z",
        "revision": 3,
        "sample_size": 3,
    }
    of_ttl = json.loads(by_metric["cache_average_ttl"]["additional_data"])
    assert of_ttl["sample_size"] == 1
    assert len({row["id"] for row in rows}) == len(rows) == 11


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (window(final=False), "it changes"),
        (window(size="1m"), "the table has no minutes"),
        (changed(window(), series__confidence="high"), "its rows would look like those of all"),
    ],
)
def test_a_window_that_the_specified_table_has_no_place_for_is_a_row_of_ours_alone(
    record: tuple[bytes, bytes], why: str
):
    assert [entry.table for entry in entries_of_aggregate(record[1])] == [tables.WINDOWS], why


def test_what_nothing_is_known_of_makes_no_figure():
    unknown = {
        "cache": {
            "lookups": 0, "hits": 0, "misses": 0, "hit_rate": None, "miss_rate": None,
            "evictions": 0, "eviction_rate": None, "average_ttl_s": None, "ttl_count": 0,
        }
    }  # fmt: skip
    found = figures(entries_of_aggregate(changed(window(), **unknown)[1]))
    assert not [metric for metric in found if metric.startswith("cache")]
    assert len(found) == 7


@pytest.mark.parametrize(
    ("p95", "stored", "flags"),
    [
        (999_999.75, Decimal("999999.75"), None),
        (1_000_000.0, Decimal("999999.9999"), ["value_clamped"]),
        (1e300, Decimal("999999.9999"), ["value_clamped"]),
    ],
)
def test_a_figure_beyond_its_column_is_clamped_and_stands_whole_beside_it(
    p95: float, stored: Decimal, flags: list[str] | None
):
    record = changed(window(), duration_ms__p95=p95)
    entries = entries_of_aggregate(record[1])
    assert figures(entries)["response_time_p95"] == stored
    (row,) = [
        row
        for row in of(tables.PERFORMANCE_METRICS, entries)
        if row["metric_type"] == "response_time_p95"
    ]
    data = json.loads(row["additional_data"])
    assert data.get("flags") == flags
    assert data.get("value") == (p95 if flags else None)
    assert of(tables.WINDOWS, entries)[0]["p95_ms"] == p95


def test_a_long_platform_is_cut_to_its_column_and_stands_whole_beside_it():
    platform = "p" * 60
    entries = entries_of_aggregate(changed(window(), series__platform=platform)[1])
    for row in of(tables.PERFORMANCE_METRICS, entries):
        data = json.loads(row["additional_data"])
        assert (len(row["platform"]), data["platform"]) == (50, platform)
        assert data["flags"] == ["platform_cut"]


def test_figures_of_other_windows_have_other_ids():
    records = [
        window(),
        window(start_ms=START_MS + HOUR_MS),
        window(size="5m"),
        window("fetch"),
        changed(window(), series__platform="lever"),
        changed(window(), series__platform="parse"),
    ]
    rows = [
        row
        for record in records
        for row in of(tables.PERFORMANCE_METRICS, entries_of_aggregate(record[1]))
    ]
    assert len({row["id"] for row in rows}) == len(rows)
    again = of(tables.PERFORMANCE_METRICS, entries_of_aggregate(window(failures=3)[1]))
    assert {row["id"] for row in again} <= {row["id"] for row in rows}
