"""What waits to be sent is decided again before every attempt, as its alert is then."""

import pytest

from schemas.breaches import Routing
from streams.alerting.inputs import Channels
from streams.alerting.limits import DEADLINE_MS
from tests.unit.streams.alerting.world import CHANNELS, MINUTE, Retry

FAILS = Retry(answer="503", after_ms=30_000)
UNKNOWN = Retry(answer="cut", after_ms=30_000, ambiguous=True)
ESCALATION = [(MINUTE, ("mail",))]


def waiting(world, *, answer=FAILS, channel="slack", **more):
    """Return the world with a page that failed once and waits for its retry."""
    world.answers[channel] = answer
    world.breach(channels=(channel,), **more)
    world.deliver()
    world.now += 5_000
    world.answers = {}
    world.sent.clear()
    return world


def events(world, channel="slack"):
    return [event for _, event, *_ in world.told(channel)]


def over(world, channel="slack"):
    """Return the reason of the last decision about a delivery to the channel."""
    return [one for one in world.said() if one.delivery and one.channel == channel][-1].reason


# ------------------------------------------------------------------ acknowledged


def test_no_retry_follows_an_acknowledgement(world):
    waiting(world).ack()
    world.run(10 * MINUTE)
    assert world.sent == []
    assert over(world) == "acknowledged"


def test_what_waits_is_dropped_with_the_acknowledgement_and_not_when_its_time_comes(world):
    waiting(world).ack()
    assert over(world) == "acknowledged"
    assert world.alerting.queued.get("slack", 0) == 0


def test_no_escalation_is_retried_after_the_acknowledgement(world):
    world.breach(escalation=ESCALATION, severity="critical")
    world.answers["mail"] = FAILS
    world.run(MINUTE)
    world.answers = {}
    world.now += 10_000
    world.ack()
    world.run(30 * MINUTE)
    assert world.told("mail") == []
    assert over(world, "mail") == "acknowledged"


def test_a_request_in_flight_was_before_the_acknowledgement_and_its_retry_is_not(world):
    world.breach()
    attempt = world.claim("slack")
    world.ack()
    world.answer(attempt, FAILS)
    world.run(10 * MINUTE)
    assert world.sent == []
    assert over(world) == "acknowledged"


def test_a_claim_whose_request_has_not_begun_stands_no_more_after_the_acknowledgement(world):
    world.breach()
    attempt = world.claim("slack")
    assert world.alerting.may_send(attempt, world.now)
    world.ack()
    assert not world.alerting.may_send(attempt, world.now)
    world.answer(attempt, Retry(answer="Not sent.", after_ms=0, requested=False))
    assert world.alerting.circuit("slack").failures == 0
    world.run(10 * MINUTE)
    assert world.sent == []


def test_what_slack_certainly_did_not_hear_is_not_said_to_be_over(world):
    waiting(world).ack()
    world.run(MINUTE)
    world.breach(state="resolved", revision=2)
    world.run(10 * MINUTE)
    assert world.sent == []


def test_what_slack_may_have_heard_is_said_to_be_over(world):
    waiting(world, answer=UNKNOWN).ack()
    world.run(MINUTE)
    world.breach(state="resolved", revision=2)
    world.run(10 * MINUTE)
    assert events(world) == ["resolved"]


def test_a_rise_after_the_acknowledgement_tells_who_was_not_told(world):
    waiting(world).ack()
    world.breach(state="updated", revision=2, severity="critical", channels=("slack",))
    world.run(10 * MINUTE)
    assert events(world) == ["opened"]
    assert world.sent[0][2].breach.severity == "critical"


def test_pagerduty_is_not_told_of_an_acknowledgement_that_a_rise_ended(world):
    world.breach(channels=("pager",))
    world.deliver()
    world.answers["pager"] = FAILS
    world.ack()
    world.deliver()
    world.breach(state="updated", revision=2, severity="critical", channels=("pager",))
    world.answers = {}
    world.run(10 * MINUTE)
    assert events(world, "pager") == ["opened", "severity_raised"]


def test_a_fallback_is_not_told_of_what_is_acknowledged(world):
    world.answers["slack"] = FAILS
    world.breach()
    world.run(MINUTE)
    attempt = None
    while attempt is None:
        world.now = world.next_ms()
        world.tick()
        attempt = world.claim("slack")
    world.ack()
    world.now += DEADLINE_MS["high"]
    world.answer(attempt, FAILS)
    world.run(MINUTE)
    assert world.told("mail") == []
    assert world.reasons("mail") == ["acknowledged"]


# ------------------------------------------------------------------ silenced, inhibited


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
