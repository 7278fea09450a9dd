"""A silence or a time interval holds what is to be told until it ends."""

from schemas.breaches import Routing
from tests.unit.streams.alerting.world import MINUTE, T0

DAY = 24 * 60 * MINUTE


def test_a_silence_holds_and_what_still_fires_is_told_at_its_end(world):
    world.silence(("platform", "=~", "le.*"), ("severity", "!=", "critical"), end=30 * MINUTE)
    world.breach()
    world.breach("greenhouse")
    world.run(20 * MINUTE)
    assert world.told() == [("slack", "opened", "greenhouse-e1", 0)]
    silenced = [one for one in world.said() if one.reason == "silenced"]
    assert silenced[0].until_ms == T0 + 30 * MINUTE
    assert "ann" in silenced[0].sentence
    world.run(11 * MINUTE)
    assert world.told()[1:] == [("slack", "opened", "lever-e1", 0)]


def test_a_silence_that_is_ended_early_lets_go_at_once(world):
    world.silence(("rule", "=", "success"), end=30 * MINUTE)
    world.breach()
    world.run(MINUTE)
    world.end_silence()
    world.run(1)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]


def test_a_silence_by_schedule_holds_in_its_hours_only(world):
    # The world begins on a Friday, at 08:00 UTC.
    world.silence(
        ("rule", "=", "success"), end=9 * DAY, every="every fri 09:00-09:30 Europe/Berlin"
    )
    world.breach()
    world.run(29 * MINUTE)
    assert world.told() == []
    (silenced,) = [decision for decision in world.said() if decision.reason == "silenced"]
    assert silenced.until_ms == T0 + 30 * MINUTE
    assert "(every fri 09:00-09:30 Europe/Berlin)" in silenced.sentence
    world.run(2 * MINUTE)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]
    world.breach("greenhouse")
    world.run(MINUTE)
    assert world.told()[1:] == [("slack", "opened", "greenhouse-e1", 0)]
    world.run(7 * DAY - 32 * MINUTE)
    world.breach("ashby")
    world.run(MINUTE)
    assert ("slack", "opened", "ashby-e1", 0) not in world.told()


def test_a_silence_by_schedule_that_is_ended_early_lets_go_at_once(world):
    world.silence(("rule", "=", "success"), end=9 * DAY, every="every fri 08:00-12:00")
    world.breach()
    world.run(MINUTE)
    world.end_silence()
    world.run(1)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]


def muted_in(schedule, **more):
    routing = {"channels": ["slack"], "cooldown_ms": 0, "mute_time_intervals": {"night": schedule}}
    return {"routing": Routing.model_validate(routing | more)}


def test_a_time_interval_mutes_and_what_still_fires_is_told_at_its_end(world):
    # The world begins on a Friday, at 08:00 UTC.
    world.breach(**muted_in("every fri 09:00-09:30 Europe/Berlin"))
    world.breach("ashby", **muted_in("every fri 09:30-10:00 Europe/Berlin"))
    world.run(29 * MINUTE)
    assert world.told() == [("slack", "opened", "ashby-e1", 0)]
    (muted,) = [decision for decision in world.said() if decision.reason == "muted"]
    assert muted.until_ms == T0 + 30 * MINUTE
    assert "night (every fri 09:00-09:30 Europe/Berlin)" in muted.sentence
    world.breach("ashby", revision=2, state="resolved")
    world.run(2 * MINUTE)
    assert world.told()[1:] == [
        ("slack", "resolved", "ashby-e1", 0),
        ("slack", "opened", "lever-e1", 0),
    ]


def test_outside_its_active_intervals_a_rule_waits_for_the_next(world):
    active = {"active_time_intervals": {"later": "every fri 09:00-10:00"}}
    world.breach(**muted_in("every mon 09:00-09:30", **active))
    world.run(59 * MINUTE)
    assert world.told() == []
    assert "outside later (every fri 09:00-10:00)" in world.last().sentence
    world.run(2 * MINUTE)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]


def test_a_rule_file_without_the_interval_lets_go_at_once(world):
    world.breach(**muted_in("every fri 08:00-12:00"))
    world.run(MINUTE)
    world.breach(
        revision=2, state="updated", why="rule_changed", **muted_in("every mon 08:00-12:00")
    )
    world.run(1)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]


def test_a_schedule_that_is_none_is_refused(world):
    world.silence(("rule", "=", "success"), every="every caturday 08:00-12:00")
    (refused,) = [decision for decision in world.said() if decision.reason == "command_refused"]
    assert "'caturday' is no day" in refused.sentence


def test_what_was_told_before_a_silence_is_resolved_in_it(world):
    world.breach()
    world.deliver()
    world.silence(("rule", "=", "success"), end=30 * MINUTE)
    world.breach(revision=2, state="resolved")
    world.run(2_000)
    assert world.told()[-1] == ("slack", "resolved", "lever-e1", 0)
