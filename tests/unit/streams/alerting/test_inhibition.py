"""A service that is down hides the alerts of its operations, and nothing else does."""

from tests.unit.streams.alerting.world import MINUTE, breach


def service_down(**more):
    fields = {"kind": "service_status", "labels": {"service": "parser"}, "channels": ("mail",)}
    return breach("parser", **(fields | more))


def test_a_service_that_is_down_hides_its_error_rate(world):
    world.take_breach(service_down())
    world.breach(labels={"service": "parser"})
    assert world.last().reason == "inhibited"
    world.breach("other", labels={"service": "another"})
    world.run(MINUTE)
    assert ("slack", "opened", "lever-e1", 0) not in world.told()
    assert ("slack", "opened", "other-e1", 0) in world.told()
    world.take_breach(service_down(revision=2, state="resolved"))
    world.run(2 * MINUTE)
    assert world.told("slack")[-1] == ("slack", "opened", "lever-e1", 0)


def test_a_service_that_is_only_degraded_hides_nothing(world):
    world.take_breach(service_down(evidence={"status": "degraded"}))
    world.breach(labels={"service": "parser"})
    assert world.last().reason == "due"


DOWN = {"kind": "service_status", "labels": {"service": "x"}, "evidence": {"status": "down"}}
DEGRADED = DOWN | {"evidence": {"status": "degraded"}}
UP = DOWN | {"evidence": {"status": "up"}}


def test_what_a_service_hid_is_told_once_it_is_only_degraded(world):
    world.breach("svc", **DOWN)
    world.breach("ops", labels={"service": "x"})
    world.run(10_000)
    assert "inhibited" in world.reasons()
    world.breach("svc", state="updated", why="still_true", revision=2, **DEGRADED)
    world.run(10_000)
    assert ("slack", "opened", "ops-e1", 0) in world.told()


def test_a_service_that_was_only_degraded_hides_nothing_once_it_is_up(world):
    world.breach("svc", **DEGRADED)
    world.run(10_000)
    world.breach("svc", state="resolved", revision=2, **UP)
    world.run(10_000)
    world.breach("ops", labels={"service": "x"})
    world.run(10_000)
    assert ("slack", "opened", "ops-e1", 0) in world.told()
