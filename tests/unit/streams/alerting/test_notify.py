"""Who is told that an alert opened, rose or was left alone, and who is not and why."""

import pytest

from tests.unit.streams.alerting.world import MINUTE, T0, Rejected


def test_an_opening_is_sent_at_once_and_on_record(world):
    world.breach()
    world.deliver()
    assert world.told() == [("slack", "opened", "lever-e1", 0)]
    assert world.reasons() == ["due", "attempted", "sent"]
    due, attempted, sent = world.said()
    assert due.cause.kind == "breach"
    assert due.cause.offset == 0
    assert attempted.attempt == 1
    assert sent.answer == "ok"
    assert due.delivery == sent.delivery == due.batch


@pytest.mark.parametrize(
    ("channel", "severity", "reason"),
    [
        ("nobody", "high", "unknown_channel"),
        ("off", "high", "channel_disabled"),
        ("pager", "low", "below_severity"),
        ("bare", "high", "undeliverable"),
    ],
)
def test_a_channel_that_is_not_told_is_on_record(world, channel, severity, reason):
    world.breach(channels=(channel,), severity=severity)
    assert world.reasons(channel) == [reason]
    assert all(one.sentence for one in world.said())


def test_a_channel_without_its_secret_falls_through_to_its_fallback(world):
    world.breach(channels=("bare",))
    world.deliver()
    assert world.reasons() == ["undeliverable", "fallback", "due", "attempted", "sent"]
    assert world.told() == [("mail", "opened", "lever-e1", 0)]


def test_a_rule_without_channels_says_so(world):
    world.breach(channels=())
    assert world.reasons() == ["no_channel"]


def test_a_new_episode_within_the_cooldown_is_held_and_sent_if_it_still_fires(world):
    world.breach()
    world.run(MINUTE)
    world.breach(revision=2, state="resolved")
    world.run(MINUTE)
    world.breach(episode="e2", at_ms=T0 + 2 * MINUTE)
    assert world.last().reason == "cooldown"
    assert world.last().until_ms == T0 + 10 * MINUTE
    world.run(20 * MINUTE)
    assert [at for at, *_ in world.sent] == [T0, T0 + MINUTE, T0 + 10 * MINUTE]
    assert world.told()[-1] == ("slack", "opened", "lever-e2", 0)


def test_what_was_held_and_resolved_is_told_to_nobody(world):
    world.breach()
    world.run(MINUTE)
    world.breach(revision=2, state="resolved")
    world.breach(episode="e2", at_ms=T0 + 1)
    world.breach(episode="e2", at_ms=T0 + 1, revision=2, state="resolved")
    world.run(60 * MINUTE)
    assert world.told() == [
        ("slack", "opened", "lever-e1", 0),
        ("slack", "resolved", "lever-e1", 0),
    ]
    assert world.reasons().count("cancelled") == 1


def test_a_higher_severity_breaks_a_cooldown_and_a_lower_one_does_not(world):
    world.breach()
    world.run(MINUTE)
    world.breach(revision=2, state="resolved")
    world.run(MINUTE)
    world.breach(episode="e2", at_ms=T0 + 1, severity="medium")
    assert world.last().reason == "cooldown"
    world.breach(episode="e2", at_ms=T0 + 1, revision=2, state="updated", severity="critical")
    world.run(MINUTE)
    assert world.told()[-1] == ("slack", "opened", "lever-e2", 0)


def test_a_rise_is_told_once_to_who_was_told(world):
    world.breach(severity="medium", channels=("slack", "pager"))
    world.run(MINUTE)
    world.breach(severity="critical", revision=2, state="updated", channels=("slack", "pager"))
    world.run(MINUTE)
    world.breach(severity="medium", revision=3, state="updated", channels=("slack", "pager"))
    world.breach(severity="critical", revision=4, state="updated", channels=("slack", "pager"))
    world.run(MINUTE)
    assert world.told() == [
        ("slack", "opened", "lever-e1", 0),
        ("slack", "severity_raised", "lever-e1", 0),
        ("pager", "opened", "lever-e1", 0),
    ]


def test_an_update_that_nobody_needs_is_on_record(world):
    world.breach()
    world.breach(revision=2, state="updated", why="confirmed")
    assert world.last().reason == "updated"


def test_a_known_revision_and_a_known_offset(world):
    world.breach()
    world.breach()
    assert world.last().reason == "duplicate"
    before = dict(world.packed)
    assert world.breach(offset=1) == 0
    assert world.packed == before


def test_an_escalation_gets_its_own_level_until_somebody_acknowledges(world):
    steps = [(5 * MINUTE, ("slack", "pager")), (10 * MINUTE, ("mail",))]
    world.breach(escalation=steps)
    world.run(6 * MINUTE)
    assert world.told()[1:] == [
        ("slack", "escalated", "lever-e1", 0),
        ("pager", "escalated", "lever-e1", 0),
    ]
    assert [message.level for *_, message in world.sent] == [0, 1, 1]
    world.ack()
    world.run(20 * MINUTE)
    assert world.told()[3:] == [("pager", "acknowledged", "lever-e1", 0)]
    world.breach(revision=2, state="resolved", escalation=steps)
    world.run(MINUTE)
    assert sorted(world.told()[4:]) == [
        ("pager", "resolved", "lever-e1", 0),
        ("slack", "resolved", "lever-e1", 0),
    ]


def test_an_acknowledgement_of_an_old_episode_mutes_nothing(world):
    steps = [(5 * MINUTE, ("pager",))]
    world.breach(cooldown_ms=0)
    world.breach(revision=2, state="resolved")
    world.breach(episode="e2", at_ms=T0 + 1, escalation=steps)
    world.ack(episode="e1")
    assert world.last().reason == "command_refused"
    world.run(6 * MINUTE)
    assert ("pager", "escalated", "lever-e2", 0) in world.told()


def test_a_rise_ends_an_acknowledgement(world):
    steps = [(5 * MINUTE, ("mail",))]
    world.breach(escalation=steps)
    world.run(1)
    world.ack()
    world.breach(revision=2, state="updated", severity="critical", escalation=steps)
    world.run(6 * MINUTE)
    assert [event for _, event, *_ in world.told()] == ["opened", "severity_raised", "escalated"]


def test_what_is_stale_is_told_only_once_it_is_still_true(world):
    world.breach(stale=True, escalation=[(MINUTE, ("mail",))])
    assert world.last().reason == "stale"
    world.run(60 * MINUTE)
    assert world.told() == []
    world.breach(revision=2, state="updated", why="still_true")
    world.run(MINUTE)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]


def test_an_episode_that_came_too_late_changes_nothing(world):
    world.breach(episode="e2", at_ms=T0 + MINUTE)
    world.breach(episode="e1", at_ms=T0)
    assert world.last().reason == "not_told"
    world.run(MINUTE)
    assert world.told() == [("slack", "opened", "lever-e2", 0)]


def test_an_episode_nobody_ended_is_ended_by_the_next(world):
    world.breach(channels=("pager",), cooldown_ms=0)
    world.run(MINUTE)
    world.breach(episode="e2", at_ms=T0 + MINUTE, channels=("pager",), cooldown_ms=0)
    world.run(MINUTE)
    assert sorted(world.told()) == [
        ("pager", "opened", "lever-e1", 0),
        ("pager", "opened", "lever-e2", 0),
        ("pager", "resolved", "lever-e1", 0),
    ]


def test_thirty_platforms_are_two_messages_and_two_resolves(world):
    channels = ("slack", "pager", "mail")
    for i in range(30):
        world.breach(f"p{i}", channels=channels)
        world.run(100)
    world.run(MINUTE)
    assert [len(world.told(one)) for one in channels] == [2, 2, 2]
    assert world.reasons("slack").count("grouped") == 29
    for i in range(30):
        world.breach(f"p{i}", revision=2, state="resolved", channels=channels)
        world.run(100)
    world.run(MINUTE)
    assert [len(world.told(one)) for one in channels] == [4, 4, 4]
    pager = [message for _, to, message in world.sent if to == "pager"]
    assert {one.incident for one in pager[:2]} == {one.incident for one in pager[2:]}


def test_a_storm_is_one_summary(world):
    for i in range(40):
        world.breach(f"p{i}", severity="critical" if i == 30 else "high")
        world.run(5_000)
        if world.now - T0 >= 85_000:
            break
    for i in range(40, 60):
        world.breach(f"p{i}")
    world.run(MINUTE)
    events = [message.event for *_, message in world.sent]
    assert events[:10] == ["opened"] * 10
    assert events.count("summary") >= 1
    assert "storm" in world.reasons()
    told = {breach.id for *_, m in world.sent for breach in (m.breach, *m.others)}
    assert len(told) == len({one.breach_id for one in world.said()})


def test_a_failed_escalation_leaves_the_cooldown_of_the_opening_that_was_heard(world):
    more = {"cooldown_ms": 30 * MINUTE}
    world.breach(escalation=[(MINUTE, ("slack",))], **more)
    world.run(30_000)
    world.answers["slack"] = Rejected(answer="refused")
    world.run(MINUTE)
    world.answers = {}
    world.breach(state="resolved", revision=2, **more)
    world.run(MINUTE)
    world.breach(episode="e2", at_ms=T0 + 3 * MINUTE, **more)
    world.run(10 * MINUTE)
    assert "cooldown" in world.reasons("slack")
    assert ("slack", "opened", "lever-e2", 0) not in world.told()
