"""A window becomes the rows that a person would write of it, whatever it holds."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from schemas.aggregates import Aggregate, QualityAggregate, ServiceAggregate
from schemas.calibration import CalibrationAggregate
from streams.history import tables
from streams.history.aggregates import Unreadable, entries_of_aggregate
from tests.history_records import START_MS, changed, window
from tests.unit.streams.history.entries import (
    DIGEST,
    END,
    START,
    WINDOW,
    encoded,
    figures,
    of,
)

ESTIMATE = {"count": 0, "bins": [], "expected_calibration_error": None, "brier_score": None}
SCORES = {
    "version": 1,
    "kind": "quality",
    "series": {"dimension": "accuracy", "operation": "analyze", "platform": None, "model": None},
    "window": WINDOW,
    "revision": 3,
    "final": True,
    "count": 3,
    "mean": 0.8333,
    "min": 0.5,
    "max": 1.0,
    "std_dev": 0.2,
    "p5": 0.5,
    "p50": 1.0,
    "good": 2,
    "acceptable": 2,
    "below_good": 0.3333,
    "below_acceptable": 0.3333,
    "trend": None,
    "exemplars": [{"id": "a-1", "score": 0.5, "finding": "invented_quote"}],
    "findings": {"most_frequent": [{"name": "c", "count": 1}], "other": 0, "unnamed": 0},
    "actions": [],
    "configurations": ["c1"],
    "digest": DIGEST,
}
SERVICE = {
    "version": 1,
    "kind": "service",
    "series": {"service": "api"},
    "window": WINDOW,
    "revision": 9,
    "final": True,
    "status": "down",
    "since_ms": START_MS + 1_800_000,
    "silent": True,
    "last_beat_ms": None,
    "every_s": 10.0,
    "message": "over\x00loaded",
    "up_ms": 1_200_000,
    "degraded_ms": 600_000,
    "down_ms": 600_000,
    "unknown_ms": 1_200_000,
    "uptime": 0.75,
    "forgotten": False,
}
CALIBRATION = {
    "version": 1,
    "kind": "calibration",
    "series": {"service": "api", "operation": "analyze", "model": "small"},
    "window": WINDOW,
    "revision": 12,
    "final": False,
    "count": 4,
    "right": 3,
    "accuracy": 0.75,
    "confidence": ESTIMATE,
    "overall": ESTIMATE | {"brier_score": 0.1},
}


def test_the_samples_are_what_workers_publish():
    Aggregate.model_validate_json(window()[1])
    for model, fields in (
        (QualityAggregate, SCORES),
        (ServiceAggregate, SERVICE),
        (CalibrationAggregate, CALIBRATION | {"confidence": ESTIMATE}),
    ):
        model.model_validate_json(json.dumps(fields))


def test_a_window_of_scores_is_a_row_and_one_figure():
    entries = entries_of_aggregate(encoded(SCORES))
    (row,) = of(tables.QUALITY_WINDOWS, entries)
    assert (row["series"], row["mean"], row["good"]) == ("accuracy:analyze", 0.8333, 2)
    assert json.loads(row["exemplars"]) == SCORES["exemplars"]
    assert json.loads(row["findings"]) == SCORES["findings"]
    assert (row["actions"], row["configurations"], row["trend"]) == ("[]", ["c1"], None)
    assert figures(entries) == {"quality_accuracy": Decimal("83.33")}
    (figure,) = of(tables.PERFORMANCE_METRICS, entries)
    data = json.loads(figure["additional_data"])
    assert (data["breakdown"], data["sample_size"]) == ({"good": 2, "acceptable": 2}, 3)
    of_model = encoded(SCORES, series=SCORES["series"] | {"model": "small"})
    (row,) = of(tables.QUALITY_WINDOWS, entries_of_aggregate(of_model))
    assert row["series"] == 'accuracy:analyze{model="small"}'
    assert figures(entries_of_aggregate(of_model)) == {}


def test_a_window_of_a_service_is_a_row_and_its_uptime_of_the_time_that_is_known():
    entries = entries_of_aggregate(encoded(SERVICE))
    (row,) = of(tables.SERVICES, entries)
    assert row == {
        "service": "api",
        "size": "1h",
        "start_at": START,
        "end_at": END,
        "revision": 9,
        "final": True,
        "status": "down",
        "since_at": datetime(2026, 3, 2, 0, 30, tzinfo=UTC),
        "silent": True,
        "last_beat_at": None,
        "every_s": 10.0,
        "message": "over�loaded",
        "up_ms": 1_200_000,
        "degraded_ms": 600_000,
        "down_ms": 600_000,
        "unknown_ms": 1_200_000,
        "uptime": 0.75,
        "forgotten": False,
        "flags": ["message_cleaned"],
    }
    assert figures(entries) == {"uptime": Decimal(75)}
    (figure,) = of(tables.PERFORMANCE_METRICS, entries)
    data = json.loads(figure["additional_data"])
    assert (data["service"], data["sample_size"]) == ("api", 2_400_000)
    assert figures(entries_of_aggregate(encoded(SERVICE, uptime=None))) == {}
    assert figures(entries_of_aggregate(encoded(SERVICE, final=False))) == {}


def test_a_window_of_calibration_is_a_row_with_its_bins_as_they_are():
    (entry,) = entries_of_aggregate(encoded(CALIBRATION))
    (row,) = of(tables.CALIBRATIONS, [entry])
    assert (row["service"], row["operation"], row["model"]) == ("api", "analyze", "small")
    assert (row["count"], row["right_count"], row["accuracy"]) == (4, 3, 0.75)
    assert json.loads(row["overall"]) == CALIBRATION["overall"]
    assert entry.rank == (12, False)


def test_of_two_revisions_the_later_has_the_larger_rank_and_a_final_one_stands():
    ranks = [
        entries_of_aggregate(record[1])[0].rank
        for record in (
            window(durations=(10.0,) * 8),
            window(durations=(10.0,) * 9, final=False),
            window(durations=(10.0,) * 9),
            window(durations=(10.0,) * 10, final=False),
        )
    ]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 4


def _with_raw(path: str, raw: bytes) -> bytes:
    """Return a window's revision with these bytes as a field's value."""
    value = json.loads(window()[1]) | {path: "HERE"}
    return json.dumps(value).encode().replace(b'"HERE"', raw)


HOSTILE = [
    b"5",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    '"é"'.encode(),
    b'{"most_frequent":5}',
    b'{"most_frequent":null}',
    b'{"most_frequent":[{}]}',
    b'{"most_frequent":[{"name":[],"count":1}]}',
    b'{"most_frequent":[{"name":"a","count":"b"}],"other":0,"unnamed":0}',
    b'{"centroids":[{"m":null,"c":1}]}',
    b'{"n":1,"centroids":[{"m":1e400,"c":1}]}',
    b"1e999999",
    b"1" * 5_000,
    b'"\\u0000"',
    b"[" * 300 + b'"\\u0000"' + b"]" * 300,
    b"[" * 700 + b'"\\u0000"' + b"]" * 700,
    b"[" * 5_000 + b"]" * 5_000,
]


@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("field", ["failures_by_type", "trend", "exemplars", "digest"])
def test_whatever_stands_in_a_field_that_stays_json_it_is_stored_or_unreadable(
    field: str, raw: bytes
):
    try:
        entries = entries_of_aggregate(_with_raw(field, raw))
    except Unreadable:
        return
    (row,) = of(tables.WINDOWS, entries)
    for name in ("failures_by_type", "trend", "exemplars"):
        if row[name] is not None:
            json.loads(row[name], parse_constant=pytest.fail, parse_int=_has_digits)
            assert "\\u0000" not in row[name]


def _has_digits(digits: str) -> None:
    assert len(digits) < 1_000


@pytest.mark.parametrize(
    "fields",
    [
        {"window__end_ms": START_MS},
        {"window__end_ms": START_MS - 1},
        {"window__size": "1m"},
        {"count": 10**400},
        {"success_rate": 1.5},
        {"series__operation": None},
        {"kind": "nothing"},
    ],
)
def test_what_is_no_window_is_unreadable(fields: dict[str, Any]):
    with pytest.raises(Unreadable):
        entries_of_aggregate(changed(window(), **fields)[1])
