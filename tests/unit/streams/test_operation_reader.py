import json
from typing import NamedTuple

import pytest

from streams.measure.operation_reader import decode, original_of, read_events
from streams.measure.window_times import TimeLimits
from streams.record_limits import MAX_RECORD_BYTES


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes | None


NOW_MS = 1_790_000_000_000
GOOD = {
    "id": "a",
    "operation": "parse",
    "occurred_at": NOW_MS,
    "success": True,
    "duration_ms": 1.5,
}


def packed(**fields):
    return json.dumps(GOOD | fields).encode()


def array(*elements):
    return b"[" + b",".join(elements) + b"]"


def judged(value, *, neighbours=True):
    """Decode a value between two good records; return what it gave and how it was refused."""
    records = [Record(7, NOW_MS, packed(id="before")), Record(8, NOW_MS, value)]
    if neighbours:
        records.append(Record(9, NOW_MS, packed(id="after")))
    operations, places, refused = decode(records)
    ids = [operation.id for operation in operations]
    assert ids[0] == "before"
    assert ids[-1] == "after" or not neighbours
    if places is not None:
        assert len(places) == len(operations)
        assert places[0] == (0, None)
    assert all(one.record.offset == 8 for one in refused)
    return ids[1 : len(ids) - neighbours], refused


DEEP = b"[" * 100_000 + b"]" * 100_000
BAD = {
    "not json": (b"hello", "invalid_json"),
    "empty": (b"", "invalid_json"),
    "truncated": (packed()[:-1], "invalid_json"),
    "trailing": (packed() + b"x", "invalid_json"),
    "byte order mark": (b"\xef\xbb\xbf" + packed(), "invalid_json"),
    "a number": (b"5", "invalid_operation"),
    "null": (b"null", "invalid_operation"),
    "a text": (b'"x"', "invalid_operation"),
    "nan": (packed(duration_ms=float("nan")), "invalid_operation"),
    "infinity": (packed(confidence=float("inf")), "invalid_operation"),
    "a number too large": (packed().replace(b"1.5", b"1e400"), "invalid_operation"),
    "a huge integer": (packed(cache_evictions=10**400), "invalid_operation"),
    "a huge time": (packed(occurred_at=10**400), "invalid_operation"),
    "a negative duration": (packed(duration_ms=-1), "invalid_operation"),
    "nanoseconds": (packed(duration_ms=1e11), "invalid_operation"),
    "a text for a number": (packed(duration_ms="1.5"), "invalid_operation"),
    "a number for a truth": (packed(success=1), "invalid_operation"),
    "a missing field": (packed().replace(b'"id"', b'"di"'), "invalid_operation"),
    "a null name": (packed(operation=None), "invalid_operation"),
    "the name of all": (packed(operation="*"), "invalid_operation"),
    "a line end": (packed(platform="lever\n"), "invalid_operation"),
    "a control character": (packed(platform="a\x00b"), "invalid_operation"),
    "a long name": (packed(operation="x" * 129), "invalid_operation"),
    "a lone surrogate": (packed(id="Q").replace(b"Q", b"\\ud800"), "invalid_json"),
    "invalid utf-8": (packed(id="Q").replace(b"Q", b"\xff\xfe"), "invalid_json"),
    "deep nesting": (b'{"a":' + DEEP + b"}", "invalid_json"),
    "deep nesting aside": (packed(z=0).replace(b'"z": 0', b'"z":' + DEEP), "invalid_json"),
    "a date": (packed(occurred_at="yesterday"), "invalid_operation"),
    "a version of tomorrow": (packed(version=2), "invalid_operation"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_refused_once_and_its_neighbours_count(name):
    value, reason = BAD[name]
    ids, refused = judged(value)
    assert ids == []
    assert [(one.index, one.reason, one.value) for one in refused] == [(None, reason, value)]
    assert refused[0].detail


@pytest.mark.parametrize("name", sorted(set(BAD) - {"empty", "truncated", "trailing"}))
def test_a_bad_element_is_refused_by_its_index_and_its_neighbours_count(name):
    value, _ = BAD[name]
    record = array(packed(id="x"), value, b" " + packed(id="y"))
    ids, refused = judged(record)
    assert ids == ["x", "y"]
    assert [(one.index, one.value) for one in refused] == [(1, value)]
    assert original_of(Record(8, 0, record))[1] == value


@pytest.mark.parametrize(
    "value",
    [
        array(packed(), packed())[:-1],
        array(packed(duration_ms=float("nan")))[:-1],
        array(packed(), b"", packed()),
        array(packed(), b"NaN") + b"]",
        array(packed(), b"NaN") + b" x",
        b"[{]}",
        b"[NaN}",
        b'[NaN, "never ends',
        b'[NaN, "never ends\\',
        b'["' + b'\\"' * 100_000,
        b"[" * 200_000,
    ],
)
def test_a_broken_array_is_refused_as_a_whole(value):
    ids, refused = judged(value)
    assert ids == []
    assert [(one.index, one.reason, one.value) for one in refused] == [
        (None, "invalid_json", value)
    ]


def test_signs_inside_texts_cut_no_element():
    tricky = packed(id='a,]}[{"\\', duration_ms=2)
    ids, refused = judged(array(tricky, b"NaN", tricky))
    assert ids == ['a,]}[{"\\'] * 2
    assert [one.index for one in refused] == [1]


def test_null_empty_array_and_too_large_have_their_own_reasons():
    large = packed(error_message="x" * MAX_RECORD_BYTES)
    for value, reason in ((None, "null_value"), (b" [ ] ", "empty_array"), (large, "too_large")):
        ids, refused = judged(value)
        assert ids == []
        assert [(one.index, one.reason) for one in refused] == [(None, reason)]
        assert refused[0].value == (value or b"")
    assert judged(b" " * (MAX_RECORD_BYTES - len(packed(id="x"))) + packed(id="x"))[0] == ["x"]


def test_arrays_and_single_operations_keep_the_logs_order_and_places():
    records = [
        Record(0, 0, packed(id="a")),
        Record(1, 0, array(packed(id="b"), packed(id="c"))),
        Record(2, 0, packed(id="d")),
    ]
    operations, places, refused = decode(records)
    assert [operation.id for operation in operations] == ["a", "b", "c", "d"]
    assert places == [(0, None), (1, 0), (1, 1), (2, None)]
    assert refused == []
    with_bad = decode([*records, Record(3, 0, b"x")])
    assert (with_bad.operations, with_bad.places) == (operations, places)
    assert decode(records[:1]).places is None


def test_mistakes_are_told_by_field_and_not_all_of_them():
    value = json.dumps({"id": "", "operation": 5, "occurred_at": "x", "success": 2}).encode()
    (_, refused) = judged(value)
    assert refused[0].detail.count(";") == 2
    assert refused[0].detail.startswith("id: ")


def test_unknown_fields_and_nulls_are_fine():
    ids, refused = judged(packed(id="x", new=[1, {"a": None}], error_type=None, cache=None))
    assert (ids, refused) == (["x"], [])


LIMITS = TimeLimits(lateness_ms=3_600_000, future_ms=60_000)


@pytest.mark.parametrize(
    ("occurred_at", "when_ms"),
    [
        (NOW_MS, NOW_MS),
        ("2026-09-21T14:13:20Z", NOW_MS),
        ("2026-09-21T14:13:20", NOW_MS),
        ("2026-09-21T16:13:20.123456+02:00", NOW_MS + 123),
        ("2026-09-21T16:13:20.999999+02:00", NOW_MS + 999),
        ("2026-09-21 14:13:20.5-00:00", NOW_MS + 500),
        ("20260921T141320Z", NOW_MS),
        (NOW_MS - 3_600_000, NOW_MS - 3_600_000),
        (NOW_MS + 60_000, NOW_MS + 60_000),
    ],
)
def test_a_time_is_epoch_milliseconds_or_iso(occurred_at, when_ms):
    for other in (NOW_MS, "2026-09-21T14:13:20Z"):
        records = [
            Record(0, NOW_MS, packed(occurred_at=occurred_at)),
            Record(1, NOW_MS, packed(occurred_at=other)),
        ]
        events, refused = read_events(records, LIMITS)
        assert events.when_ms.tolist() == [when_ms, NOW_MS]
        assert refused == []


@pytest.mark.parametrize(
    ("occurred_at", "reason"),
    [
        (NOW_MS - 3_600_001, "too_old"),
        (0, "too_old"),
        ("1970-01-01", "too_old"),
        ("1960-01-01T00:00:00Z", "too_old"),
        (NOW_MS + 60_001, "from_future"),
        ("2100-01-01T00:00:00Z", "from_future"),
    ],
)
def test_what_is_too_old_or_from_the_future_is_judged_by_its_record(occurred_at, reason):
    bad, good = packed(id="bad", occurred_at=occurred_at), packed(id="good")
    events, refused = read_events(
        [Record(3, NOW_MS, good), Record(4, NOW_MS, bad), Record(5, NOW_MS, good)], LIMITS
    )
    assert events.offset.tolist() == [3, 5]
    assert events.stamp_ms.tolist() == [NOW_MS, NOW_MS]
    assert [operation.id for operation in events.operations] == ["good", "good"]
    assert [(one.record.offset, one.index, one.reason, one.value) for one in refused] == [
        (4, None, reason, bad)
    ]
    assert " ms " in refused[0].detail
    events, refused = read_events([Record(3, NOW_MS, array(good, bad, good))], LIMITS)
    assert events.offset.tolist() == [3, 3]
    assert [(one.index, one.reason, one.value) for one in refused] == [(1, reason, bad)]


def test_the_bounds_of_age_count_also_beside_a_refused_neighbour():
    times = (NOW_MS - 3_600_000, NOW_MS + 60_000, 0)
    records = [Record(i, NOW_MS, packed(occurred_at=at)) for i, at in enumerate(times)]
    events, refused = read_events(records, LIMITS)
    assert events.offset.tolist() == [0, 1]
    assert [one.record.offset for one in refused] == [2]


def test_the_age_told_is_the_distance_to_the_record():
    records = [
        Record(0, NOW_MS, packed(occurred_at=NOW_MS - 4_000_000)),
        Record(1, NOW_MS, packed(occurred_at=NOW_MS + 70_000)),
    ]
    _, refused = read_events(records, LIMITS)
    assert [one.detail for one in refused] == [
        "happened 4000000 ms before its record's timestamp",
        "happens 70000 ms after its record's timestamp",
    ]


def test_a_chunk_of_refused_records_has_no_events():
    events, refused = read_events([Record(0, NOW_MS, b"x"), Record(1, NOW_MS, None)], LIMITS)
    assert len(events.offset) == len(events.when_ms) == len(events.operations) == 0
    assert [one.reason for one in refused] == ["invalid_json", "null_value"]
    assert read_events([], LIMITS)[1] == []
