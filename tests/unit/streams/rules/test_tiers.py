"""A rule with tiers has the severity of the gravest threshold that is passed."""

from tests.unit.streams.rules.worlds import World, operations, threshold

TIERS = [{"severity": "medium", "threshold": 5.0}, {"severity": "high", "threshold": 10.0}]


def test_two_severities_crossed_at_once_open_the_graver_one() -> None:
    world = World(threshold(tiers=TIERS))
    told = world.minutes(0, [30])
    assert [(one.state, one.severity, one.threshold) for one in told] == [("opened", "high", 10.0)]


def test_severity_rises_by_the_open_minute_and_falls_by_final_ones() -> None:
    world = World(threshold(tiers=TIERS))
    world.minutes(0, [6])
    (raised,) = world.read(operations(1, 10, 9, final=False))
    assert (raised.why, raised.severity, raised.revision) == ("severity_changed", "high", 2)
    (lowered,) = world.read(operations(1, 100, 9))
    assert (lowered.why, lowered.severity, lowered.revision) == ("severity_changed", "medium", 3)
    assert len({one.id for one in world.said}) == 1


def test_severity_falls_after_as_long_as_it_keeps_firing() -> None:
    world = World(threshold(tiers=TIERS, keep_firing_for="2m"))
    world.minutes(0, [20, 6, 6])
    assert [one.severity for one in world.said] == ["high"]
    assert [one.severity for one in world.minutes(3, [6])] == ["medium"]


def test_each_tier_has_its_own_for() -> None:
    world = World(threshold(tiers=TIERS, **{"for": "2m"}))
    world.minutes(0, [6, 6, 20, 20, 20])
    assert [(one.why, one.severity) for one in world.said] == [
        ("violated", "medium"),
        ("severity_changed", "high"),
    ]
