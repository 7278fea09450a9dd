"""Whose clock is fast moves nobody's time; once the clock is there its events count as time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.measure.watermarks import EventTime

NOW_MS = 1_789_948_800_000
HOUR_MS = 3_600_000


def take(time, *when_ms, now_ms=NOW_MS):
    return time.take(np.array(when_ms, np.int64), now_ms)


def test_the_largest_event_time_counts():
    time = EventTime()
    assert time.at(NOW_MS) is None
    assert take(time, NOW_MS - 5, NOW_MS - 9)
    assert take(time, NOW_MS - 7)
    assert time.at(NOW_MS) == NOW_MS - 5


def test_one_who_is_ahead_moves_nobody_until_the_clock_is_there():
    time = EventTime()
    take(time, NOW_MS - 5, NOW_MS + 24 * HOUR_MS)
    assert time.at(NOW_MS + HOUR_MS) == NOW_MS - 5
    assert time.at(NOW_MS + 24 * HOUR_MS) == NOW_MS + 24 * HOUR_MS


def test_where_all_are_ahead_nothing_came():
    time = EventTime()
    assert not take(time, NOW_MS + 1, NOW_MS + HOUR_MS)
    assert time.at(NOW_MS) is None
    assert time.at(NOW_MS + 1_000) == NOW_MS + 1


def test_a_producer_a_little_ahead_is_followed_by_the_second():
    time = EventTime()
    for second in range(100):
        take(time, NOW_MS + second * 1_000 + 2_000, now_ms=NOW_MS + second * 1_000)
    assert time.at(NOW_MS + 100_000) == NOW_MS + 100_000


def test_what_waits_is_bounded():
    time = EventTime()
    take(time, *(NOW_MS + HOUR_MS + minute * 60_000 for minute in range(10_000)))
    take(time, *(NOW_MS + HOUR_MS for _ in range(10_000)))
    assert len(time._ahead) == len(time._begins) == 2_000


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.lists(st.integers(-(10**8), 10**8), min_size=1)))
)
def test_it_never_passes_the_clock_nor_what_came_and_never_moves_back(chunks):
    time, now_ms, seen, before = EventTime(), NOW_MS, [], None
    for passed_ms, offsets in chunks:
        now_ms += passed_ms
        when_ms = [now_ms + offset for offset in offsets]
        take(time, *when_ms, now_ms=now_ms)
        seen += when_ms
        at = time.at(now_ms)
        assert at is None or at <= now_ms
        assert at is None or at in seen
        assert (before or 0) <= (at or 0)
        reached = [ms for ms in seen if ms <= now_ms - 120_000]
        assert not reached or (at is not None and at >= max(reached))
        before = at
