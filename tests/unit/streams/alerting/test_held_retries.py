"""A silence, a time interval or a service that is down holds what waits to be sent."""

import pytest

from schemas.breaches import Routing
from tests.unit.streams.alerting.retries import FAILS, UNKNOWN, events, over, waiting
from tests.unit.streams.alerting.world import MINUTE


@pytest.mark.parametrize("answer", [FAILS, UNKNOWN])
def test_a_silence_holds_a_retry_until_it_ends(world, answer):
    waiting(world, answer=answer).silence(("platform", "=", "lever"), end=20 * MINUTE)
    world.run(19 * MINUTE)
    assert world.sent == []
    assert over(world) == "silenced"
    world.run(2 * MINUTE)
    assert events(world) == ["opened"]
    world.breach(state="resolved", revision=2)
    world.run(MINUTE)
    assert events(world) == ["opened", "resolved"]


def test_a_time_interval_holds_a_retry_until_it_ends(world):
    routing = {"channels": ["slack"], "cooldown_ms": 0}
    interval = {"mute_time_intervals": {"night": "every fri 08:01-08:20"}}  # it is 08:00
    waiting(world, routing=Routing.model_validate(routing | interval))
    world.now += MINUTE
    world.run(18 * MINUTE)
    assert world.sent == []
    assert over(world) == "muted"
    world.run(2 * MINUTE)
    assert events(world) == ["opened"]


def test_what_resolves_while_its_retry_is_silenced_was_told_to_nobody(world):
    waiting(world).silence(("platform", "=", "lever"), end=20 * MINUTE)
    world.run(MINUTE)
    world.breach(state="resolved", revision=2)
    world.run(30 * MINUTE)
    assert world.sent == []


def test_what_may_have_been_heard_before_a_silence_is_closed(world):
    waiting(world, answer=UNKNOWN, channel="pager").silence(("platform", "=", "lever"))
    world.run(50_000)
    world.breach(state="resolved", revision=2, channels=("pager",))
    world.run(30 * MINUTE)
    assert events(world, "pager")[-1] == "resolved"
    assert {one.incident for *_, one in world.sent} == {"fp-lever/lever-e1"}


def test_what_may_have_opened_an_incident_is_opened_again_under_it_alone(world):
    """A group's message has one incident: in another's, the first would stay open for ever."""
    world.breach("p0", channels=("pager",))
    world.deliver()
    for name in ("p1", "p2"):
        world.breach(name, channels=("pager",))
    world.answers["pager"] = UNKNOWN
    world.run(6_000)
    world.answers = {}
    world.ack("p1")
    world.run(MINUTE)
    world.breach("p2", state="resolved", revision=2, channels=("pager",))  # p1 closes it
    world.breach("p3", channels=("pager",))
    world.deliver()
    world.breach("p4", channels=("pager",))
    world.breach("p1", state="updated", revision=2, severity="critical", channels=("pager",))
    for name in ("p0", "p1", "p3", "p4"):
        world.breach(name, state="resolved", revision=3, channels=("pager",))
    world.run(10 * MINUTE)
    began = {one.incident for *_, one in world.sent if one.event != "resolved"}
    assert began <= {one.incident for *_, one in world.sent if one.event == "resolved"}


def test_a_service_that_goes_down_holds_the_retries_of_its_alerts(world):
    labels = {"platform": "lever", "service": "x"}
    waiting(world, labels=labels)
    world.breach("svc", kind="service_status", labels={"service": "x"}, channels=("mail",))
    world.run(5 * MINUTE)
    assert events(world) == []
    assert over(world) == "inhibited"


def test_a_rise_that_a_silence_held_is_told_when_it_ends(world):
    world.breach()
    world.deliver()
    world.answers["slack"] = FAILS
    world.breach(state="updated", revision=2, severity="critical")
    world.deliver()
    world.silence(("platform", "=", "lever"), end=20 * MINUTE)
    world.answers = {}
    world.run(19 * MINUTE)
    assert events(world) == ["opened"]
    world.run(2 * MINUTE)
    assert events(world) == ["opened", "severity_raised"]
