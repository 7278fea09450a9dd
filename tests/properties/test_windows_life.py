"""Windows live through restarts, zombies and jumps of time, and say what an oracle says."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.measure.window_state import unpack_window
from streams.measure.window_times import CHILD, child_starts
from tests.effort import examples
from tests.properties.window_oracle import assert_equals_oracle, oracle
from tests.properties.worlds import FAR_MS, MONDAY_MS, Progress, Target, draw_log, told_of

DAY_MS = 86_400_000
SPANS_MS = [600_000, 7_200_000, 2 * DAY_MS, 9 * DAY_MS]


def draw_world(seed, *, troubled=True, sources=2):
    """Return logs around a Monday's midnight, and what is told of them, mingled."""
    random = Random(seed)
    span = random.choice(SPANS_MS)
    start = MONDAY_MS - span // 2
    logs = [
        draw_log(random, [start + random.randrange(span) for _ in range(random.randint(1, 40))])
        for _ in range(sources)
    ]
    told = [told_of(random, i, log, troubled=troubled) for i, log in enumerate(logs)]
    mingled = []
    while any(told):
        one = random.choice([one for one in told if one])
        mingled.append(one.pop(0))
    return random, logs, mingled


def finish(target, now_ms):
    """Let every source be quiet for good, then beat until nothing changes."""
    for source in range(target.sources):
        target.inbox.append(Progress(source, MONDAY_MS, FAR_MS, FAR_MS))
    target.read(1 << 30, now_ms)
    for beat in range(4):
        target.beat(now_ms + beat * 100_000)


def assert_as_oracle(target, logs):
    known = oracle(logs)
    last = target.last()
    assert set(last) == {f"{series}/{size}/{start}".encode() for series, size, start in known}
    for (series, size, start), totals in known.items():
        published = last[f"{series}/{size}/{start}".encode()]
        assert published["final"]
        assert_equals_oracle(published, totals)


@settings(max_examples=examples(6))
@given(st.integers(0, 1 << 32))
def test_any_cutting_repetition_and_crash_ends_in_what_an_oracle_counts(seed):
    random, logs, inbox = draw_world(seed)
    target = Target(2)
    target.inbox = inbox
    now_ms = 0
    while target.read_to < len(inbox):
        now_ms += random.choice([1_000, 1_000, 100_000])
        target.read(random.randint(1, 12), now_ms)
        target.publish(
            now_ms,
            finals_only=random.random() < 0.1,
            at_most=random.choice([1 << 30, 1 << 30, random.randrange(1, 20)]),
        )
        if random.random() < 0.3:
            target.read(random.randint(1, 3), now_ms)
        if random.random() < 0.15:
            target.write(at_most=random.choice([random.randrange(8), random.randrange(1_000)]))
            target.start()
        elif random.random() < 0.8:
            target.write()
        if random.random() < 0.1:
            target.start()
    finish(target, now_ms + 1_000)
    assert target.refused == []
    assert_as_oracle(target, logs)
    for revisions in target.published.values():
        assert revisions[-1][0] == max(number for number, _ in revisions)
    assert [key for key in target.table if not key.startswith(b"~state/")] == []
    assert len(target.windows.admission) == 0
    assert target.windows.oldest_due_ms is None
    assert target.windows.held_finals == 0


@settings(max_examples=examples(5))
@given(st.integers(0, 1 << 32))
def test_a_revision_is_published_once_and_only_grows_and_finals_hold_their_children(seed):
    random, logs, inbox = draw_world(seed)
    target = Target(2)
    target.inbox = inbox
    finals = {}
    now_ms, seen = 0, 0
    while target.read_to < len(inbox):
        now_ms += random.choice([1_000, 30_000])
        target.read(random.randint(1, 12), now_ms)
        target.beat(now_ms)
        low_ms = target.windows.watermarks.low_ms
        for key, published in target.sent[seen:]:
            told = next(one for number, one in target.published[key] if number == published)
            assert told["final"] == bool(published % 2)
            if not told["final"]:
                continue
            assert low_ms is not None
            assert told["window"]["end_ms"] + 10_000 <= low_ms
            finals[key] = told["count"]
            size, start = told["window"]["size"], told["window"]["start_ms"]
            series = key.rsplit(b"/", 2)[0].decode()
            if size != "1m":
                children = [
                    finals.get(f"{series}/{CHILD[size]}/{child}".encode(), 0)
                    for child in child_starts(size, start)
                ]
                assert told["count"] == sum(children)
        seen = len(target.sent)
    finish(target, now_ms)
    assert max(Counter(target.sent).values()) == 1
    for revisions in target.published.values():
        numbers = [number for number, _ in revisions]
        assert numbers == sorted(numbers)
    assert_as_oracle(target, logs)


@settings(max_examples=examples(3))
@given(st.integers(0, 1 << 32))
def test_a_write_that_is_cut_off_has_no_window_without_those_it_is_merged_from(seed):
    random, _, inbox = draw_world(seed, troubled=False)
    target = Target(2)
    target.inbox = inbox
    written = set()
    while target.read_to < len(inbox):
        target.read(random.randint(1, 30), 0)
        target.publish(0)
        for key, value in target.windows.take_changes():
            if key.startswith(b"~state/") or value is None:
                continue
            written.add(key)
            size, start, series = key.decode().split("/", 2)
            if size != "5m" and unpack_window(value).stats is None:
                starts = child_starts(size, int(start))
                assert any(f"{CHILD[size]}/{at}/{series}".encode() in written for at in starts)


@settings(max_examples=examples(3))
@given(st.integers(0, 1 << 32))
def test_a_crash_publishes_again_what_was_not_confirmed(seed):
    random, logs, inbox = draw_world(seed, troubled=False)
    target = Target(2)
    target.inbox = inbox
    while target.read_to < len(inbox):
        target.read(random.randint(1, 30), 0)
        target.windows.advance(10**15)
        lost = list(target.windows.collect(10**15))
        target.write()
        target.start()
        for source in range(2):
            told = [one for one in inbox[: target.read_to] if isinstance(one, Progress)]
            for progress in [one for one in told if one.source == source][-1:]:
                target.windows.progress(progress.reached)
        target.windows.advance(10**15)
        again = {one.key: one.published for one in target.windows.collect(10**15)}
        assert all(again[one.key] >= one.published for one in lost)
        target.start()
    finish(target, 10**15)
    assert_as_oracle(target, logs)


@pytest.mark.parametrize("span", SPANS_MS)
def test_a_jump_of_days_ends_all_windows_in_one_beat(span):
    random = Random(span)
    log = draw_log(random, [MONDAY_MS + random.randrange(span) for _ in range(60)])
    target = Target(1)
    target.inbox = told_of(random, 0, log, troubled=False)
    target.read(1 << 30, 0)
    target.inbox.append(Progress(0, MONDAY_MS, FAR_MS, FAR_MS))
    target.read(1, 0)
    target.beat(0)
    assert_as_oracle(target, [log])
    target.beat(0)
    assert [key for key in target.table if not key.startswith(b"~state/")] == []
