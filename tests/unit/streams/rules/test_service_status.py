"""A rule of service_status or uptime opens and ends by what is known of a service."""

from typing import Any

import pytest

from tests.unit.streams.rules.worlds import World, episodes, service, threshold, words

DOWN = {
    "name": "critical_service_failure",
    "kind": "service_status",
    "status": "down",
    "each": "service",
    "severity": "critical",
}
UPTIME = threshold(
    name="sla_violation", metric="uptime", operator="less_than", threshold=99.9, each="service",
    window="5m",
)  # fmt: skip


def test_a_service_that_is_down_is_told_at_once() -> None:
    world = World(DOWN)
    world.read(service(0), service(1, final=False))
    (told,) = world.read(service(1, "down", final=False, revision=9))
    assert (told.state, told.severity, told.series) == (
        "opened", "critical", 'service{name="crawler"}',
    )  # fmt: skip
    assert told.summary == "service crawler is down"
    assert told.evidence == {"status": "down"}


@pytest.mark.parametrize(
    ("wanted", "status", "silent", "opens"),
    [
        ("down", "up", False, False),
        ("down", "degraded", False, False),
        ("down", "down", False, True),
        ("down", "down", True, True),
        ("silent", "down", False, False),
        ("silent", "down", True, True),
        (["degraded", "silent"], "degraded", False, True),
        ("down", "unknown", False, False),
    ],
)
def test_a_status_is_what_the_rule_names(
    wanted: Any, status: str, silent: bool, opens: bool
) -> None:
    world = World(DOWN | {"status": wanted})
    assert bool(world.read(service(0, status, silent=silent))) is opens


def test_what_nobody_knows_neither_opens_nor_resolves() -> None:
    world = World(DOWN)
    world.read(service(0, "down"), service(1, "unknown"), service(9, "unknown"))
    assert words(world.said)[0] == ("opened", "violated")
    assert {one.state for one in world.said[1:]} <= {"updated"}
    assert words(world.read(service(10)))[-1] == ("resolved", "condition_gone")


def test_a_service_that_flaps_is_one_breach_with_keep_firing_for() -> None:
    world = World(DOWN | {"keep_firing_for": "2m"})
    world.read(*(service(i, status) for i, status in enumerate(["down", "up"] * 3 + ["up"] * 3)))
    assert episodes(world.said) == [(0, 7, "critical")]


def test_for_lets_a_short_outage_pass() -> None:
    world = World(DOWN | {"for": "1m"})
    world.read(service(0, "down"), service(1), service(2, "down"), service(3, "down"), service(4))
    assert episodes(world.said) == [(3, 4, "critical")]


@pytest.mark.parametrize(("down_ms", "opens"), [(299, False), (300, False), (301, True)])
def test_uptime_is_over_the_time_that_is_known(down_ms: int, opens: bool) -> None:
    world = World(UPTIME)
    world.read(*(service(i) for i in range(4)))
    told = world.read(service(4, up_ms=60_000 - down_ms, down_ms=down_ms))
    assert bool(told) is opens


def test_what_a_service_had_open_resolves_when_the_service_is_no_more() -> None:
    world = World(
        {"name": "down", "kind": "service_status", "status": "down", "each": "service"},
        {"name": "quiet", "kind": "no_data", "after": "3m", "each": "service"},
    )
    for minute in range(6):
        world.read(service(minute, "down", silent=True))
    last = service(6, "unknown", forgotten=True, unknown_ms=60_000)
    resolved = world.read(last)
    assert {(one.rule, one.state, one.why) for one in resolved} == {
        ("down", "resolved", "series_gone"),
        ("quiet", "resolved", "series_gone"),
    }
    assert world.evaluation.firing == 0
    world.evaluation.take_changes()
    assert world.read(service(7)) == []
    assert [one.state for one in world.read(service(8, "down"))] == ["opened"]
