"""Blocks and their rows are a function of the log, and what a loop over the events says."""

from collections import defaultdict
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streams.measure.blocks as blocks
from streams.measure.blocks import Block
from streams.measure.operation_reader import read_events
from tests.effort import examples
from tests.properties.window_oracle import Totals, events_of, oracle, series_of, when_of
from tests.properties.worlds import LIMITS, MONDAY_MS, Reading, Rows, draw_log


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(blocks.Block, "MOST_OFFSETS", 40)
    monkeypatch.setattr(blocks, "BLOCK_EVENTS", 30)
    monkeypatch.setattr(blocks, "BLOCK_PAIRS", 7)
    monkeypatch.setattr(blocks, "LEAST_EVENTS", 5)


def draw(seed, records=80):
    random = Random(seed)
    span = random.choice([60_000, 3_600_000, 5 * 3_600_000])
    log = draw_log(random, [MONDAY_MS + random.randrange(span) for _ in range(records)])
    return random, log


def rows_of_blocks(random, log, start=0):
    """Read the log in random chunks; return each block's last rows, as they were told."""
    reading = Reading(0, log, start)
    rows = defaultdict(dict)
    while reading.left:
        told = list(reading.read(random.randint(1, 60)))
        if random.random() < 0.4:
            told += reading.tell()
        for one in told:
            if isinstance(one, Rows):
                rows[one.block].update({(row.series, row.minute): row for row in one.rows})
    for one in reading.tell():
        if isinstance(one, Rows):
            rows[one.block].update({(row.series, row.minute): row for row in one.rows})
    return rows, [start, *reading.blocks]


@settings(max_examples=examples(20))
@given(st.integers(0, 1 << 32))
def test_any_chunks_and_any_restart_give_the_same_blocks_and_rows(seed):
    random, log = draw(seed)
    rows, starts = rows_of_blocks(random, log)
    again, starts_again = rows_of_blocks(random, log)
    assert starts_again == starts
    assert again == rows
    place = random.randrange(len(starts))
    resumed, starts_resumed = rows_of_blocks(random, log, starts[place])
    assert starts_resumed == starts[place:]
    assert resumed == {block: known for block, known in rows.items() if block >= starts[place]}


@settings(max_examples=examples(20))
@given(st.integers(0, 1 << 32))
def test_a_block_keeps_its_bounds_and_never_cuts_a_record(seed):
    random, log = draw(seed)
    _, starts = rows_of_blocks(random, log)
    for start, end in zip(starts, [*starts[1:], 1 << 40], strict=True):
        inside = [one for one in log if start <= one.offset < end and events_of(one)]
        last = start + 40 if end == 1 << 40 else end
        assert last - start <= 40
        if not inside:
            continue
        assert (
            len(
                {
                    max(one.timestamp // 3_600_000, inside[0].timestamp // 3_600_000)
                    for one in inside
                }
            )
            == 1
        )
        count = 0
        for record in inside:
            assert count < 5 or record.timestamp // 10_000 <= inside[0].timestamp // 10_000
            count += len(events_of(record))
        before_last = [event for one in inside[:-1] for event in events_of(one)]
        assert len(before_last) < 30
        assert len({(event["operation"], event["platform"]) for event in before_last}) < 7


@settings(max_examples=examples(20))
@given(st.integers(0, 1 << 32))
def test_rows_equal_a_loop_over_the_events(seed):
    random, log = draw(seed)
    rows, starts = rows_of_blocks(random, log)
    for start, end in zip(starts, [*starts[1:], 1 << 40], strict=True):
        known = defaultdict(Totals)
        last = {}
        for one in log:
            if start <= one.offset < end:
                for event in events_of(one):
                    for series in series_of(event):
                        key = series, when_of(event) // 60_000
                        known[key].add(event)
                        last[key] = one.offset
        told = rows.get(start, {})
        assert set(told) == set(known)
        for key, totals in known.items():
            row = told[key]
            stats = row.stats
            assert row.last_offset == last[key]
            sums = totals.sums()
            assert stats.sums._asdict() | {"min_ms": stats.min_ms, "max_ms": stats.max_ms} == sums
            assert stats.tallies.failures_by_type == (totals.failures_by_type(), 0)
            squares = sum(event["duration_ms"] ** 2 for event in totals.events)
            assert stats.duration_sq == pytest.approx(squares)
            assert sorted(np.frombuffer(stats.digest, "<f4", offset=1)) == totals.samples()
            assert [(e.failed, e.duration_ms) for e in stats.exemplars] == totals.best()
            by_id = {event["id"]: event for event in totals.events}
            for exemplar in stats.exemplars:
                event = by_id[exemplar.id]
                assert exemplar.failed is not event["success"]
                assert exemplar.error_type == event.get("error_type")


@settings(max_examples=examples(15))
@given(st.integers(0, 1 << 32))
def test_a_flush_tells_exactly_the_rows_touched_since_the_last_one(seed):
    random, log = draw(seed, records=20)
    events, _ = read_events(log, LIMITS)
    block = Block(0)
    until = block.take(events, 0)
    after = random.choice([-1, *events.offset[:until].tolist()])
    touched, every = block.fold(after), block.fold(-1)
    assert sorted(touched) == sorted(row for row in every if row.last_offset > after)


@settings(max_examples=examples(15))
@given(st.integers(0, 1 << 32))
def test_every_event_is_in_exactly_one_window_of_each_size(seed):
    _, log = draw(seed, records=30)
    known = oracle([log])
    events = [event for one in log for event in events_of(one)]
    for size in {size for _, size, _ in known}:
        ids = [
            event["id"]
            for (series, of, _), totals in known.items()
            for event in totals.events
            if series == "*" and of == size
        ]
        assert sorted(ids) == sorted(event["id"] for event in events)
