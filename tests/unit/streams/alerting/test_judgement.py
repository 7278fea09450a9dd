"""No operations are no recovery; a rule that is edited is the same alert."""

import pytest

from streams.alerting.state import AlertState, unpack_state
from tests.unit.streams.alerting.world import MINUTE, World, breach


def alerts_of(world: World) -> list[AlertState]:
    states = map(unpack_state, world.packed.values())
    return [state for state in states if isinstance(state, AlertState)]


def unjudged(revision: int = 2, **more):
    fields = {"state": "updated", "why": "no_operations", "judged": False, "severity": "high"}
    return breach(revision=revision, channels=("slack", "pager"), **(fields | more))


def fired() -> World:
    world = World()
    world.breach(channels=("slack", "pager"))
    return world.run(MINUTE)


def events(world: World, channel: str) -> list[str]:
    return [one[1] for one in world.told(channel)]


@pytest.mark.parametrize("why", ["no_operations", "too_few_samples"])
def test_who_was_told_hears_that_it_is_not_judged_and_pagerduty_hears_nothing(why: str) -> None:
    world = fired()
    world.take_breach(unjudged(why=why))
    world.run(MINUTE)
    assert events(world, "slack") == ["opened", "not_judged"]
    assert events(world, "pager") == ["opened"]
    (row,) = alerts_of(world)
    assert row.phase == "firing"


def test_what_is_judged_again_is_told_and_resolves_everywhere() -> None:
    world = fired()
    world.take_breach(unjudged())
    world.run(MINUTE)
    world.take_breach(unjudged(3, why="judged_again", judged=True))
    world.run(MINUTE)
    world.take_breach(unjudged(4, state="resolved", why="condition_gone", judged=True))
    world.run(MINUTE)
    assert events(world, "slack") == ["opened", "not_judged", "judged_again", "resolved"]
    assert events(world, "pager") == ["opened", "resolved"]


def test_sparse_traffic_says_it_once_a_cooldown() -> None:
    world = fired()
    for revision in range(2, 12, 2):
        world.take_breach(unjudged(revision))
        world.run(MINUTE)
        world.take_breach(unjudged(revision + 1, why="judged_again", judged=True))
        world.run(MINUTE)
    assert events(world, "slack") == ["opened", "not_judged", "judged_again"]
    world.run(10 * MINUTE)
    world.take_breach(unjudged(20))
    world.run(MINUTE)
    assert events(world, "slack")[-1] == "not_judged"


def test_an_escalation_goes_on_while_it_is_not_judged() -> None:
    world = World()
    steps = [(30 * MINUTE, ["mail"])]
    world.breach(channels=("slack",), escalation=steps)
    world.run(MINUTE)
    world.breach(revision=2, state="updated", why="no_operations", judged=False, escalation=steps)
    world.run(30 * MINUTE)
    assert events(world, "mail") == ["escalated"]


def test_an_edited_rule_keeps_the_acknowledgement_and_tells_only_who_is_new() -> None:
    world = fired()
    world.take_breach(breach(revision=2, state="updated", why="rule_changed",
                             channels=("slack", "pager", "mail")))  # fmt: skip
    world.run(MINUTE)
    assert [events(world, one) for one in ("slack", "pager", "mail")] == [["opened"]] * 3
    world.ack()
    world.take_breach(breach(revision=3, state="updated", why="rule_changed",
                             channels=("slack", "pager", "mail", "bare")))  # fmt: skip
    world.run(MINUTE)
    (row,) = alerts_of(world)
    assert row.phase == "acknowledged"
    assert events(world, "slack") == events(world, "mail") == ["opened"]


@pytest.mark.parametrize("why", ["rule_removed", "rule_changed"])
@pytest.mark.parametrize("delivered", [True, False])
def test_an_end_of_our_own_making_starts_no_cooldown(why: str, *, delivered: bool) -> None:
    world = World()
    world.breach()
    if delivered:
        world.run(MINUTE)
    else:
        world.claim("slack")  # in flight
    world.breach(revision=2, state="resolved", why=why)
    if delivered:
        world.run(1000)
    world.breach(episode="e2")
    assert "cooldown" not in world.reasons("slack")
    world.run(2 * MINUTE)
    assert ("slack", "opened", "lever-e2", 0) in world.told()


def test_a_recovery_does_start_one() -> None:
    world = World()
    world.breach()
    world.run(MINUTE)
    world.breach(revision=2, state="resolved")
    world.run(1000)
    world.breach(episode="e2")
    assert "cooldown" in world.reasons("slack")
