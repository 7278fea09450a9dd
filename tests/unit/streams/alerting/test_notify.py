"""Who is told that an alert opened, rose or was left alone, and who is not and why."""

import pytest

from schemas.breaches import Routing
from tests.unit.streams.alerting.world import MINUTE, T0, Rejected, World, breach

DAY = 24 * 60 * MINUTE


@pytest.fixture
def world():
    return World()


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
