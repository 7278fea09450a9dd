"""What waits to be sent is dropped once its alert is acknowledged."""

from streams.alerting.limits import DEADLINE_MS
from tests.unit.streams.alerting.retries import FAILS, UNKNOWN, events, over, waiting
from tests.unit.streams.alerting.world import MINUTE, Retry

ESCALATION = [(MINUTE, ("mail",))]


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
