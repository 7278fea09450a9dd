import json
from typing import NamedTuple

import pytest

import streams.measure.blocks as blocks
from streams.measure.blocks import Block
from streams.measure.centroids import PARTIAL_LIMIT
from streams.measure.columns import TEXT_LENGTH
from streams.measure.digests import centroid_count, unpack
from streams.measure.operation_reader import read_events
from streams.measure.window_times import TimeLimits

HOUR_MS = 3_600_000
NOON_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS
LIMITS = TimeLimits(HOUR_MS, 60_000)


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes


def one(offset, stamp=NOON_MS, count=1, **fields):
    event = {
        "id": str(offset),
        "operation": "parse",
        "occurred_at": stamp,
        "success": True,
        "duration_ms": 1,
        **fields,
    }
    return Record(offset, stamp, json.dumps([event] * count if count > 1 else event).encode())


def cut(*records, start=0):
    """Take a chunk; return the start and the offsets of each block."""
    events, _ = read_events(records, LIMITS)
    found, at, block = [], 0, Block(start)
    while True:
        until = block.take(events, at)
        found.append((block.start, events.offset[at:until].tolist()))
        at = until
        if block.end is None:
            return found
        block = Block(block.end)


def test_a_block_ends_after_its_offsets():
    assert cut(one(5), one(20_004), one(20_005), start=5) == [(5, [5, 20_004]), (20_005, [20_005])]


def test_a_gap_in_the_offsets_leaves_empty_blocks():
    assert cut(one(0), one(45_000)) == [(0, [0]), (20_000, []), (40_000, [45_000])]


def test_a_block_ends_before_a_later_hours_record():
    later = NOON_MS + HOUR_MS
    assert cut(one(0), one(1, later - 1), one(2, later), one(3)) == [(0, [0, 1]), (2, [2, 3])]


def test_an_hour_of_events_does_not_cut_only_one_of_records():
    early = one(0, NOON_MS, occurred_at=NOON_MS - 1)
    assert cut(early, one(1)) == [(0, [0, 1])]


def test_an_earlier_hours_record_does_not_cut():
    assert cut(one(0), one(1, NOON_MS - HOUR_MS), one(2)) == [(0, [0, 1, 2])]


def test_the_hour_is_of_the_blocks_first_event_also_when_refused_ones_are_before_it():
    refused = Record(0, NOON_MS, b"x")
    later = NOON_MS + HOUR_MS
    assert cut(refused, one(1, later), one(2, later + HOUR_MS)) == [(0, [1]), (2, [2])]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((1, 1, 1, 1), [(0, [0, 1, 2]), (3, [3])]),
        ((2, 1, 1, 1), [(0, [0, 0, 1]), (2, [2, 3])]),
        ((3, 1, 1, 1), [(0, [0, 0, 0]), (1, [1, 2, 3])]),
        ((1, 4, 1, 1), [(0, [0, 1, 1, 1, 1]), (2, [2, 3])]),
    ],
)
def test_a_block_of_enough_events_ends_before_a_record_of_later_ten_seconds(
    monkeypatch, counts, expected
):
    monkeypatch.setattr(blocks, "LEAST_EVENTS", 3)
    stamps = NOON_MS, NOON_MS + 10_000, NOON_MS + 10_000, NOON_MS + 11_000
    records = [one(at, stamp, counts[at]) for at, stamp in enumerate(stamps)]
    assert cut(*records) == expected


def test_earlier_ten_seconds_do_not_end_a_block(monkeypatch):
    monkeypatch.setattr(blocks, "LEAST_EVENTS", 1)
    assert cut(one(0, NOON_MS + 10_000), one(1), one(2)) == [(0, [0, 1, 2])]


def test_an_array_is_never_cut(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_EVENTS", 4)
    assert cut(one(0, count=3), one(1, count=3), one(2)) == [(0, [0] * 3 + [1] * 3), (2, [2])]
    assert cut(one(0, count=9)) == [(0, [0] * 9), (1, [])]


def test_a_block_of_exactly_its_events_ends_with_their_record(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_EVENTS", 2)
    assert cut(one(0), one(4), one(7)) == [(0, [0, 4]), (5, [7])]


def test_events_of_several_chunks_add_up(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_EVENTS", 3)
    block = Block(0)
    for offset in (0, 1):
        events, _ = read_events([one(offset)], LIMITS)
        assert block.take(events, 0) == 1
        assert block.end is None
    events, _ = read_events([one(2), one(3)], LIMITS)
    assert block.take(events, 0) == 1
    assert block.end == 3


def test_a_block_ends_with_the_record_that_brings_too_many_pairs(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_PAIRS", 2)
    a, b = one(0), one(1, platform="b")
    assert cut(a, a._replace(offset=1), b._replace(offset=2), one(3)) == [(0, [0, 1, 2]), (3, [3])]
    assert cut(a, b, one(2, platform="c"), one(3)) == [(0, [0, 1]), (2, [2, 3]), (4, [])]


def test_pairs_past_an_hours_end_do_not_move_it(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_PAIRS", 2)
    later = NOON_MS + HOUR_MS
    assert cut(one(0), one(1, later, platform="b"), one(2, later)) == [
        (0, [0]),
        (1, [1, 2]),
        (3, []),
    ]


def test_refused_records_end_a_block_by_their_offsets_alone():
    block = Block(10)
    block.reach(20_009)
    assert block.end is None
    block.reach(20_010)
    assert block.end == 20_010
    block.reach(99_999)
    assert block.end == 20_010


def test_reading_on_moves_no_end_that_is_known(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_EVENTS", 2)
    block = Block(0)
    events, _ = read_events([one(0), one(7)], LIMITS)
    block.take(events, 0)
    block.reach(30_000)
    assert block.end == 8


def test_an_empty_block_folds_to_nothing():
    block = Block(0)
    events, _ = read_events([], LIMITS)
    assert block.take(events, 0) == 0
    assert block.fold(-1) == []


def test_a_fold_is_cumulative_but_tells_only_what_was_touched():
    block = Block(0)
    for record in (one(0, occurred_at=NOON_MS - 60_000), one(1), one(2, platform="b")):
        events, _ = read_events([record], LIMITS)
        block.take(events, 0)
    told = {(row.series, row.minute): row for row in block.fold(1)}
    minute = NOON_MS // 60_000
    assert {series for series, _ in told} == {
        "*",
        '*{platform="b"}',
        "parse",
        'parse{platform="b"}',
    }
    assert told["*", minute].stats.sums.count == 2
    assert told["*", minute].last_offset == 2
    assert block.fold(2) == []
    assert len(block.fold(-1)) == 10


def test_an_error_type_of_any_length_is_cut():
    block = Block(0)
    events, _ = read_events(
        [one(0, success=False, error_type="E" * (TEXT_LENGTH + 1)), one(1, error_type=None)],
        LIMITS,
    )
    block.take(events, 0)
    for row in block.fold(-1):
        assert [e.error_type for e in row.stats.exemplars] == ["E" * TEXT_LENGTH, None]
    kept = "E" * TEXT_LENGTH
    events, _ = read_events([one(0, success=False, error_type=kept)], LIMITS)
    block = Block(0)
    block.take(events, 0)
    assert block.fold(-1)[0].stats.exemplars[0].error_type == kept


def test_exemplars_are_failures_first_then_the_slowest_across_leaves():
    block = Block(0)
    records = [
        one(i, platform=f"p{i % 2}", success=i not in (1, 4), duration_ms=i) for i in range(6)
    ]
    events, _ = read_events(records, LIMITS)
    block.take(events, 0)
    rows = {row.series: row for row in block.fold(-1)}
    assert [e.id for e in rows["*"].stats.exemplars] == ["4", "1", "5"]
    assert [e.id for e in rows['*{platform="p0"}'].stats.exemplars] == ["4", "2", "0"]


@pytest.mark.parametrize("count", [PARTIAL_LIMIT, PARTIAL_LIMIT + 1, 5000])
def test_a_large_rows_digest_keeps_the_count_and_the_extremes(count):
    block = Block(0)
    events, _ = read_events([one(i, duration_ms=float(i)) for i in range(count)], LIMITS)
    block.take(events, 0)
    (row,) = [row for row in block.fold(-1) if row.series == "*"]
    means, weights = unpack(row.stats.digest)
    assert centroid_count(row.stats.digest) <= PARTIAL_LIMIT
    assert (count if weights is None else weights.sum()) == count
    assert means.min() < 1
    assert means.max() > 0.995 * count
