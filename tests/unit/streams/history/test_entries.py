"""A record becomes the rows that a person would write of it, whatever it holds."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from schemas.aggregates import Aggregate, QualityAggregate, ServiceAggregate
from schemas.calibration import CalibrationAggregate
from schemas.dead_letters import DeadLetter, to_headers
from streams.history import record_tables, tables
from streams.history.aggregates import Unreadable, entries_of_aggregate
from streams.history.fitting import id_of
from streams.history.records import (
    entries_of_breach,
    entries_of_command,
    entries_of_dead_letter,
    entries_of_label,
    entries_of_notification,
    entries_of_score,
)
from streams.history.tables import Entry
from streams.measure.digests import centroid_count
from tests.history_records import START_MS, breach, changed, window

HOUR_MS = 3_600_000
START = datetime(2026, 3, 2, tzinfo=UTC)
END = datetime(2026, 3, 2, 1, tzinfo=UTC)
WINDOW = {"size": "1h", "start_ms": START_MS, "end_ms": START_MS + HOUR_MS}
DIGEST = {"n": 3, "centroids": [{"m": 0.5, "c": 1}, {"m": 1.0, "c": 2}]}
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


def test_the_samples_are_what_workers_publish():
    Aggregate.model_validate_json(window()[1])
    for model, fields in (
        (QualityAggregate, SCORES),
        (ServiceAggregate, SERVICE),
        (CalibrationAggregate, CALIBRATION | {"confidence": ESTIMATE}),
    ):
        model.model_validate_json(json.dumps(fields))


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


SCORE = {
    "version": 1,
    "analysis": "a-1",
    "service": "api",
    "operation": "analyze",
    "platform": "lever",
    "model": "small",
    "occurred_at": START_MS,
    "overall": 0.5,
    "dimensions": {
        "accuracy": {
            "score": 0.5,
            "weight": 1.0,
            "findings": [],
            "assessor": "accuracy/1",
            "took_ms": 0.5,
        }
    },
    "left_out": [{"dimension": "consistency", "why": "nothing_to_judge", "detail": ""}],
    "actions": ["reanalyse"],
    "configuration": "c1",
    "took_ms": 1.5,
    "source": [3, 2**40],
    "remediates": None,
}


def test_a_score_is_a_row_that_a_repeat_replaces():
    (entry,) = entries_of_score(encoded(SCORE))
    (row,) = of(record_tables.QUALITY_SCORES, [entry])
    assert row == {
        "analysis": "a-1",
        "service": "api",
        "operation": "analyze",
        "platform": "lever",
        "model": "small",
        "occurred_at": START,
        "overall": 0.5,
        "dimensions": json.dumps(SCORE["dimensions"]),
        "left_out": json.dumps(SCORE["left_out"]),
        "actions": ["reanalyse"],
        "configuration": "c1",
        "took_ms": 1.5,
        "source_partition": 3,
        "source_offset": 2**40,
        "remediates": None,
        "flags": [],
    }
    assert entry.rank == ()


@pytest.mark.parametrize(
    ("truth", "stored", "flags"),
    [
        (b'"ghost"', '"ghost"', []),
        (b'["a", 1]', '["a", 1]', []),
        (b"null", "null", []),
        (b'"null"', '"null"', []),
        (b"NaN", "null", ["truth_cleaned"]),
        (b"1e999", "null", ["truth_cleaned"]),
        (b'"NaN"', '"NaN"', []),
        (b'"\\u0000"', '"�"', ["truth_cleaned"]),
    ],
)
def test_a_label_is_a_row_whose_truth_is_json(truth: bytes, stored: str, flags: list[str]):
    fields = {"input_hash": "h", "about": "title", "source": "ada", "at": START_MS}
    value = encoded(fields, truth="HERE").replace(b'"HERE"', truth)
    (entry,) = entries_of_label(value)
    (row,) = of(record_tables.LABELS, [entry])
    assert (row["truth"], row["flags"]) == (stored, flags)
    assert (row["analysis"], row["input_hash"], row["about"]) == (None, "h", "title")
    assert row["id"] == id_of(None, "h", "title", "ada")
    assert entry.rank == (START,)


def test_labels_about_the_same_thing_from_the_same_source_are_one_row():
    fields = {"analysis": "a", "truth": 1, "at": START_MS}
    same = [fields, fields | {"truth": 2}, fields | {"at": START_MS + 1, "verified": True}]
    assert len({entries_of_label(encoded(each))[0].values[0] for each in same}) == 1
    other = [
        fields,
        fields | {"about": "title"},
        fields | {"source": "bob"},
        fields | {"analysis": "b"},
        {"input_hash": "a", "truth": 1, "at": START_MS},
    ]
    assert len({entries_of_label(encoded(each))[0].values[0] for each in other}) == len(other)


def test_a_breach_is_a_row_of_its_latest_revision():
    fields = breach(revision=2, resolved_ms=START_MS + 120_000, threshold=95.0, observed=None)
    (entry,) = entries_of_breach(encoded(fields))
    (row,) = of(record_tables.ALERTS, [entry])
    assert entry.rank == (2,)
    assert json.loads(row["labels"]) == {"operation": "parse"}
    assert json.loads(row["routing"]) == {
        "channels": ["slack"], "cooldown_ms": 0, "escalation": []
    }  # fmt: skip
    assert (row["span_start_at"], row["span_end_at"]) == (START, START.replace(minute=1))
    assert (row["since_at"], row["opened_at"]) == (START, START.replace(minute=1))
    assert row["resolved_at"] == START.replace(minute=2)
    assert (row["threshold"], row["observed"], row["samples"]) == (95.0, None, 100)
    assert (row["confirmed"], row["judged"], row["stale"]) == (True, True, False)
    assert row["flags"] == []


ACKNOWLEDGE = {
    "kind": "acknowledge",
    "id": "command-1",
    "by": "ada",
    "at_ms": START_MS,
    "comment": "on it",
    "fingerprint": "f1",
    "breach_id": "episode-1",
}


def test_an_acknowledgement_is_a_row_of_its_alert_and_other_commands_are_none():
    (entry,) = entries_of_command(encoded(ACKNOWLEDGE))
    assert of(record_tables.ACKNOWLEDGEMENTS, [entry]) == [
        {
            "alert": "episode-1",
            "fingerprint": "f1",
            "command": "command-1",
            "by": "ada",
            "at": START,
            "comment": "on it",
            "flags": [],
        }
    ]
    assert entry.rank == (START,)
    assert record_tables.ACKNOWLEDGEMENTS.keeps_first
    test = {"kind": "test_channel", "id": "c", "by": "ada", "at_ms": START_MS, "channel": "slack"}
    assert entries_of_command(encoded(test)) == []


def test_a_decision_is_a_row_with_its_cause():
    decision = {
        "id": "d-1",
        "fingerprint": "f1",
        "breach_id": "episode-1",
        "rule": "parse-errors",
        "series": "parse",
        "severity": "high",
        "channel": "slack",
        "event": "opened",
        "reason": "retry",
        "sentence": "Slack is \x00 away.",
        "until_ms": START_MS + 1_000,
        "delivery": "d",
        "parcel": "b",
        "attempt": 2**40,
        "answer": "503",
        "gave_up": None,
        "now_ms": START_MS,
        "cause": {"kind": "tick"},
    }
    (row,) = of(record_tables.NOTIFICATIONS, entries_of_notification(encoded(decision)))
    assert (row["id"], row["alert"], row["batch"]) == ("d-1", "episode-1", "b")
    assert (row["reason"], row["event"], row["channel"]) == ("retry", "opened", "slack")
    assert (row["decided_at"], row["until_at"]) == (START, START.replace(second=1))
    assert json.loads(row["cause"])["kind"] == "tick"
    assert (row["sentence"], row["attempt"]) == ("Slack is � away.", 2**31 - 1)
    assert row["flags"] == ["sentence_cleaned", "attempt_clamped"]


def test_a_dead_letter_is_a_row_with_its_bytes_and_a_repeat_has_the_same_id():
    letter = DeadLetter(
        reason="invalid_json",
        detail="no",
        topic="operations",
        partition=1,
        offset=2,
        index=3,
        timestamp_ms=START_MS,
        size_bytes=2,
        sha256="0" * 64,
        truncated=True,
    )
    (row,) = of(record_tables.DEAD_LETTERS, entries_of_dead_letter(b"\x00\xff", to_headers(letter)))
    assert row == {
        "id": id_of("operations/1/2/3"),
        "key": "operations/1/2/3",
        "reason": "invalid_json",
        "detail": "no",
        "topic": "operations",
        "partition": 1,
        "offset": 2,
        "last_offset": None,
        "index": 3,
        "delivery": None,
        "refused_at": START,
        "size_bytes": 2,
        "sha256": "0" * 64,
        "truncated": True,
        "value": b"\x00\xff",
        "flags": [],
    }


@pytest.mark.parametrize(
    "headers",
    [[], [("reason", b"invalid_json")], [("offset", b"x")], [("offset", b"1" * 5_000)]],
)
def test_headers_that_are_no_dead_letters_are_unreadable(headers: list[tuple[str, bytes]]):
    with pytest.raises(Unreadable):
        entries_of_dead_letter(b"", headers)


@pytest.mark.parametrize(
    "entries_of",
    [
        entries_of_score,
        entries_of_label,
        entries_of_breach,
        entries_of_command,
        entries_of_notification,
        entries_of_aggregate,
    ],
)
@pytest.mark.parametrize(
    "value", [b"", b"null", b"{}", b"[]", b"\xff", b'{"version": 1}', b"[" * 100_000]
)
def test_what_is_no_record_of_the_topic_is_unreadable_and_says_why(entries_of: Any, value: bytes):
    with pytest.raises(Unreadable, match=r"\w"):
        entries_of(value)
