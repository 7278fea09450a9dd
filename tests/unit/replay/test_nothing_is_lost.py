"""Whatever a file holds, each line is published, or left out with its number and the reason."""

import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.replay.encodings import UnusableFile, in_utf8
from agents.replay.formats import guessed, recording
from agents.replay.recorded_lines import InvalidLine, RecordedOperations
from agents.replay.recordings import RecordingReader
from tests.unit.replay.samples import GOOD, WHEN_MS, read

HEADINGS = "operation,platform,occurred_at,success,duration_ms\n"
ROW = f"parse,lever,{WHEN_MS},true,1.5\n"


def bodies(raw: bytes, kind: str, *mappings: str, encoding: str | None = None) -> list[Any]:
    lines, _ = read(raw, kind, *mappings, encoding=encoding)
    return [json.loads(line.moved(1)) if line[0] > 10**6 else line for line in lines]


# ------------------------------------------------------------------ the kinds of faults


def test_nan_beside_the_known_fields_costs_nothing():
    text = b"\n".join(
        json.dumps(GOOD | {"id": str(i)} | ({"score": math.nan} if i == 2 else {})).encode()
        for i in (1, 2, 3)
    )
    assert [body["id"] for body in bodies(text, "jsonl")] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"trace_id": 20240101123456789012345}, 20240101123456789012345),
        ({"trace_id": 2**63}, 2**63),
        ({"trace_id": -(10**40)}, -(10**40)),
        ({"trace_id": "20240101123456789012345"}, "20240101123456789012345"),
        ({"trace_id": 0.1}, 0.1),
    ],
)
@pytest.mark.parametrize("is_array", [False, True])
def test_a_number_of_many_digits_keeps_them(fields: dict[str, Any], kept: Any, *, is_array: bool):
    line = GOOD | fields
    (body,) = bodies(json.dumps([line] if is_array else line).encode(), "jsonl")
    assert (body[0] if is_array else body)["trace_id"] == kept


def test_a_version_of_23_digits_is_a_bad_row_and_its_neighbours_stay():
    text = (
        "operation,occurred_at,success,duration_ms,version\nparse,1790000000000,true,1.5,\n"
        "parse,1790000000001,true,1.5,20240101123456789012345\nparse,1790000000002,true,1.5,\n"
    )
    first, bad, last = read(text.encode(), "csv")[0]
    assert isinstance(first, RecordedOperations)
    assert isinstance(last, RecordedOperations)
    assert bad.number == 3
    assert bad.why.startswith("version: ")


def test_whole_seconds_keep_their_distances_and_are_said():
    text = HEADINGS.replace("platform,", "") + "".join(
        f"parse,{second},true,1.5\n" for second in (1790000000, 1790001800, 1790003600)
    )
    lines, reader = read(text.encode(), "csv")
    assert [line.when_ms for line in lines] == [WHEN_MS, WHEN_MS + 1_800_000, WHEN_MS + 3_600_000]
    assert reader.in_seconds == 3


@pytest.mark.parametrize(
    "encoding", ["cp1252", "latin-1", "utf-16", "utf-8-sig", "utf-16-le", "utf-32"]
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_encoding_is_seen_or_named(encoding: str, kind: str):
    text = HEADINGS + ROW.replace("lever", "Münster")
    if kind == "jsonl":
        text = json.dumps(GOOD | {"platform": "Münster"}, ensure_ascii=False) + "\n"
    raw = text.encode(encoding)
    named = encoding if encoding in ("cp1252", "latin-1") else None
    (body,) = bodies(raw, kind, encoding=named)
    assert body["platform"] == "Münster"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "access:request_time"])
def test_a_byte_of_another_encoding_is_a_bad_line_and_no_question_mark(kind: str):
    text = HEADINGS + ROW.replace("lever", "M\xfcnster") + ROW
    if kind == "jsonl":
        text = "\n" + json.dumps(GOOD | {"platform": "M\xfc"}, ensure_ascii=False) + "\n"
        text += json.dumps(GOOD) + "\n"
    elif kind != "csv":
        line = '::1 - - [10/Oct/2000:13:55:36 +0000] "GET /{} HTTP/1.1" 200 1 "-" "-" 1\n'
        text = "\n" + line.format("M\xfc") + line.format("x")
    bad, good = read(text.encode("cp1252"), kind)[0]
    assert isinstance(good, RecordedOperations)
    assert bad.number == 2
    assert "0xFC" in bad.why or "utf-8" in bad.why.lower()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x1f\x8b\x08\x00", "compressed"),
        ("a".encode("utf-16")[:-1], "not utf-16"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_says_why(raw: bytes, why: str):
    with pytest.raises(UnusableFile, match=why):
        in_utf8(io.BytesIO(raw), None)


@pytest.mark.parametrize(
    ("headings", "why"),
    [(b"a,b,a\n", "'a'"), (b"a,b\rc,d\re,f", "CR"), (b"a,\xff\n", "0xFF"), (b'"a\n', "headings")],
)
def test_headings_that_lose_a_column_stop_the_file(headings: bytes, why: str):
    with pytest.raises(UnusableFile, match=why):
        read(headings, "csv")


@pytest.mark.parametrize(
    ("separator", "written", "duration_ms"),
    [
        (";", "1,5", 1.5),
        (";", "1.234,5", 1234.5),
        (";", "1.5", 1.5),
        ("\t", "1.5", 1.5),
        ("|", "1.5", 1.5),
        (",", "1e3", 1000.0),
        (",", " 7 ", 7),
    ],
)
def test_a_separator_and_its_decimal_point_are_seen(
    separator: str, written: str, duration_ms: float
):
    text = (HEADINGS + ROW).replace(",", separator).replace("1.5\n", f"{written}\n")
    (body,) = bodies(text.encode(), "csv")
    assert body["duration_ms"] == duration_ms
    assert body["platform"] == "lever"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("parse,lever,1790000000000,true,1,5", "6 cells, but 5 headings"),
        (
            'parse,lever,1790000000000,true,"1,5"',
            'duration_ms: should be a valid number, not "1',
        ),
        ("parse,lever,1790000000000,true,1_000", 'not "1_000"'),
        ("parse,lever,1790000000000,true,nan", 'not "nan"'),
        ("parse,lever,1790000000000,true,inf", 'not "inf"'),
        ("parse,lever,1790000000000,true,1e400", 'not "1e400"'),
        ("parse,lever,1790000000000,true,²", 'not "²"'),
        ("parse,lever,1790000000000,true", "duration_ms: is missing"),
        (
            "parse,lever,1790000000000,perhaps,1",
            'should be a valid boolean, not "perhaps"',
        ),
        ("parse,lever,27.11.2026 08:00,true,1", "occurred_at: not an ISO 8601 time"),
        (f"parse,lever,{10**30},true,1", "occurred_at: "),
        ('parse,"lever"x,1790000000000,true,1', "not CSV"),
    ],
)
def test_a_row_with_another_meaning_than_it_seems_is_left_out(row: str, why: str):
    good, bad, last = read(f"{HEADINGS}{ROW}{row}\n{ROW}".encode(), "csv")[0]
    assert isinstance(good, RecordedOperations)
    assert isinstance(last, RecordedOperations)
    assert (bad.number, why in bad.why) == (3, True), bad


def test_a_quote_that_nobody_closed_names_the_lines_that_it_took():
    text = f'{HEADINGS}{ROW}parse,"lever,1,true,1\n{ROW}{ROW}'
    good, bad = read(text.encode(), "csv")[0]
    assert isinstance(good, RecordedOperations)
    assert bad.why.startswith("lines 3 to 5: not CSV")


@pytest.mark.parametrize("cell", ["", "-", "nan", "NaN", "NULL", "None", "n/a", "\\N"])
def test_a_cell_for_nothing_is_nothing_where_a_number_may_be_absent(cell: str):
    text = f"{HEADINGS[:-1]},confidence,cache_evictions\n{ROW[:-1]},{cell},{cell}\n"
    (body,) = bodies(text.encode(), "csv")
    assert body.keys().isdisjoint({"confidence", "cache_evictions"})


# ------------------------------------------------------------------ any bytes at all

LINES = st.lists(
    st.binary(max_size=40)
    | st.sampled_from(
        [
            json.dumps(GOOD).encode(),
            json.dumps([GOOD, GOOD]).encode(),
            json.dumps(GOOD)[:-3].encode(),
            json.dumps(GOOD | {"x": 10**30, "y": math.inf}).encode(),
            json.dumps(GOOD | {"occurred_at": "9999-12-31T23:59:59Z"}).encode(),
            ROW[:-1].encode(),
            b"{" * 300,
            b'{"a":' * 300,
            b"1" * 5_000,
            b'::1 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" 200 1',
            b"   ",
            b"",
        ]
    ),
    max_size=12,
).map(lambda lines: [line.replace(b"\n", b"").replace(b"\r", b"") for line in lines])


@given(LINES, st.sampled_from(["jsonl", "access"]), st.booleans())
def test_every_line_is_published_or_left_out_or_blank(lines: list[bytes], kind: str, mapped: bool):
    mappings = ("duration_ms=0",) if mapped or kind == "access" else ()
    reader = RecordingReader(recording(kind, mappings), "file")
    found = list(reader.read(io.BytesIO(b"\n".join(lines) + b"\n")))
    assert len(found) + reader.blank == len(lines) + (not lines)
    assert reader.consumed == sum(map(len, lines)) + max(len(lines), 1)
    for line in found:
        if isinstance(line, InvalidLine):
            assert line.why
        else:
            assert len(json.loads(line.moved(5))) > 0
            records = list(line.records(5, 0))
            assert all(time_ms >= 0 for time_ms, _ in records)


@given(LINES)
def test_every_row_is_published_or_left_out_or_blank(lines: list[bytes]):
    lines = [line.replace(b'"', b"'") for line in lines]
    raw = HEADINGS.encode() + b"\n".join(lines) + b"\n"
    reader = RecordingReader(recording("csv", ()), "file")
    found = list(reader.read(io.BytesIO(raw)))
    assert len(found) + reader.blank == len(lines) + (not lines)
    assert [line.number for line in found] == sorted({line.number for line in found})


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.csv", "", "csv"),
        ("a.TSV", "", "csv"),
        ("a.jsonl", "", "jsonl"),
        ("a.log", '{"a":1}', "jsonl"),
        ("a.log", "::1 - -", "access"),
        ("access.log.1", "::1 - -", "access"),
        ("a", "x", "jsonl"),
    ],
)
def test_the_format_is_seen(tmp_path: Any, name: str, text: str, kind: str):
    (tmp_path / name).write_text(text)
    assert guessed(tmp_path / name) == kind
    assert guessed(None) == "jsonl"
