import io
import json
import math
from typing import Any

import pytest

from agents.replay.encodings import in_utf8
from agents.replay.formats import recording
from agents.replay.playback import ReplayPlan
from agents.replay.recorded_lines import InvalidLine, RecordedOperations, TimeSpan
from agents.replay.recordings import RecordingReader

WHEN_MS = 1_772_600_760_000
GOOD: dict[str, Any] = {
    "id": "a",
    "operation": "parse",
    "occurred_at": WHEN_MS,
    "success": True,
    "duration_ms": 1.5,
}


def read(
    text: str | bytes, kind: str = "jsonl", *mappings: str
) -> list[RecordedOperations | InvalidLine]:
    raw = text if isinstance(text, bytes) else text.encode()
    file, encoding = in_utf8(io.BytesIO(raw), None)
    return list(RecordingReader(recording(kind, mappings), "file.csv", encoding).read(file))


def body(each: RecordedOperations | InvalidLine, moved_by_ms: int = 0) -> Any:
    assert isinstance(each, RecordedOperations), each
    return json.loads(each.moved(moved_by_ms))


def test_a_line_that_is_not_moved_keeps_its_bytes():
    text = json.dumps(GOOD | {"unknown": [1]}, indent=None).replace(",", " ,  ")
    (one,) = read(text + "\n")
    assert one == RecordedOperations(WHEN_MS, text.encode(), 1)
    assert one.moved(0) == text.encode()


def test_a_moved_line_changes_its_time_alone():
    (one,) = read(json.dumps(GOOD | {"unknown": {"x": 1}}))
    assert body(one, 1000) == GOOD | {"unknown": {"x": 1}, "occurred_at": WHEN_MS + 1000}


def test_a_time_as_text_is_moved_to_epoch_milliseconds():
    (one,) = read(json.dumps(GOOD | {"occurred_at": "2026-03-04T05:06:00Z"}))
    assert body(one, 5)["occurred_at"] == WHEN_MS + 5


def test_an_array_is_one_record_and_keeps_its_distances():
    later = GOOD | {"occurred_at": "2026-03-04T05:06:02Z", "id": "b"}
    (one,) = read(json.dumps([GOOD, later]))
    assert isinstance(one, RecordedOperations)
    assert one.when_ms == WHEN_MS + 2000
    assert [each["occurred_at"] for each in body(one, 10)] == [WHEN_MS + 10, WHEN_MS + 2010]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Invalid JSON"),
        ("[]", "an array without operations"),
        ("7", "should be"),
        (json.dumps(GOOD | {"operation": "*"}), "operation: should be neither *"),
        (json.dumps(GOOD | {"duration_ms": -1}), "duration_ms: should be greater"),
        (json.dumps([GOOD, GOOD | {"id": ""}]), "element 1: id: String should have at least 1"),
        (json.dumps(GOOD | {"error_message": "x" * 1_000_000}), "bytes are too many for a record"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_its_neighbours_stay(line: str, why: str):
    good = json.dumps(GOOD)
    first, bad, last = read(f"{good}\n\n{line}\n{good}")
    assert isinstance(first, RecordedOperations)
    assert isinstance(last, RecordedOperations)
    assert isinstance(bad, InvalidLine)
    assert bad.number == 3
    assert why in bad.why


def test_bad_names_are_refused_however_often_good_ones_passed():
    lines = "\n".join(json.dumps(GOOD | {"platform": name}) for name in ("a", "*", "a", "*"))
    assert [type(each) for each in read(lines)] == [
        RecordedOperations,
        InvalidLine,
        RecordedOperations,
        InvalidLine,
    ]


def test_keys_of_json_are_mapped_too():
    line = {name: value for name, value in GOOD.items() if name != "duration_ms"} | {"took": 3}
    (one,) = read(json.dumps([line]), "jsonl", "took=duration_ms")
    assert body(one)[0]["duration_ms"] == 3
    (bad,) = read("{", "jsonl", "took=duration_ms")
    assert isinstance(bad, InvalidLine)


def test_csv_cells_become_what_the_fields_are():
    text = (
        "\ufeffid,operation,occurred_at,success,duration_ms,cache,cache_evictions,confidence,other\r\n"
        'x,"a ""b"", c",1772600760000,TRUE,12,MISS,3,0.5,kept\r\n'
        "y,parse,2026-03-04T05:06:00+00:00,0,1e3,,,,\r\n"
    )
    first, second = read(text, "csv")
    assert body(first) == {
        "id": "x",
        "operation": 'a "b", c',
        "occurred_at": WHEN_MS,
        "success": True,
        "duration_ms": 12,
        "cache": "miss",
        "cache_evictions": 3,
        "confidence": 0.5,
        "other": "kept",
    }
    assert body(second)["success"] is False
    assert body(second)["duration_ms"] == 1000.0


def test_csv_without_an_id_is_named_by_its_line():
    text = f"operation,occurred_at,success,duration_ms\nparse,{WHEN_MS},1,1\nparse,{WHEN_MS},1,1\n"
    assert [body(each)["id"] for each in read(text, "csv")] == ["file.csv:2", "file.csv:3"]


def test_a_csv_cell_that_does_not_fit_is_judged_by_the_schema():
    text = f"operation,occurred_at,success,duration_ms\nparse,{WHEN_MS},perhaps,fast\n"
    (bad,) = read(text, "csv")
    assert isinstance(bad, InvalidLine)
    assert bad.why.startswith('success: should be a valid boolean, not "perhaps"')


def test_what_is_read_is_counted_for_the_progress_bar():
    raw = f"{json.dumps(GOOD)}\n{{}}\n".encode()
    lines = RecordingReader(recording("jsonl", ()), "x")
    assert len(list(lines.read(io.BytesIO(raw)))) == 2
    assert lines.consumed == len(raw)


def test_the_extent_leaves_the_file_at_its_start():
    rows = "\n".join(json.dumps(GOOD | {"occurred_at": WHEN_MS + n}) for n in (5, 0, 9))
    file = io.BytesIO(rows.encode())
    assert RecordingReader(recording("jsonl", ()), "x").span_of(file) == TimeSpan(
        WHEN_MS, WHEN_MS + 9
    )
    assert file.tell() == 0
    assert RecordingReader(recording("jsonl", ()), "x").span_of(io.BytesIO(b"{}")) is None


@pytest.mark.parametrize(
    ("plan", "moved_by_ms"),
    [
        (ReplayPlan(1, as_recorded=True, span=TimeSpan(0, 100)), 0),
        (ReplayPlan(1, as_recorded=False, span=None), 10_000),  # the first is now
        (ReplayPlan(1, as_recorded=False, span=TimeSpan(0, 100)), 10_000),  # each is now
        (
            ReplayPlan(10, as_recorded=False, span=TimeSpan(0, 100)),
            10_000 + 10 - 100,
        ),  # the last is
        (ReplayPlan(math.inf, as_recorded=False, span=TimeSpan(0, 100)), 10_000 - 100),
    ],
)
def test_the_last_operation_is_now_when_it_is_sent(plan: ReplayPlan, moved_by_ms: int):
    assert plan.moved_by_ms(first_ms=0, now_ms=10_000) == moved_by_ms
