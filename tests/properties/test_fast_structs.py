"""Structs made from the models accept only what the models accept, and read it alike."""

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.analyses import Analysis
from schemas.fast_structs import struct_of
from schemas.operations import Operation, epoch_ms
from schemas.partials import Partials, PartialsRecord, Progress
from streams.measure.operation_reader import decode
from streams.measure.window_times import TimeLimits
from streams.quality.analyses import read_analysis
from streams.record_limits import RefusedRecord
from tests.effort import examples
from tests.properties.worlds import MONDAY_MS, Record, operation
from tests.unit.streams.analysis_samples import SampleRecord

JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just("x" * 129)
    | st.just("ab\n")
    | st.just("*")
    | st.just("*a")
    | st.just([])
    | st.just({})
)
TIMES = (
    st.integers(-5, MONDAY_MS * 2)
    | st.datetimes().map(lambda when: when.isoformat(timespec="milliseconds"))
    | st.datetimes().map(lambda when: when.isoformat(timespec="milliseconds") + "+05:30")
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=130) | JUNK,
        "operation": st.text(max_size=5) | JUNK,
        "platform": st.text(max_size=130) | JUNK,
        "occurred_at": TIMES | JUNK,
        "success": st.booleans() | JUNK,
        "duration_ms": st.floats(0, 1e10) | st.integers(0, 10**11) | JUNK,
        "confidence": st.none() | st.floats(0, 1) | JUNK,
        "cache": st.sampled_from(["hit", "miss", None, "HIT"]) | JUNK,
        "cache_ttl_s": st.none() | st.floats(0, 1e9) | JUNK,
        "cache_evictions": st.none() | st.integers(0, 10**9) | JUNK,
        "error_type": st.none() | st.text(max_size=5) | JUNK,
        "version": st.sampled_from([1, 2, "1"]),
        "unknown": JUNK,
    },
)


@settings(max_examples=examples(150))
@given(FIELDS)
def test_decode_judges_an_operation_as_its_model_does(fields):
    value = json.dumps(operation() | fields).encode()
    try:
        model = Operation.model_validate_json(value)
    except ValidationError:
        model = None
    (read, _, refused) = decode([Record(0, 0, value)])
    assert len(read) + len(refused) == 1
    before_1970 = bool(read) and not isinstance(read[0].occurred_at, int)
    if read and model is None:
        assert before_1970  # the age is judged next, and refuses it
        assert epoch_ms(read[0].occurred_at) < 0
    assert (model is None) <= (before_1970 or not read)
    if model is not None:
        assert read, value
        for name in type(read[0]).__struct_fields__:
            told = getattr(read[0], name)
            if name == "occurred_at" and not isinstance(told, int):
                told = epoch_ms(told)
            assert told == getattr(model, name)


ANALYSIS: dict[str, Any] = {
    "id": "a",
    "service": "s",
    "operation": "analyze_job",
    "platform": "lever",
    "model": "m",
    "occurred_at": MONDAY_MS,
    "input": {"hash": "h", "text": "t", "is_excerpt": False, "url": "u", "facts": {"f": 1}},
    "result": {
        "label": "l",
        "score": 0.5,
        "confidence": 1,
        "field_confidence": {"f": 0.5},
        "fields": {"f": [1, {"g": None}]},
        "evidence": [{"quote": "q", "field": "f"}],
        "factors": [{"description": "d", "direction": "raises", "weight": 1}],
        "notes": "n",
    },
    "duration_ms": 1.5,
    "tokens": 7,
    "attempt": 1,
    "errors": ["e"],
    "degraded": ["d"],
    "cached": None,
}
VALUES = JUNK | st.sampled_from(
    [
        *("x" * 5_000, "é" * 100, "raises", "2026-03-04T05:06:07Z", 10**400, 2**64, -0.0, 1e308),
        *({"": 1}, {"k" * 101: 1}, {"f": 0.5}, {str(i): 0 for i in range(101)}, [0] * 51),
    ]
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each object or array of a value with each of its keys."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@settings(max_examples=examples(200))
@given(st.data())
def test_an_analysis_is_read_fast_as_its_model_reads_it(data):
    analysis = copy.deepcopy(ANALYSIS)
    for _ in range(data.draw(st.integers(0, 2))):
        holder, key = data.draw(st.sampled_from(list(places(analysis))))
        if data.draw(st.booleans()) or isinstance(holder, list):
            holder[key] = data.draw(VALUES)
        else:
            del holder[key]
    value = json.dumps(analysis).encode()
    found = read_analysis(SampleRecord(0, MONDAY_MS, b"h", value), TimeLimits(10**15, 10**15))
    try:
        model = Analysis.model_validate_json(value)
    except ValidationError:
        assert isinstance(found, RefusedRecord)
        return
    if model.input.hash != "h":
        assert found.reason == "wrong_key"
    elif not isinstance(found, Analysis):
        both = msgspec.to_builtins(found), model.model_dump()
        fast, slow = (json.dumps(fields, sort_keys=True) for fields in both)
        assert fast == slow


def test_what_is_usual_is_read_by_the_fast_reader():
    record = SampleRecord(0, MONDAY_MS, b"h", json.dumps(ANALYSIS).encode())
    found = read_analysis(record, TimeLimits(10**15, 10**15))
    assert not isinstance(found, Analysis | RefusedRecord)


@pytest.mark.parametrize("field", sorted(set(Operation.model_fields) - {"version"}))
def test_a_struct_has_the_models_bounds(field):
    read = msgspec.json.Decoder(struct_of(Operation)).decode
    numbers = {"duration_ms": 1e10, "confidence": 1, "cache_ttl_s": 1e9, "cache_evictions": 10**9}
    if field in numbers:
        for good, bad in ((0, -1), (numbers[field], math.nextafter(numbers[field], math.inf))):
            bad = int(numbers[field]) + 1 if field == "cache_evictions" and bad > 0 else bad
            read(json.dumps(operation() | {field: good}))
            with pytest.raises(msgspec.ValidationError):
                read(json.dumps(operation() | {field: bad}))
    elif field in ("id", "operation", "platform"):
        read(json.dumps(operation() | {field: "x" * 128}))
        for bad in ("", "x" * 129):
            with pytest.raises(msgspec.ValidationError):
                read(json.dumps(operation() | {field: bad}))


def test_required_fields_are_required_of_both():
    read = msgspec.json.Decoder(struct_of(Operation)).decode
    for name, info in Operation.model_fields.items():
        without = {key: value for key, value in operation().items() if key != name}
        if info.is_required():
            with pytest.raises(msgspec.ValidationError):
                read(json.dumps(without))
        else:
            assert getattr(read(json.dumps(without)), name) == info.default


def test_partials_written_by_the_struct_are_read_by_the_model_and_back():
    stats = [[1, 1, 1500, *[0] * 7], 2.25, 1.5, 1.5, "AAAAgD8=", [[False, 1.5, "a", None]]]
    wire = {"kind": "rows", "source": 3, "block": 7, "rows": [["*", 5, 9, stats]]}
    told = msgspec.json.decode(json.dumps(wire), type=struct_of(Partials) | struct_of(Progress))
    assert isinstance(told, struct_of(Partials))
    assert told.rows[0].stats.digest == b"\0\0\0\x80?"
    model = PartialsRecord.model_validate_json(msgspec.json.encode(told)).root
    assert isinstance(model, Partials)
    assert model.rows == told.rows
    again = msgspec.json.decode(model.model_dump_json(), type=struct_of(Partials))
    assert again == told
    progress = msgspec.json.decode(
        b'{"kind":"progress","sources":"BQ==","at_ms":2}',
        type=struct_of(Partials) | struct_of(Progress),
    )
    assert (progress.sources, progress.at_ms) == (b"\x05", 2)
    assert (progress.newest_ms, progress.quiet_ms) == (None, 0)
