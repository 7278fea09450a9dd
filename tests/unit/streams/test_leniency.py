"""A record is refused only for what decides a count; the refusal speaks of what was sent."""

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.analyses import Analysis
from schemas.heartbeats import Heartbeat
from schemas.labels import Label
from schemas.operations import Operation
from schemas.received import Received
from streams.measure.operation_reader import decode, read_events, times_of
from streams.measure.window_times import TimeLimits
from streams.record_limits import RefusedRecord

NOW_MS = 1_790_000_000_000
GOOD: dict[str, Any] = {
    "id": "a",
    "operation": "parse",
    "occurred_at": NOW_MS,
    "success": True,
    "duration_ms": 1.5,
}


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes


def read(**fields: Any) -> Any:
    """Return the operation, alone and beside others, or the refusal."""
    value = json.dumps(GOOD | fields).encode()
    plain = json.dumps(GOOD).encode()
    operations, _, refused = decode([Record(0, NOW_MS, value)])
    beside = decode([Record(0, NOW_MS, b"[" + plain + b"," + value + b"]")])
    assert [bool(refused), len(operations)] == [bool(beside.refused), len(beside.operations) - 1]
    return refused[0] if refused else operations[0]


@pytest.mark.parametrize(
    ("field", "sent", "means"),
    [
        ("version", None, 1),
        ("version", 1.0, 1),
        ("platform", None, "generic"),
        ("confidence", None, None),
        ("cache", "HIT", "hit"),
        ("cache", "Miss", "miss"),
        ("cache", "BYPASS", None),
        ("cache", "stale", None),
        ("cache", "", None),
        ("cache", True, None),
        ("cache", {"a": 1}, None),
        ("cache_evictions", 3.0, 3),
        ("id", 17, "17"),
        ("id", 20240101123456789012345, "20240101123456789012345"),
        ("trace_id", 17, "17"),
        ("trace_id", 1.5, "1.5"),
        ("error_type", 503, "503"),
        ("error_type", False, "false"),
        ("error_message", {"code": [1, "ü"]}, '{"code":[1,"ü"]}'),
        ("service", 7, "7"),
        ("duration_ms", -0.003, 0),
        ("duration_ms", -0.999, 0),
        ("duration_ms", 3, 3),
        ("occurred_at", 1_790_000_000_000.0, NOW_MS),
        ("occurred_at", 1_790_000_000_000.9, NOW_MS),
        ("occurred_at", 1_790_000_000, NOW_MS),
        ("occurred_at", 1_790_000_000.0, NOW_MS),
        ("occurred_at", 1_790_000_000.25, NOW_MS + 250),
        ("occurred_at", 99_999_999_999, 99_999_999_999_000),
        ("occurred_at", 100_000_000_000, 100_000_000_000),
    ],
)
def test_what_has_one_meaning_has_it(field: str, sent: object, means: object):
    operation = read(**{field: sent})
    assert not isinstance(operation, RefusedRecord), operation
    assert getattr(operation, field) == means
    assert type(getattr(operation, field)) is not bool


@pytest.mark.parametrize(
    ("field", "sent", "says"),
    [
        ("occurred_at", "1790000000000", '"1790000000000" looks like milliseconds in quotes'),
        ("occurred_at", "1790000000", '"1790000000" looks like seconds in quotes'),
        ("occurred_at", "yesterday", 'not an ISO 8601 time, not "yesterday"'),
        ("occurred_at", None, "should be a valid integer, not null"),
        ("occurred_at", True, "not true"),
        ("occurred_at", -5, "should be greater than or equal to 0"),
        ("duration_ms", "1.5", '"1.5" looks like a number in quotes'),
        ("duration_ms", None, "should be a valid number, not null"),
        ("duration_ms", -1, "should be greater than or equal to 0, not -1"),
        ("duration_ms", 1e11, "not 100000000000.0"),
        ("success", "true", '"true" looks like a truth value in quotes'),
        ("success", 1, "should be a valid boolean, not 1"),
        ("success", "x" * 100, 'not "' + "x" * 38 + "…"),
        ("confidence", 7, "should be less than or equal to 1, not 7"),
        ("confidence", "0.5", '"0.5" looks like a number in quotes'),
        ("operation", None, "should be a valid string, not null"),
        ("operation", 5, "should be a valid string, not 5"),
        ("operation", "*", 'should be neither * nor have control characters, not "*"'),
        ("platform", "a\nb", 'not "a\\nb"'),
        ("cache_evictions", 3.5, "not 3.5"),
        ("cache_evictions", 10**4000, "not a number with this many digits"),
        ("id", None, "should be a valid string, not null"),
        ("id", "", 'should have at least 1 character, not ""'),
        ("version", 2, "should be 1, not 2"),
    ],
)
def test_a_refusal_speaks_of_what_was_sent(field: str, sent: object, says: str):
    refused = read(**{field: sent})
    assert isinstance(refused, RefusedRecord), refused
    assert refused.reason == "invalid_operation"
    assert refused.detail.startswith(f"{field}: ")
    assert says in refused.detail


def test_a_missing_field_is_named():
    refused = times_of(b'{"id":"a"}')
    assert isinstance(refused, RefusedRecord)
    assert refused.detail == ("operation: is missing; occurred_at: is missing; success: is missing")


def test_seconds_count_in_their_window_beside_milliseconds():
    records = [
        Record(i, NOW_MS, json.dumps(GOOD | {"occurred_at": at}).encode())
        for i, at in enumerate((NOW_MS, NOW_MS // 1000, "2026-09-21T14:13:20Z", NOW_MS / 1000))
    ]
    events, refused = read_events(records, TimeLimits(1, 1))
    assert refused == []
    assert events.when_ms.tolist() == [NOW_MS] * 4


MODELS: list[type[Received]] = [Operation, Heartbeat, Analysis, Label]
SENT: dict[type[Received], dict[str, Any]] = {
    Operation: GOOD,
    Heartbeat: {"service": "s", "sent_at": NOW_MS},
    Analysis: {
        "id": "a", "service": "s", "operation": "o", "occurred_at": NOW_MS, "duration_ms": 1,
        "input": {"hash": "h", "is_excerpt": None, "facts": None},
        "result": {"evidence": None, "fields": {"title": None}, "factors": None},
    },
    Label: {"analysis": "a", "truth": "x", "at": NOW_MS},
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_null_is_absent_wherever_a_default_exists(model: type[Received]):
    sent = SENT[model]
    optional = [name for name, it in model.model_fields.items() if not it.is_required()]
    plain = model.model_validate_json(json.dumps(sent))
    for name in set(optional) - sent.keys():
        read = model.model_validate_json(json.dumps(sent | {name: None}))
        assert read == plain, name
    for name, it in model.model_fields.items():
        if it.is_required() and name != "truth":
            with pytest.raises(ValueError, match=name):
                model.model_validate_json(json.dumps(sent | {name: None}))


DESCRIPTIVE = ("id", "error_type", "error_message", "service", "trace_id")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(DESCRIPTIVE[1:]), ANYTHING)
def test_no_description_refuses_an_operation(field: str, sent: object):
    operation = read(**{field: sent})
    assert not isinstance(operation, RefusedRecord), operation
    text = getattr(operation, field)
    assert text is None if sent is None else isinstance(text, str)


@given(ANYTHING)
def test_no_answer_of_a_cache_refuses_an_operation(sent: object):
    operation = read(cache=sent)
    assert not isinstance(operation, RefusedRecord), operation
    assert operation.cache in (None, "hit", "miss")


@given(st.sampled_from(sorted(Operation.model_fields)), ANYTHING)
def test_any_value_counts_or_is_refused_in_a_short_sentence(field: str, sent: object):
    found = read(**{field: sent})
    if isinstance(found, RefusedRecord):
        assert 0 < len(found.detail) <= 400
        assert found.detail.startswith(field)
