"""What ingest writes on `partials` is what windows read, and nothing else is taken for it."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from schemas.fields import Sums, Tallies, Tally
from schemas.partials import PartialRow, PartialsRecord, Stats
from streams.measure.digests import pack_samples
from streams.measure.partials import (
    ROWS_BYTES,
    BlockRows,
    missing_record,
    progress_record,
    read_partial,
    rows_records,
)
from streams.measure.watermarks import Reached
from streams.measure.window_state import RemovedRecords
from streams.validation import NotFit

DURATIONS = np.asarray([10.0, 20.0], np.float32)
STATS = Stats(
    Sums(count=2, successes=1, duration_us=30_000),
    500.0,
    10.0,
    20.0,
    pack_samples(DURATIONS, 10),
    (),
    Tallies(Tally({"Timeout": 1})),
)


def row(last_offset: int, series: str = "parse", **fields: Any) -> PartialRow:
    return PartialRow(series, 29_540_160, last_offset, STATS._replace(**fields))


def test_rows_are_read_as_they_were_written_in_the_order_of_their_offsets():
    rows = [row(7), row(3, "fetch"), row(5, 'parse{platform="lever"}')]
    (record,) = rows_records(4, 2, rows, 9)
    PartialsRecord.model_validate_json(record)
    assert read_partial(record) == BlockRows(4, 2, [rows[1], rows[2], rows[0]], 9)


def test_a_block_without_rows_is_no_record():
    assert list(rows_records(0, 0, [], 5)) == []


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([0.3, 0.3], [2]),
        ([0.6, 0.6], [1, 1]),
        ([2.0, 0.1], [1, 1]),
        ([0.1, 2.0, 0.1], [1, 1, 1]),
        ([0.3, 0.3, 0.3, 0.3, 0.3], [3, 2]),
    ],
)
def test_a_record_holds_as_many_rows_as_fit_and_says_up_to_where_they_are_complete(
    sizes: list[float], expected: list[int]
):
    rows = [
        row(10 * place, configurations=("c" * int(size * ROWS_BYTES),))
        for place, size in enumerate(sizes)
    ]
    records = [json.loads(record) for record in rows_records(1, 0, rows, 99)]
    assert [len(record["rows"]) for record in records] == expected
    offsets = [[each[2] for each in record["rows"]] for record in records]
    assert [offset for of_record in offsets for offset in of_record] == [
        each.last_offset for each in rows
    ]
    nexts = [following[0] for following in offsets[1:]] + [99]
    assert [record["next_offset"] for record in records] == nexts


@pytest.mark.parametrize(
    "reached",
    [
        Reached(0, 5),
        Reached(1, 0, None, 7),
        Reached(0b1_0000_0001, 1_772_409_600_000, 1_772_409_600_001, 30_000),
        Reached(1 << 65_535, 1),
    ],
)
def test_progress_is_read_as_it_was_written(reached: Reached):
    record = progress_record(reached)
    PartialsRecord.model_validate_json(record)
    assert read_partial(record) == reached


def test_a_source_is_a_bit_of_progress():
    sources = json.loads(progress_record(Reached(1 << 9 | 1 << 2, 0)))["sources"]
    assert base64.b64decode(sources) == bytes([0b100, 0b10])


def test_what_kafka_removed_is_read_as_it_was_written():
    removed = RemovedRecords(3, 17, 5, -1, 1_772_409_600_000)
    record = missing_record(removed)
    PartialsRecord.model_validate_json(record)
    assert read_partial(record) == removed


def changed_row(**fields: Any) -> bytes:
    (record,) = rows_records(0, 0, [row(1, **fields)], 2)
    return record


GOOD = changed_row()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"", "json"),
        (b"null", "json"),
        (b"\xff", "json"),
        (b"[" * 100_000, "json"),
        (b'{"kind":"other"}', "json"),
        (b'{"kind":"progress"', "json"),
        (b'{"kind":"progress","sources":"","at_ms":"1"}', "json"),
        (b'{"kind":"progress","sources":"!","at_ms":1}', "json"),
        (b'{"kind":"missing","source":65536,"first_offset":0,"count":0,"since_ms":0,"until_ms":0}',
         "json"),
        (GOOD.replace(b'"source":0', b'"source":-1'), "json"),
        (GOOD.replace(b'"block":0', b'"block":9007199254740993'), "json"),
        (GOOD.replace(b"29540160", b"-1"), "json"),
        (GOOD.replace(b'"parse"', b'"a{confidence=\\"x\\"}"'), "model"),
        (GOOD.replace(b'"parse"', b'""'), "json"),
        (changed_row(digest=b"\x01\x02\x03"), "model"),
        (changed_row(sums=Sums(count=0)), "model"),
        (changed_row(sums=Sums(count=1, successes=2)), "model"),
        (changed_row(tallies=Tallies(Tally({"a": 9}))), "model"),
    ],
)  # fmt: skip
def test_what_is_no_partial_is_refused(value: bytes, kind: str):
    assert value != GOOD
    with pytest.raises(NotFit) as unfit:
        read_partial(value)
    assert unfit.value.kind == kind


def test_rows_of_other_windows_have_other_names():
    with pytest.raises(NotFit, match="no series"):
        read_partial(GOOD, lambda name: name != "parse")
    assert isinstance(read_partial(GOOD, lambda name: name == "parse"), BlockRows)
