"""A record costs time by its bytes, whatever is in it: small CPU steps, one dead letter."""

import json
import time
from typing import NamedTuple

import pytest

from streams.long_work import finish
from streams.measure.arrays import NotArray, TooMany, elements_of, is_deeper
from streams.measure.operation_reader import decode, reading_events
from streams.measure.window_times import TimeLimits
from streams.record_limits import MAX_ELEMENTS, MAX_NESTING, MAX_RECORD_BYTES

NOW_MS = 1_790_000_000_000
LIMITS = TimeLimits(3_600_000, 60_000)
#: CPU seconds; a quiet machine needs a tenth.
STEP_S, RECORD_S = 0.4, 2.0


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes | None


def operation(**fields):
    good = {"id": "a", "operation": "parse", "occurred_at": NOW_MS, "success": True}
    return json.dumps(good | {"duration_ms": 1.5} | fields).encode()


def beside(name, value):
    """Return an operation with one more field."""
    return operation()[:-1] + b',"' + name + b'":' + value + b"}"


def filled(start, unit, end):
    """Return as many units as a record may have."""
    return start + unit * ((MAX_RECORD_BYTES - len(start) - len(end)) // len(unit)) + end


OPEN = b"[" * 2_000_000
#: Values, and how many of their operations count and are refused.
HOSTILE = {
    "empty objects": (filled(b"[", b"{},", b"{}]"), 0, 1),
    "numbers": (filled(b"[", b"1,", b"1]"), 0, 1),
    "empty texts": (filled(b"[", b'"",', b'""]'), 0, 1),
    "good operations": (filled(b"[", operation() + b",", operation() + b"]"), 0, 1),
    "good operations and NaN": (filled(b"[", operation() + b",", b"NaN]"), 0, 1),
    "open brackets": (OPEN, 0, 1),
    "open pairs": (b"[{" * 2_000_000, 0, 1),
    "deep object": (b'{"a":' * 800_000, 0, 1),
    "deep and closed": (b"[" + OPEN[:-1] + b"]" * 2_000_000, 0, 1),
    "deep aside": (beside(b"z", OPEN + b"]" * 2_000_000), 0, 1),
    "escapes aside": (beside(b"z", b'"' + b'\\"' * 2_000_000 + b'"'), 1, 0),
    "surrogates": (beside(b"z", b'"' + b"\\ud800" * 690_000 + b'"'), 0, 1),
    "long digits aside": (beside(b"z", b"9" * 4_000_000), 1, 0),
    "long time": (beside(b"occurred_at", b"9" * 4_000_000), 0, 1),
    "long duration": (beside(b"duration_ms", b"9" * 4_000_000), 0, 1),
    "long exponent": (beside(b"duration_ms", b"1e" + b"9" * 4_000_000), 0, 1),
    "small exponent": (beside(b"duration_ms", b"1e-" + b"9" * 4_000_000), 1, 0),
    "a field again and again": (filled(operation()[:-1], b',"id":"b"', b"}"), 1, 0),
    "a number for a text again and again": (filled(operation()[:-1], b',"id":1', b"}"), 1, 0),
    "a wrong field again and again": (filled(operation()[:-1], b',"success":1', b"}"), 0, 1),
    "unknown fields": (
        operation(success=1)[:-1] + b"".join(b',"k%d":1' % i for i in range(300_000)) + b"}",
        0,
        1,
    ),
    "an object for a text": (
        beside(b"error_type", b"{" + b",".join(b'"k%d":1' % i for i in range(300_000)) + b"}"),
        1,
        0,
    ),
    "an array for a text": (beside(b"error_type", b"[" + b"1," * 1_900_000 + b"1]"), 1, 0),
    "a long text": (operation(error_message="x" * 4_000_000), 1, 0),
    "a long name": (operation(operation="x" * 4_000_000), 0, 1),
    "a long name of controls": (beside(b"operation", b'"' + b"\\u0001" * 600_000 + b'"'), 0, 1),
    "a long date": (operation(occurred_at="2" * 4_000_000), 0, 1),
    "a date and more": (operation(occurred_at="2026-01-01T00:00:00" + "x" * 4_000_000), 0, 1),
    "blanks": (b" " * (MAX_RECORD_BYTES - 1) + b"1", 0, 1),
    "blanks and a bracket": (b" " * (MAX_RECORD_BYTES - 1) + b"[", 0, 1),
    "quotes": (b"[" + b'"' * (MAX_RECORD_BYTES - 1), 0, 1),
    "backslashes": (b"[" + b"\\" * (MAX_RECORD_BYTES - 1), 0, 1),
    "minus signs": (b"-" * MAX_RECORD_BYTES, 0, 1),
    "zero bytes": (b"\0" * MAX_RECORD_BYTES, 0, 1),
    "no utf-8": (b"\xff" * MAX_RECORD_BYTES, 0, 1),
    "too old": (b"[" + b",".join([operation(occurred_at=5)] * 10_000) + b"]", 0, 10_000),
    "refused one by one": (b"[" + b"{}," * (MAX_ELEMENTS - 1) + b"{}]", 0, MAX_ELEMENTS),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_record_costs_time_by_its_bytes_and_is_refused_once(name):
    value, counted, refusals = HOSTILE[name]
    assert len(value) <= MAX_RECORD_BYTES
    good = [Record(0, NOW_MS, operation()), Record(2, NOW_MS, operation())]
    steps = reading_events([good[0], Record(1, NOW_MS, value), good[1]], LIMITS)
    began = at = time.process_time()
    longest = 0.0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            events, refused = done.value
            break
        longest, at = max(longest, time.process_time() - at), time.process_time()
    assert max(longest, time.process_time() - at) < STEP_S
    assert time.process_time() - began < RECORD_S
    assert len(events.operations) == 2 + counted
    assert len(refused) == refusals
    assert all(one.record.offset == 1 for one in refused)
    assert all(len(one.detail) <= 400 for one in refused)


def test_an_array_has_a_limit_that_is_named():
    elements = [operation(id=str(i)) for i in range(MAX_ELEMENTS + 1)]
    most = Record(0, NOW_MS, b"[" + b",".join(elements[1:]) + b"]")
    more = Record(1, NOW_MS, b"[" + b",".join(elements) + b"]")
    operations, _, refused = decode([most, more])
    assert len(operations) == MAX_ELEMENTS
    assert [(one.index, one.reason) for one in refused] == [(None, "too_large")]
    assert str(MAX_ELEMENTS) in refused[0].detail


@pytest.mark.parametrize("beside_a_bad_one", [False, True])
def test_nesting_has_a_limit_that_does_not_depend_on_neighbours(beside_a_bad_one):
    deep = [b"[" * depth + b"]" * depth for depth in (MAX_NESTING - 1, MAX_NESTING)]
    records = [Record(i, NOW_MS, beside(b"z", one)) for i, one in enumerate(deep)]
    records.append(Record(2, NOW_MS, b"[" + beside(b"z", deep[0]) + b"," + operation() + b"]"))
    if beside_a_bad_one:
        records.append(Record(3, NOW_MS, b"{}"))
    operations, _, refused = decode(records)
    assert len(operations) == 3
    assert [(one.record.offset, one.reason) for one in refused][:1] == [(1, "invalid_json")]
    assert str(MAX_NESTING) in refused[0].detail
    assert len(refused) == 1 + beside_a_bad_one


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        (b"[]", []),
        (b" [ \n] ", []),
        (b"[1]", [b"1"]),
        (b"[NaN , [1,2] ]", [b"NaN", b"[1,2]"]),
        (b'["a\\"]","\\\\",{"b":[",",{}]}]', [b'"a\\"]"', b'"\\\\"', b'{"b":[",",{}]}']),
        (b"[" + b"x" * 300_000 + b',"' + b"]" * 300_000 + b'"]', None),
    ],
)
def test_an_array_is_cut_at_its_own_commas(value, elements):
    found = finish(elements_of(value, 10))
    assert found == elements if elements is not None else len(found) == 2


@pytest.mark.parametrize(
    "value", [b"", b"1", b"{}", b"[", b"[1", b"[1}", b"{1]", b"[1,]", b"[,1]", b"[1]]", b"[1] x"]
)
def test_what_is_no_array_is_told_apart(value):
    with pytest.raises(NotArray):
        finish(elements_of(value, 10))


def test_too_many_elements_are_told_without_looking_at_all():
    with pytest.raises(TooMany):
        finish(elements_of(b"[" + b"1," * 10 + b"1]", 10))
    with pytest.raises(TooMany):
        finish(elements_of(b"[" + b"1," * 1_000_000, 10))
    assert len(finish(elements_of(b"[" + b"1," * 9 + b"1]", 10))) == 10


def test_depth_is_that_of_brackets_outside_texts():
    assert not finish(is_deeper(b"[" * 200 + b"]" * 200, 200))
    assert finish(is_deeper(b"[" * 201, 200))
    assert not finish(is_deeper(b'["' + b"[" * 1000 + b'"]', 200))
    assert not finish(is_deeper(b"[" + b"{}," * 1000, 200))
