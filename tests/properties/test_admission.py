"""Past the limit nothing is counted twice or lost, through restarts that change the limit."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

import streams.measure.series_limit as admission
from tests.effort import examples
from tests.properties.test_windows_life import finish
from tests.properties.window_oracle import oracle
from tests.properties.worlds import MONDAY_MS, Record, Target, draw_operation, record, told_of


def kind_of(series):
    """Return which of the six breakdowns a series belongs to."""
    operation, _, label = series.partition("{")
    return operation == "*", label.partition("=")[0]


@settings(max_examples=examples(10))
@given(st.integers(0, 1 << 32))
def test_admitted_and_overflow_add_up_to_the_totals(seed):
    random = Random(seed)
    times = sorted(MONDAY_MS + random.randrange(3 * 3_600_000) for _ in range(60))
    log: list[Record] = []
    for offset, at_ms in enumerate(times):
        when_ms = max(0, at_ms - random.choice([0, 0, 600_000]))
        log.append(record(offset, draw_operation(random, offset, when_ms, names=6), stamp=at_ms))
    target = Target(1, limit=random.choice([6, 12]))
    target.inbox = told_of(random, 0, log, troubled=True)
    now_ms, highest = 0, target.limit
    while target.read_to < len(target.inbox):
        now_ms += 10_000
        target.read(random.randint(1, 4), now_ms)
        target.beat(now_ms)
        assert len(target.windows.admission) <= highest + 4 + 5  # totals and overflow itself
        if random.random() < 0.2:
            target.limit = random.choice([6, 12, 30])
            highest = max(highest, target.limit)
            target.start()
    finish(target, now_ms)
    known, told = {}, {}
    for (series, size, start), totals in oracle([log]).items():
        key = kind_of(series), size, start
        known[key] = known.get(key, 0) + totals.sums()["count"]
    for key, aggregate in target.last().items():
        series, size, start = key.decode().rsplit("/", 2)
        place = kind_of(series), size, int(start)
        told[place] = told.get(place, 0) + aggregate["count"]
    assert told == known
    assert all(aggregate["final"] for aggregate in target.last().values())
    assert [key for key in target.table if not key.startswith(b"~state/")] == []
    assert len(target.windows.admission) == 0


def test_a_flood_of_names_takes_bounded_memory():
    random = Random(1)
    known = admission.Admission(0, 10)
    for number in range(60_000):
        series = known.place(f"op{random.randrange(1 << 40)}", number)
        if not series.startswith("overflow"):
            known.enter(series)
    assert len(known) == 10
    assert len(known._refused) == 50_000
    known.forget(60_000)
    assert len(known._refused) == 0
