"""Hold the fast structs to the pydantic models, which stay the authority.

Where they differ on purpose: the struct takes a time as a datetime (the caller makes it epoch
milliseconds) and does not look at the pattern of names (the caller checks the distinct ones). So
what the model accepts the struct accepts, or cannot decode at all and the model judges it; and what
the struct accepts with good names and a whole-number time the model accepts, with equal values.
"""

import json
import re
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.aggregates import Aggregate
from schemas.fast_structs import struct_of
from schemas.operations import (
    FIRST_MS,
    MAX_DURATION_MS,
    MAX_EPOCH_MS,
    NAME_PATTERN,
    Operation,
    epoch_ms,
)
from tests.effort import examples
from tests.unit.cli.samples import aggregate

FAST: msgspec.json.Decoder[Any] = msgspec.json.Decoder(struct_of(Operation))
FIELDS = list(Operation.model_fields)
GOOD: dict[str, Any] = {
    "id": "a",
    "operation": "parse_job_data",
    "occurred_at": 1_772_600_760_000,
    "success": True,
    "duration_ms": 12.5,
}

texts = st.text(max_size=140)
edges = st.sampled_from(
    [
        -1, 0, 1, 2, 0.5, 1.0, 1.0000001, -0.0, 1e9, 1e9 + 1, 10**9, 10**9 + 1, MAX_DURATION_MS,
        MAX_DURATION_MS * 1.001, MAX_EPOCH_MS, MAX_EPOCH_MS + 1, 2**63, 2**64, 10**30, 1e308, "",
        "*", "**", "a*", "*a", "a\n", "\x00", "\x7f", "hit", "miss", "HIT", "a" * 128, "a" * 129,
        "é" * 128, "1", "true", True, False, None, [], {}, [1], {"a": 1},
    ]
)  # fmt: skip
times = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(datetime.isoformat)  # noqa: DTZ001 - without an offset on purpose
anything = edges | texts | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | times

good_names = st.from_regex(re.compile(NAME_PATTERN), fullmatch=True).filter(lambda n: len(n) <= 128)
good = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=128),
        "operation": good_names,
        "occurred_at": st.integers(FIRST_MS, MAX_EPOCH_MS) | times,
        "success": st.booleans(),
        "duration_ms": st.floats(0, MAX_DURATION_MS) | st.integers(0, int(MAX_DURATION_MS)),
    },
    optional={
        "version": st.just(1),
        "platform": good_names,
        "confidence": st.none() | st.floats(0, 1) | st.integers(0, 1),
        "cache": st.sampled_from(["hit", "miss", None]),
        "cache_ttl_s": st.none() | st.floats(0, 1e9),
        "cache_evictions": st.none() | st.integers(0, 10**9),
        "error_type": st.none() | texts,
        "error_message": st.none() | texts,
        "service": st.none() | texts,
        "trace_id": st.none() | texts,
        "unknown": edges,
    },
)
spoilt = st.builds(
    lambda body, name, value, drop: (
        {key: other for key, other in body.items() if key != name} if drop else body | {name: value}
    ),
    good,
    st.sampled_from(FIELDS),
    anything,
    st.booleans(),
)


def fast(text: bytes) -> Any:
    """Return the struct, or None where it refuses."""
    try:
        return FAST.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def model(text: bytes) -> Operation | None:
    """Return the model, or None where it refuses."""
    try:
        return Operation.model_validate_json(text)
    except ValidationError:
        return None


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def values(struct: Any) -> dict[str, Any]:
    """Return what the struct holds, as the model would have it."""
    found = {name: getattr(struct, name) for name in FIELDS}
    if isinstance(found["occurred_at"], datetime):
        found["occurred_at"] = epoch_ms(found["occurred_at"])
    return found


def names_are_good(struct: Any) -> bool:
    return all(re.fullmatch(NAME_PATTERN, name) for name in (struct.operation, struct.platform))


@settings(max_examples=examples(150))
@given(good)
@example(GOOD)
@example(GOOD | {"occurred_at": "2026-03-04T05:06:07.123456+05:30"})
def test_what_the_model_accepts_the_struct_accepts_with_equal_values(body: dict[str, Any]):
    text = encoded(body)
    accepted, struct = model(text), fast(text)
    assert accepted is not None
    assert struct is not None
    assert values(struct) == accepted.model_dump()


@settings(max_examples=examples(400))
@given(good | spoilt | st.dictionaries(st.sampled_from(FIELDS), anything) | anything)
def test_what_the_struct_accepts_the_model_accepts_with_equal_values(body: Any):
    text = encoded(body)
    struct = fast(text)
    if struct is None or not names_are_good(struct) or isinstance(struct.occurred_at, datetime):
        return
    accepted = model(text)
    assert accepted is not None
    assert values(struct) == accepted.model_dump()


@given(st.binary(max_size=200) | good.map(encoded).map(lambda text: text[:-1]))
@example(b"")
@example(b'{"id":"\xff"}')
@example(b"NaN")
@example(encoded(GOOD)[:-1] + b',"duration_ms":NaN}')
@example(encoded(GOOD)[:-1] + b',"duration_ms":1e999}')
def test_bytes_that_are_no_operation_are_refused_by_both(text: bytes):
    if model(text) is None:
        struct = fast(text)
        assert struct is None or not names_are_good(struct)


@pytest.mark.parametrize("field", ["operation", "platform"])
@pytest.mark.parametrize("name", ["*", "a\nb", "\x7f", "\x00"])
def test_the_spelling_of_names_is_left_to_the_caller(field: str, name: str):
    text = encoded(GOOD | {field: name})
    assert model(text) is None
    assert not names_are_good(fast(text))


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-04T05:06:07.1239Z", 1_772_600_767_123),
        ("2026-03-04T05:06:07", 1_772_600_767_000),
        ("2026-03-04T05:06:07+01:00", 1_772_597_167_000),
    ],
)
def test_a_time_as_text_is_the_same_moment_either_way(text: str, milliseconds: int):
    body = encoded(GOOD | {"occurred_at": text})
    accepted, struct = model(body), fast(body)
    assert accepted is not None
    assert accepted.occurred_at == values(struct)["occurred_at"] == milliseconds


@pytest.mark.parametrize("text", ["20260304T050607Z", "2026-03-04", "2026-W10-3T05:06Z"])
def test_rarer_spellings_of_a_time_are_left_to_the_model(text: str):
    body = encoded(GOOD | {"occurred_at": text})
    assert model(body) is not None
    assert fast(body) is None


def test_an_aggregate_reads_the_same_either_way():
    whole = aggregate("a", platform="lever", size="1h", verdict="stable")
    struct: Any = msgspec.json.decode(whole.model_dump_json(), type=struct_of(Aggregate))
    plain = msgspec.to_builtins(struct)
    assert plain == whole.model_dump()
