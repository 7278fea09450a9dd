"""Percentiles hold through blocks, minutes, hours, days and a week, in rules and for strangers."""

from itertools import groupby
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.measure.digests import ENGINES
from streams.measure.window_times import SIZES, window_start
from streams.rules.aggregate_reader import read_aggregate
from streams.rules.history import History
from streams.rules.needed_windows import Needs
from streams.rules.series_state import SeriesState
from tests.effort import examples
from tests.promise import DISTRIBUTIONS, RANKS, Floats, assert_as_promised, documented
from tests.properties.worlds import (
    FAR_MS,
    MONDAY_MS,
    Progress,
    Reading,
    Record,
    Target,
    operation,
    record,
)

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SPANS_MS = [MINUTE_MS, 3 * HOUR_MS, DAY_MS, 7 * DAY_MS]
percentile = documented()
#: Five blocks of one minute; with more effort, fifty thousand.
MANY = min(examples(5_000), 50_000)


def drawn(kind: str, count: int, span_ms: int, seed: int) -> tuple[Floats, Floats]:
    """Return when operations were, and how long they took (ms)."""
    random = np.random.default_rng(seed)
    when = MONDAY_MS + random.integers(0, span_ms, count)
    return np.sort(when), DISTRIBUTIONS[kind](random, count)


def logs_of(when: Floats, took: Floats, sources: int) -> list[list[Record]]:
    """Return the operations as the logs of partitions: a hundred or fewer in a record."""
    logs = []
    for source in range(sources):
        log = []
        places = range(source, len(when), sources)
        for offset, (_, some) in enumerate(
            groupby(places, lambda i: (i // 200, when[i] // MINUTE_MS))
        ):
            ops = [operation(i, occurred_at=int(when[i]), duration_ms=float(took[i])) for i in some]
            log.append(record(offset, *ops, stamp=ops[-1]["occurred_at"]))
        logs.append(log)
    return logs


def published(when: Floats, took: Floats, *, sources: int, seed: int) -> dict[bytes, Any]:
    """Return the last revision of every window, through the code that runs."""
    random = Random(seed)
    target = Target(sources)
    readings = [Reading(i, log) for i, log in enumerate(logs_of(when, took, sources))]
    now_ms = 0
    while any(reading.left for reading in readings):
        for reading in random.sample(readings, len(readings)):
            target.inbox += reading.read(random.randint(1, 400))
            target.inbox += reading.tell()
        now_ms += 1_000
        target.read(1 << 30, now_ms)
        target.beat(now_ms)
    target.inbox += [Progress(i, MONDAY_MS, FAR_MS, FAR_MS) for i in range(sources)]
    target.read(1 << 30, now_ms)
    for beat in range(4):
        target.beat(now_ms + beat * 100_000)
    return target.last()


def assert_all_hold(last: dict[bytes, Any], when: Floats, took: Floats) -> None:
    for size in SIZES:
        starts = np.array([window_start(size, int(one)) for one in when])
        told = {start: last[f"*/{size}/{start}".encode()] for start in np.unique(starts).tolist()}
        for start, aggregate in told.items():
            samples = took[starts == start]
            durations = aggregate["duration_ms"]
            assert aggregate["final"]
            assert aggregate["count"] == len(samples)
            assert_as_promised([durations[f"p{int(r * 100)}"] for r in RANKS], samples, RANKS)
            read = [percentile([aggregate], 100 * rank) for rank in RANKS]
            assert_as_promised(read, samples, RANKS)
        together = [percentile(told.values(), 100 * rank) for rank in RANKS]
        assert_as_promised(together, took, RANKS)


@settings(max_examples=examples(8))
@given(
    st.sampled_from(sorted(DISTRIBUTIONS)),
    st.floats(0, 4).map(lambda power: round(10**power)),
    st.sampled_from(SPANS_MS),
    st.integers(1, 3),
    st.integers(0, 1 << 32),
)
def test_every_window_keeps_the_promise(kind, count, span_ms, sources, seed):
    when, took = drawn(kind, count, span_ms, seed)
    assert_all_hold(published(when, took, sources=sources, seed=seed), when, took)


@pytest.mark.parametrize("span_ms", [MINUTE_MS, 3 * HOUR_MS])
@pytest.mark.parametrize("kind", ["few whole ms", "heavy ties with a tail", "very wide"])
def test_many_operations_in_few_windows_keep_the_promise(kind, span_ms):
    when, took = drawn(kind, MANY, span_ms, seed=1)
    assert_all_hold(published(when, took, sources=2, seed=1), when, took)


@pytest.mark.parametrize(("kind", "count"), [("few whole ms", 2_562), ("whole ms", 903)])
def test_whole_milliseconds_are_exact_at_every_rank(kind, count):
    when, took = drawn(kind, count, MINUTE_MS, seed=1)
    last = published(when, took, sources=2, seed=1)
    for size in SIZES:
        told = last[f"*/{size}/{window_start(size, MONDAY_MS)}".encode()]
        assert [told["duration_ms"][f"p{int(r * 100)}"] for r in RANKS] == np.quantile(
            took, RANKS
        ).tolist()


@pytest.mark.parametrize("kind", sorted(DISTRIBUTIONS))
def test_rules_see_the_same_percentiles_over_any_span(kind):
    when, took = drawn(kind, MANY // 2, 5 * HOUR_MS, seed=2)
    last = published(when, took, sources=2, seed=2)
    row = SeriesState(0, 0, 0, 0, "operations", {}, 0, 0, 0, 0)
    seen = History(row, Needs(60, 300, 300, frozenset(), in_silence=False), ENGINES["fastdigest"])
    for key, aggregate in last.items():
        if key.startswith(b"*/"):
            told = read_aggregate(msgspec.json.encode(aggregate))
            assert told is not None
            seen.add(told)
    minute = MONDAY_MS // MINUTE_MS + 5 * 60 - 1
    for span in (1, 5, 60, 180, 300):
        inside = took[when >= (minute - span + 1) * MINUTE_MS]
        told = [seen.quantile(span, minute, rank) for rank in RANKS]
        assert_as_promised(told, inside, RANKS)
