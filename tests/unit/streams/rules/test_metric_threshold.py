"""Metrics over a trailing window: just below, at and above; gaps, revisions, flapping."""

import pytest

from tests.unit.streams.rules.worlds import (
    BASE,
    MINUTE_MS,
    World,
    episodes,
    operations,
    threshold,
    words,
)

OVERALL = threshold()


@pytest.mark.parametrize(
    ("operator", "failures", "opens"),
    [
        ("greater_than", 4, False),
        ("greater_than", 5, False),
        ("greater_than", 6, True),
        ("greater_than_or_equal", 4, False),
        ("greater_than_or_equal", 5, True),
        ("less_than", 4, True),
        ("less_than", 5, False),
        ("less_than_or_equal", 5, True),
        ("less_than_or_equal", 6, False),
    ],
)
def test_it_opens_just_past_the_threshold(operator: str, failures: int, opens: bool) -> None:
    world = World(threshold(operator=operator))
    assert bool(world.read(operations(0, 100, failures))) is opens


@pytest.mark.parametrize(("count", "opens"), [(9, False), (10, True), (11, True)])
def test_too_few_samples_open_nothing(count: int, opens: bool) -> None:
    world = World(threshold(min_samples=10))
    assert bool(world.read(operations(0, count, count))) is opens


def test_it_opens_by_the_open_minute_and_is_confirmed_by_the_final_one() -> None:
    world = World(OVERALL)
    assert words(world.read(operations(0, 10, 9, final=False))) == [("opened", "violated")]
    (confirmed,) = world.read(operations(0, 20, 15))
    assert (confirmed.state, confirmed.why, confirmed.revision) == ("updated", "confirmed", 2)
    assert confirmed.confirmed
    assert confirmed.id == world.said[0].id


def test_a_revision_that_undoes_it_resolves_it() -> None:
    world = World(OVERALL)
    world.read(operations(0, 10, 9, final=False))
    assert (
        world.read(operations(0, 300, 9, final=False)) == []
    )  # a minute that goes on undoes nothing
    (undone,) = world.read(operations(0, 301, 9))
    assert (undone.state, undone.why, undone.confirmed) == ("resolved", "undone", False)


def test_what_an_earlier_minute_confirms_and_resolves_is_not_opened_anew_under_its_id() -> None:
    world = World(OVERALL)
    world.read(operations(0, 10), operations(1, 10, final=False), operations(2, 10, final=False))
    world.read(operations(3, 10, 9, final=False))
    world.read(operations(1, 20, 9), operations(2, 20), operations(3, 20, 9), operations(4, 10))
    assert episodes(world.said) == [(1, 2, "high"), (3, 4, "high")]


def test_a_late_revision_counts_from_the_newest_minute_on() -> None:
    world = World(threshold(window="5m"))
    world.minutes(0, [0, 0])
    assert words(world.read(operations(0, 140, 40))) == []
    assert words(world.minutes(2, [0])) == [("opened", "violated")]
    assert episodes(world.said) == [(2, None, "high")]


def test_the_span_is_trailing_and_whole() -> None:
    world = World(threshold(window="5m"))
    world.minutes(0, [0, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0])
    assert episodes(world.said) == [(5, 10, "high")]
    opened = world.said[0]
    assert opened.observed == 6.0
    assert opened.samples == 500
    assert opened.span.end_ms - opened.span.start_ms == 300_000


def test_after_five_minutes_without_operations_it_is_no_longer_judged() -> None:
    world = World(threshold(window="2m"))
    world.minutes(0, [50])
    told = world.pass_minutes(10)
    assert words(told) == [("updated", "no_operations")]
    assert told[0].span.end_ms == (BASE + 6) * MINUTE_MS
    assert not told[0].judged
    assert episodes(world.said) == [(0, None, "high")]


def test_other_series_say_that_a_silent_one_has_ended() -> None:
    world = World(threshold(each="platform"))
    world.read(operations(0, 10, 9, platform="lever"))
    told = world.read(operations(2, 10, 0, platform="ashby"))
    assert told == []
    told = world.read(operations(6, 100, platform="ashby"))
    assert [(one.series, one.why) for one in told] == [('*{platform="lever"}', "no_operations")]


def test_a_minute_known_but_not_final_is_waited_for() -> None:
    world = World(threshold(each="platform"))
    world.read(operations(0, 10, 9, platform="lever", final=False))
    assert world.read(operations(1, 10, 0, platform="ashby")) == []
    assert words(world.read(operations(0, 10, 9, platform="lever"))) == [("updated", "confirmed")]


def test_for_wants_minutes_in_a_row() -> None:
    world = World(threshold(**{"for": "2m"}))
    world.minutes(0, [9, 9, 0, 9, 9, 9, 9, 0])
    assert episodes(world.said) == [(5, 7, "high")]
    assert world.said[0].since_ms < world.said[0].opened_ms


def test_keep_firing_for_bridges_what_flaps() -> None:
    flapping = [9, 0, 9, 0, 9, 0, 0, 0, 0]
    plain, kept = World(OVERALL), World(threshold(keep_firing_for="2m"))
    plain.minutes(0, flapping)
    kept.minutes(0, flapping)
    assert episodes(plain.said) == [(0, 1, "high"), (2, 3, "high"), (4, 5, "high")]
    assert episodes(kept.said) == [(0, 7, "high")]


def test_a_resolve_threshold_is_another() -> None:
    world = World(threshold(resolve_threshold=2.0))
    world.minutes(0, [6, 4, 3, 2, 4])
    assert episodes(world.said) == [(0, 3, "high")]


def test_what_goes_on_is_said_every_five_minutes() -> None:
    world = World(OVERALL)
    world.minutes(0, [9] * 11)
    assert words(world.said) == [
        ("opened", "violated"),
        ("updated", "still_true"),
        ("updated", "still_true"),
    ]


def test_history_is_stale_until_it_is_not() -> None:
    world = World(OVERALL)
    (opened,) = world.read(operations(0, 10, 9), late_ms=16 * 60_000)
    assert opened.stale
    assert world.read(operations(1, 10, 9), late_ms=16 * 60_000) == []
    (told,) = world.read(operations(2, 10, 9), late_ms=15 * 60_000)
    assert (told.why, told.stale) == ("still_true", False)


@pytest.mark.parametrize(
    ("metric", "value", "observed", "samples"),
    [
        ("duration_mean", operations(0, 10, mean=70.5), 70.5, 10),
        ("duration_p95", operations(0, 100, durations=list(map(float, range(100)))), 94.05, 100),
        ("cache_hit_rate", operations(0, 9, cache={"lookups": 4, "hits": 3, "misses": 1}), 75.0, 4),
        ("cache_miss_rate", operations(0, 9, cache={"lookups": 4, "hits": 1, "misses": 3}), 75, 4),
        (
            "cache_eviction_rate",
            operations(0, 9, cache={"lookups": 4, "misses": 4, "evictions": 3}),
            75.0,
            4,
        ),
        ("cache_ttl", operations(0, 9, cache={"average_ttl_s": 60.5, "ttl_count": 4}), 60.5, 4),
        ("throughput", operations(0, 600), 10.0, 600),
        ("confidence", operations(0, 9, confidence=0.75, confidence_count=8), 75.0, 8),
        ("success_rate", operations(0, 10, 2), 80.0, 10),
    ],
)
def test_each_metric_is_in_peoples_units(
    metric: str, value: bytes, observed: float, samples: int
) -> None:
    world = World(threshold(metric=metric, threshold=5.0))
    (told,) = world.read(value)
    assert told.observed == pytest.approx(observed)
    assert told.samples == samples


def test_little_throughput_is_judged_when_the_minute_is_over() -> None:
    world = World(threshold(metric="throughput", operator="less_than"))
    assert world.read(operations(0, 600)) == []
    assert world.read(operations(1, 1, final=False)) == []
    assert words(world.read(operations(1, 2))) == [("opened", "violated")]
    assert episodes(world.said + world.pass_minutes(5)) == [(1, None, "high")]


def test_a_minute_that_is_not_told_yet_is_no_lack_of_throughput() -> None:
    world = World(threshold(metric="throughput", operator="less_than", threshold=0.5))
    world.minutes(0, [0, 0, 0])
    world.read(operations(4, 30, final=False))
    world.read(operations(3, 100, final=False))
    world.minutes(3, [0, 0])
    assert world.said == []
