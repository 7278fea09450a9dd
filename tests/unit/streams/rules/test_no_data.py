"""A rule of no_data opens when a series is silent for its span, and ends with the next minute."""

import pytest

from tests.unit.streams.rules.worlds import BURN, World, operations, threshold, words

NO_DATA = {"name": "silent", "kind": "no_data", "after": "5m", "each": "platform"}


@pytest.mark.parametrize(("minutes", "opens"), [(4, False), (5, True), (6, True)])
def test_silence_is_told_after_its_span(minutes: int, opens: bool) -> None:
    world = World(NO_DATA)
    world.read(operations(0, 10, platform="lever"))
    assert bool(world.pass_minutes(minutes + 1)) is opens


def test_silence_ends_with_the_first_final_minute() -> None:
    world = World(NO_DATA)
    world.read(operations(0, 10, platform="lever"))
    (opened,) = world.pass_minutes(7)
    assert opened.summary == '*{platform="lever"} has been silent for 5m (≥ 5m)'
    assert world.read(operations(8, 1, platform="lever", final=False)) == []
    assert words(world.read(operations(8, 2, platform="lever"))) == [("resolved", "condition_gone")]


def test_a_series_that_never_spoke_is_not_silent() -> None:
    world = World(NO_DATA)
    world.read(operations(0, 10, platform="lever"))
    world.pass_minutes(30)
    assert {one.series for one in world.said} == {'*{platform="lever"}'}


def test_days_without_anything_take_no_time() -> None:
    world = World(NO_DATA, BURN | {"each": "platform"})
    world.read(operations(0, 1000, platform="lever"))
    told = world.pass_minutes(30 * 24 * 60)
    assert (told[0].rule, told[0].why) == ("silent", "violated")
    assert len(told) <= 6  # what is history is not said every five minutes
    assert told[0].opened_ms - told[0].span.end_ms == -60_000
    back = world.minutes(30 * 24 * 60, [0, 0], platform="lever")
    assert words(back) == [("resolved", "condition_gone")]


def test_a_row_of_which_nothing_was_heard_for_a_week_goes() -> None:
    world = World(threshold(each="platform"))
    world.read(operations(0, 10, platform="gone"))
    world.evaluation.take_changes()
    world.read(operations(9 * 24 * 60, 10, platform="here"))
    changes = dict(world.evaluation.take_changes())
    assert b'operations/*{platform="gone"}' in changes
    world.read(operations(17 * 24 * 60, 10, platform="here"))
    changes |= dict(world.evaluation.take_changes())
    assert changes[b'operations/*{platform="gone"}'] is None
