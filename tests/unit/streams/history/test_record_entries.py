"""A record beside the windows becomes the row that a person would write of it."""

import json
from typing import Any

import pytest

from schemas.dead_letters import DeadLetter, to_headers
from streams.history import record_tables
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
from tests.history_records import START_MS, breach
from tests.unit.streams.history.entries import (
    START,
    encoded,
    of,
)

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
        "channels": ["slack"], "cooldown_ms": 0, "escalation": [],
        "mute_time_intervals": {}, "active_time_intervals": {},
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
