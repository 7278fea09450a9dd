"""What a receiver's answer means, and what a crash leaves."""

import itertools
import json

import pytest

from streams.alerting import limits
from streams.alerting.after_attempt import backoff_ms
from tests.unit.streams.alerting.world import (
    MINUTE,
    T0,
    Rejected,
    Retry,
    Sent,
)


def test_a_failed_opening_that_resolves_is_told_in_one_message(world):
    world.breach()
    attempt = world.claim("slack")
    world.answer(attempt, Retry(answer="429", after_ms=20_000))
    world.now += 10_000
    world.breach(revision=2, state="resolved")
    world.run(MINUTE)
    ((at, _, message),) = world.sent
    assert at == T0 + 20_000
    assert (message.event, message.announces_opening) == ("resolved", True)


def test_a_resolve_waits_for_an_opening_in_flight(world):
    world.breach()
    attempt = world.claim("slack")
    world.breach(revision=2, state="resolved")
    world.now += 2_000
    assert world.claim("slack") is None
    world.answer(attempt, Sent())
    world.run(MINUTE)
    assert [message.event for *_, message in world.sent] == ["opened", "resolved"]
    assert not world.sent[1][2].announces_opening


def test_a_resolve_takes_the_place_of_an_opening_in_flight_that_failed(world):
    world.breach()
    attempt = world.claim("slack")
    world.breach(revision=2, state="resolved")
    world.answer(attempt, Retry(answer="503"))
    world.run(MINUTE)
    ((_, _, message),) = world.sent
    assert (message.event, message.announces_opening) == ("resolved", True)


def test_an_attempt_that_may_have_got_through_is_resolved_with_its_opening(world):
    world.breach(channels=("pager",))
    attempt = world.claim("pager")
    world.answer(attempt, Retry(answer="timeout", ambiguous=True))
    world.breach(revision=2, state="resolved", channels=("pager",))
    world.run(MINUTE)
    assert [message.event for *_, message in world.sent] == ["opened", "resolved"]
    assert len({message.incident for *_, message in world.sent}) == 1
    assert len({message.delivery for *_, message in world.sent}) == 2


def test_retries_end_at_the_deadline_with_a_letter_and_the_fallback(world):
    world.answers["slack"] = Retry(answer="503 from the receiver")
    world.breach()
    letters = []
    published = world.alerting.unpublished

    def watched():
        for one in published():
            letters.extend([one.dead_letter] if one.dead_letter else [])
            yield one

    world.alerting.unpublished = watched
    world.run(60 * MINUTE)
    assert world.told() == [("mail", "opened", "lever-e1", 0)]
    reasons = world.reasons()
    assert reasons[-4:] == ["fallback", "due", "attempted", "sent"]
    gave_up = next(one for one in world.said() if one.reason == "gave_up")
    assert gave_up.now_ms <= T0 + limits.DEADLINE_MS["high"]
    letter = json.loads(letters[0])
    assert letter["breach"]["id"] == "lever-e1"
    assert letter["answer"] == "503 from the receiver"
    world.breach(revision=2, state="resolved")
    world.run(MINUTE)
    assert world.told()[1:] == [("mail", "resolved", "lever-e1", 0)]


@pytest.mark.parametrize(
    ("confirmed", "sentence"),
    [
        (True, "slack: delivered (opened)."),
        (False, "slack: accepted, not confirmed as delivered (opened)."),
    ],
)
def test_what_a_vendor_only_accepted_is_not_recorded_as_delivered(world, confirmed, sentence):
    world.breach()
    world.answer(world.claim("slack"), Sent(answer="202", confirmed=confirmed))
    (sent,) = [one for one in world.said() if one.reason == "sent"]
    assert sent.sentence == sentence


def test_a_refusal_for_good_is_not_tried_again(world):
    world.answers["slack"] = Rejected(answer="404 no_service")
    world.breach()
    world.run(MINUTE)
    assert world.reasons("slack") == ["due", "attempted", "gave_up"]
    assert world.told() == [("mail", "opened", "lever-e1", 0)]


def test_a_circuit_opens_and_says_so(world):
    world.answers["slack"] = Retry(answer="connection refused")
    world.breach()
    world.run(3 * MINUTE)
    retries = [one for one in world.said() if one.reason == "retry"]
    assert "nothing is sent" in retries[limits.CIRCUIT_FAILURES - 1].sentence
    opened = retries[limits.CIRCUIT_FAILURES - 1]
    assert opened.until_ms >= opened.now_ms + limits.CIRCUIT_OPEN_MS
    world.answers["slack"] = Sent()
    world.run(2 * MINUTE)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]
    assert world.alerting.next_attempt_ms("slack") is None


def test_a_claim_of_another_process_is_waited_out(world):
    world.breach()
    world.claim("slack")
    world.start()
    world.run(limits.LEASE_MS - 1)
    assert world.told() == []
    world.run(MINUTE)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]
    assert world.sent[0][0] >= T0 + limits.LEASE_MS
    lapsed = next(one for one in world.said() if one.reason == "retry")
    assert lapsed.cause.kind == "tick"


def test_an_answer_to_a_claim_that_lapsed_changes_nothing(world):
    world.breach()
    attempt = world.claim("slack")
    world.now += limits.LEASE_MS
    world.tick()
    again = world.claim("slack")
    assert again.attempt == 2
    assert world.answer(attempt, Sent()) == 0
    assert world.answer(again, Sent()) == 1
    assert world.answer(again, Sent()) == 0


def test_slack_is_asked_once_a_second(world):
    for i in range(4):
        world.breach(f"p{i}", channels=("slack",))
        world.now += limits.GROUP_WAIT_MS
    times = []
    until = world.now + 10_000
    while world.now < until:
        if (attempt := world.claim("slack")) is not None:
            times.append(world.now)
            world.answer(attempt, Sent())
        world.now += 100
    assert [b - a for a, b in itertools.pairwise(times)] == [1_000] * 3


def test_the_worst_goes_first(world):
    world.breach("a", severity="low", channels=("mail",))
    world.now += limits.GROUP_WAIT_MS
    world.breach("b", severity="critical", channels=("mail",))
    assert world.claim("mail").message.breach.id == "b-e1"


def test_a_redrive_sends_what_was_given_up(world):
    world.answers["mail"] = Rejected(answer="550")
    world.breach(channels=("mail",))
    world.run(MINUTE)
    gave_up = world.last()
    assert gave_up.reason == "gave_up"
    world.answers["mail"] = Sent()
    world.redrive(gave_up.delivery)
    world.run(MINUTE)
    assert world.told() == [("mail", "opened", "lever-e1", 0)]
    world.redrive(gave_up.delivery)
    assert world.last().reason == "duplicate"
    world.redrive("unknown", name="r2")
    assert world.last().reason == "command_refused"
    world.breach(revision=2, state="resolved", channels=("mail",))
    world.run(MINUTE)
    assert world.told()[1:] == [("mail", "resolved", "lever-e1", 0)]


def test_a_channel_is_tested(world):
    world.test_channel("slack")
    world.test_channel("nobody", name="t2")
    world.test_channel("bare", name="t3")
    world.run(MINUTE)
    assert [message.event for *_, message in world.sent] == ["test"]
    assert {"unknown_channel", "undeliverable"} <= set(world.reasons())


def test_rows_go_when_nothing_is_owed_and_stay_when_it_fires(world):
    world.breach("a")
    world.breach("b")
    world.silence(("rule", "=", "another"))
    world.test_channel("mail")
    world.run(MINUTE)
    world.breach("a", revision=2, state="resolved")
    world.run(2 * 60 * MINUTE)
    assert set(world.packed) == {b"fp-b"}


def test_a_refused_command_says_why(world):
    world.ack("nobody")
    world.silence(("rule", "=~", "("))
    world.silence(("rule", "=", "a"), name="s2", start=2, end=1)
    world.silence(("rule", "=", "a"), name="s3", start=-2, end=-1)
    world.end_silence("s9", "c2")
    assert set(world.reasons()) == {"command_refused"}
    assert len(world.said()) == 5
    assert all(one.sentence.endswith(".") for one in world.said())


@pytest.mark.parametrize(
    ("attempt", "jitter", "after", "expected"),
    [
        (1, 0.0, None, 0),
        (1, 0.5, None, 1_000),
        (9, 0.999, None, 59_940),
        (3, 0.5, 7_000, 7_000),
        (3, 0.5, 10**9, limits.RETRY_AFTER_MAX_MS),
    ],
)
def test_backoff(attempt, jitter, after, expected):
    assert backoff_ms(attempt, jitter, after) == expected
