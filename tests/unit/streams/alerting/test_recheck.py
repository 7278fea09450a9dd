"""What waits to be sent is decided again before every attempt, as its alert is then."""

import pytest

from streams.alerting.inputs import Channels
from tests.unit.streams.alerting.retries import FAILS, events, over, waiting
from tests.unit.streams.alerting.world import CHANNELS, MINUTE

# ------------------------------------------------------------------ updated, resolved


def test_a_retry_says_what_is_true_now(world):
    waiting(world, severity="critical")
    world.breach(state="updated", revision=2, severity="high", summary="Less bad.")
    world.run(MINUTE)
    [(_, _, message)] = world.sent
    assert (message.breach.severity, message.breach.summary) == ("high", "Less bad.")
    assert message.delivery == world.said()[-1].delivery


def test_a_severity_that_fell_below_what_the_channel_takes_is_not_told(world):
    waiting(world, channel="pager", severity="high")
    world.breach(state="updated", revision=2, severity="low", channels=("pager",))
    world.run(MINUTE)
    assert world.sent == []
    assert over(world, "pager") == "below_severity"


def test_a_rise_that_is_no_more_is_not_told(world):
    world.breach()
    world.deliver()
    world.answers["slack"] = FAILS
    world.breach(state="updated", revision=2, severity="critical")
    world.deliver()
    world.answers = {}
    world.breach(state="updated", revision=3, severity="high")
    world.run(MINUTE)
    assert events(world) == ["opened"]
    world.breach(state="updated", revision=4, severity="critical")
    world.run(MINUTE)
    assert events(world) == ["opened", "severity_raised"]


def test_a_channel_that_the_rule_routes_to_no_more_is_not_told(world):
    waiting(world)
    world.breach(state="updated", revision=2, why="rule_changed", channels=("mail",))
    world.run(MINUTE)
    assert [(to, event) for to, event, *_ in world.told()] == [("mail", "opened")]
    assert over(world) == "cancelled"


def test_a_message_that_it_is_no_longer_judged_is_not_sent_once_it_is_again(world):
    world.breach()
    world.deliver()
    world.answers["slack"] = FAILS
    world.breach(state="updated", revision=2, why="still_true", judged=False)
    world.deliver()
    world.breach(state="updated", revision=3, why="still_true", judged=True)
    world.answers = {}
    world.run(MINUTE)
    assert "not_judged" not in events(world)


def test_an_end_is_not_told_of_what_fires_again(world):
    world.breach(cooldown_ms=0)
    world.deliver()
    world.answers["slack"] = FAILS
    world.breach(state="resolved", revision=2, cooldown_ms=0)
    world.deliver()
    world.answers = {}
    world.breach(state="updated", revision=3, cooldown_ms=0)
    world.run(MINUTE)
    assert events(world)[-1] == "opened"
    world.breach(state="resolved", revision=4)
    world.run(MINUTE)
    assert events(world)[-1] == "resolved"
    assert events(world).count("resolved") == 1


def test_an_end_of_what_was_heard_is_told_whatever_came_in_between(world):
    world.breach()
    world.deliver()
    world.answers["slack"] = FAILS
    world.ack()
    world.silence(("platform", "=", "lever"), end=20 * MINUTE)
    world.breach(state="resolved", revision=2)
    world.deliver()
    world.answers = {}
    world.run(MINUTE)
    assert events(world) == ["opened", "resolved"]


# ------------------------------------------------------------------ several in one message


@pytest.mark.parametrize("acked", [0, 1, 2])
def test_of_several_in_one_message_those_that_stand_are_sent(world, acked):
    world.breach("first")
    world.deliver()
    world.sent.clear()
    names = ["a", "b", "c"]
    for name in names:
        world.breach(name)
    world.answers["slack"] = FAILS
    world.now += 5_000
    world.deliver()
    world.ack(names[acked])
    world.answers = {}
    world.run(MINUTE)
    [(_, _, message)] = world.sent
    told = {one.id for one in (message.breach, *message.others)}
    assert told == {f"{name}-e1" for i, name in enumerate(names) if i != acked}
    assert f"{names[acked]}-e1" not in {
        one.breach_id for one in world.said() if one.reason == "sent"
    }


def test_nothing_is_left_of_a_message_whose_alerts_are_all_acknowledged(world):
    names = [f"p{i}" for i in range(40)]
    for name in names:
        world.breach(name)
    for name in names:
        world.ack(name)
    world.run(10 * MINUTE)
    assert world.sent == []
    assert world.alerting.queued.get("slack", 0) == 0


def test_what_is_dropped_costs_no_pace(world):
    for i in range(9):
        world.breach(f"p{i}")
        world.now += 6_000
    for i in range(8):
        world.ack(f"p{i}")
    world.now += 1
    assert world.claim("slack").message.breach.id == "p8-e1"


def test_a_channel_that_is_gone_drops_what_is_acknowledged_without_a_dead_letter(world):
    waiting(world).ack()
    world.channels = Channels.of([one for one in CHANNELS if one.name != "slack"])
    world.alerting.use(world.channels)
    world.run(10 * MINUTE)
    assert "gave_up" not in world.reasons()
