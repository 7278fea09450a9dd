"""Whatever the order, the repeats and the restarts, the same beats give the same windows."""

import random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streams.measure.window_times import SIZE_MS, window_start
from streams.services.missed_beats import Beat
from streams.services.services import Services
from tests.effort import examples
from tests.unit.streams.services_world import NOON, World, at, beat

HEALTHS = st.sampled_from(("up", "degraded", "down"))
BEATS = st.lists(
    st.builds(
        lambda sent_s, health, every_s, lag_s: beat(sent_s, health, every_s, lag_s),
        st.integers(0, 900),
        HEALTHS,
        st.sampled_from((0.5, 5, 10, 60)),
        st.sampled_from((0, 0.25, -3, 5, 45, 200)),
    ),
    min_size=1,
    max_size=25,
)
END_S = 1_300


def windows(world: World) -> dict[str, Any]:
    """Return what the windows say, without what tells one publication from another."""
    left_out = ("revision", "message")
    return {
        key: {name: told for name, told in one.items() if name not in left_out}
        for key, one in world.published.items()
        if one["final"]
    }


def run(order: list[Beat], cuts: set[int]) -> World:
    """Let a worker that never listens for long read the beats, killed here and there.

    Rows are written after some beats; what was read since the last one is read again.
    """
    world = World()
    for place, one in enumerate(order):
        world.hears(one, now_s=END_S)
        if place in cuts:
            world.look(END_S, at_end=False)
        if place - 1 in cuts:
            world.services.look(None, at(END_S))
            list(world.services.collect(at(END_S)))  # killed before the broker had it
            world.start()
            world.reads_again(0, END_S)
    world.look(END_S)
    return world


@settings(max_examples=examples(30))
@given(st.data(), BEATS)
def test_any_order_repetition_and_cutting_gives_the_same_windows(data: st.DataObject, told: Any):
    once = run(sorted(set_of(told), key=lambda one: one.order), set())
    repeated = told + data.draw(st.lists(st.sampled_from(told), max_size=10))
    order = data.draw(st.permutations(repeated))
    cuts = data.draw(st.sets(st.integers(0, len(order)), max_size=4))

    otherwise = run(order, cuts)

    assert windows(otherwise) == windows(once)


def set_of(told: list[Beat]) -> list[Beat]:
    """Return each beat once: of those that are the same the one that came first."""
    first: dict[Any, Beat] = {}
    for one in told:
        known = first.get(one.identity)
        if known is None or one.lag_ms < known.lag_ms:
            first[one.identity] = one
    return list(first.values())


@settings(max_examples=examples(15), phases=[Phase.generate])
@given(st.integers(0, 10**6), BEATS)
def test_every_millisecond_of_a_window_is_known_or_unknown(seed: int, told: Any):
    rng = random.Random(seed)
    world = World()
    waiting = sorted(told, key=lambda one: one.sent_ms + one.lag_ms)
    now_s = -10
    while now_s < END_S:
        now_s += rng.choice((1, 1, 7, 40))
        if rng.random() < 0.02:
            world.start()
        while waiting and waiting[0].sent_ms + waiting[0].lag_ms <= at(now_s):
            world.hears(waiting.pop(0), now_s=now_s)
        world.look(now_s, at_end=rng.random() < 0.8)

    assert world.said
    for one in world.said:
        window = one["window"]
        known_ms = one["up_ms"] + one["degraded_ms"] + one["down_ms"]
        assert known_ms >= 0
        assert one["unknown_ms"] >= 0
        if one["final"]:
            assert known_ms + one["unknown_ms"] == SIZE_MS[window["size"]]
        else:
            assert 0 < known_ms + one["unknown_ms"] <= SIZE_MS[window["size"]]


@settings(max_examples=examples(20))
@given(BEATS)
def test_larger_windows_are_the_sum_of_their_minutes(told: Any):
    world = run(sorted(told, key=lambda one: one.order), set())
    world.look(3_600 + 20)

    minutes = [one for key, one in world.published.items() if "/1m/" in key]
    hour = world.window("1h")
    end_ms = NOON + SIZE_MS["1h"]
    inside = [one for one in minutes if NOON <= one["window"]["start_ms"] < end_ms]
    assert inside
    for name in ("up_ms", "degraded_ms", "down_ms"):
        assert sum(one[name] for one in inside) == hour[name]


def every_window(self: Services, row: Any, size: Any, spans: Any, from_ms: int, to_ms: int) -> Any:
    """Yield each window, also where nothing is known."""
    start_ms = window_start(size, max(from_ms, row.first_ms))
    while start_ms + SIZE_MS[size] <= to_ms:
        yield start_ms
        start_ms += SIZE_MS[size]


@settings(max_examples=examples(10), phases=[Phase.generate])
@given(st.integers(0, 10**6), BEATS)
def test_to_pass_over_what_nobody_knows_changes_nothing(seed: int, told: Any):
    def said() -> list[Any]:
        rng, world = random.Random(seed), World()
        now_s = 0
        for one in sorted(told, key=lambda one: one.order):
            now_s = max(now_s, (one.sent_ms + one.lag_ms - NOON) // 1000)
            world.hears(one, now_s=now_s)
            now_s += rng.choice((1, 60, 3_000, 90_000))
            world.look(now_s, at_end=rng.random() < 0.5)
        world.look(now_s + 10_000)
        return world.said

    passed = said()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Services, "_windows_to_publish", every_window)
        assert said() == passed
