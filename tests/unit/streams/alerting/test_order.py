"""What is said in which order, once, and again when the channels change."""

import pytest

from streams.alerting import limits
from streams.alerting.engine import AlertEngine
from streams.alerting.inputs import BreachInput, Channels, Tick
from streams.alerting.state import unpack_state, version_of
from tests.unit.streams.alerting.world import (
    CHANNELS,
    MINUTE,
    MISSING,
    Rejected,
    Retry,
    breach,
)


def use(world, channels):
    world.channels = Channels.of(channels, MISSING)
    world.alerting.use(world.channels)


def given_up(world):
    return next(one.delivery for one in world.said() if one.reason == "gave_up")


def test_a_row_that_is_deleted_and_made_again_goes_on_from_its_version(world):
    world.breach(cooldown_ms=0)
    world.run(MINUTE)
    world.breach(state="resolved", revision=2, cooldown_ms=0)
    world.run(10 * MINUTE)
    known = version_of(world.packed[b"fp-lever"])
    world.now += 70 * MINUTE
    world.alerting.apply(Tick(), world.now)  # deletes it, and nothing is written yet
    one = breach(episode="e9", at_ms=world.now)
    given = BreachInput(breach=one, raw=one.model_dump_json().encode(), offset=99)
    world.alerting.apply(given, world.now)
    ((key, row),) = world.alerting.take_changes()
    assert version_of(row) > known
    assert unpack_state(row).newest == "lever-e9/1"
    assert AlertEngine({key: row}, world.channels, "g2").queued == {"slack": 1}


def test_a_channel_that_comes_later_is_told_of_what_still_fires(world):
    use(world, [one for one in CHANNELS if one.name != "slack"])
    world.breach("lever")
    world.breach("ashby")
    world.run(MINUTE)
    assert world.reasons("slack") == ["unknown_channel"] * 2
    world.breach("ashby", state="resolved", revision=2)
    world.start()
    use(world, CHANNELS)
    world.run(MINUTE)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]


def test_a_channel_that_is_disabled_is_told_of_ends_only(world):
    world.breach("lever", severity="low")
    world.run(10_000)
    world.answers["slack"] = Retry(answer="500")
    world.breach("ashby")
    world.breach("workday")
    world.run(8_000)
    world.breach("workday", state="resolved", revision=2)
    world.breach("lever", severity="low", state="resolved", revision=2)
    world.answers = {}
    disabled = [
        one.model_copy(update={"enabled": False}) if one.name == "slack" else one
        for one in CHANNELS
    ]
    use(world, disabled)
    world.run(5 * MINUTE)
    assert world.told("slack") == [
        ("slack", "opened", "lever-e1", 0),
        ("slack", "resolved", "lever-e1", 0),
    ]
    assert world.told("mail") == [  # it stands in for slack
        ("mail", "opened", "ashby-e1", 0),
        ("mail", "resolved", "workday-e1", 0),
    ]


def test_pagerduty_that_may_have_heard_of_it_hears_who_acknowledged(world):
    world.answers["pager"] = Retry(answer="cut", ambiguous=True)
    world.breach(channels=("pager",))
    world.deliver()
    world.ack()
    world.answers = {}
    world.run(5 * MINUTE)
    assert [event for _, event, *_ in world.told("pager")] == ["opened", "acknowledged"]


def test_what_was_driven_again_is_not_once_more(world):
    world.answers["slack"] = Rejected(answer="404")
    world.breach()
    world.run(MINUTE)
    world.answers = {}
    world.redrive(given_up(world), name="r1")
    world.run(MINUTE)
    world.redrive(given_up(world), name="r2")
    world.run(MINUTE)
    assert world.reasons()[-1] == "command_refused"
    assert world.told("slack") == [("slack", "opened", "lever-e1", 0)]


def test_what_was_told_graver_since_is_not_driven_again(world):
    world.answers["slack"] = Rejected(answer="404")
    world.breach(severity="medium")
    world.run(MINUTE)
    world.answers = {}
    world.breach(state="updated", revision=2, severity="critical")
    world.run(MINUTE)
    world.redrive(given_up(world))
    world.run(MINUTE)
    assert world.said()[-1].sentence == "slack is notified of it already."
    assert [one.breach.severity for _, to, one in world.sent if to == "slack"] == ["critical"]


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_of_an_episode_is_told_before_the_next_one_opens(world, fails):
    more = {"cooldown_ms": MINUTE}
    world.breach(severity="low", **more)
    world.run(2 * MINUTE)
    world.answers = {"slack": Retry(answer="503")} if fails else {}
    world.breach(severity="low", state="resolved", revision=2, **more)
    world.run(2 * MINUTE if fails else 0)
    world.breach(severity="critical", episode="e2", at_ms=world.now, **more)
    world.now += 35_000 if fails else 0
    world.tick()
    world.answers = {}
    world.run(10 * MINUTE)
    assert [told[1:3] for told in world.told("slack")] == [
        ("opened", "lever-e1"),
        ("resolved", "lever-e1"),
        ("opened", "lever-e2"),
    ]


def test_a_tick_looks_at_so_many_rows_and_no_more(world, monkeypatch):
    monkeypatch.setattr(limits, "ROWS_A_TICK", 2)
    world.silence(("platform", "=~", "p.*"))
    for number in range(5):
        world.breach(f"p{number}")
    world.now += MINUTE
    world.tick()
    decided = ("due", "grouped")
    assert sum(reason in decided for reason in world.reasons()) == 2
    world.run(MINUTE)
    assert sum(reason in decided for reason in world.reasons()) == 5


def test_deliveries_that_are_forgotten_leave_nothing_behind(world):
    for number in range(5):
        name, at_ms = f"e{number}", world.now
        world.breach(episode=name, at_ms=at_ms, cooldown_ms=0)
        world.run(MINUTE)
        world.breach(episode=name, at_ms=at_ms, state="resolved", revision=2, cooldown_ms=0)
        world.run(15 * MINUTE)
    table = world.alerting._table
    kept = {one.id for row in table.states.values() for one in getattr(row, "deliveries", ())}
    assert set(table.batches._key_of) == kept
