"""What a receiver's answer means, and what a crash leaves."""

import itertools
import json

import pytest

from streams.alerting import limits
from streams.alerting.after_attempt import backoff_ms
from streams.alerting.engine import AlertEngine
from tests.unit.streams.alerting.world import (
    MINUTE,
    T0,
    Rejected,
    Retry,
    Sent,
    World,
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


GONE = Rejected(answer="410", gone=True)


def test_a_channel_that_is_gone_is_told_nothing_more_and_its_fallback_is(world):
    world.answers["slack"] = GONE
    world.breach("a")
    world.run(MINUTE)
    world.breach("b")
    world.run(MINUTE)
    assert world.reasons("slack") == ["due", "attempted", "gave_up", "undeliverable"]
    for said in world.said()[2:]:
        if said.channel == "slack":
            assert "answered 410 Gone" in said.sentence
            assert "`opwatch channels test slack`" in said.sentence
    assert world.told() == [("mail", "opened", "a-e1", 0), ("mail", "opened", "b-e1", 0)]


def test_what_waited_for_a_channel_that_is_gone_is_given_up_with_a_letter(world):
    for series in "abc":
        world.breach(series)
    world.answer(world.claim("slack"), GONE)
    world.now += 10_000
    assert world.claim("slack") is None
    world.write()
    assert world.reasons("slack").count("gave_up") == 3
    assert world.reasons("slack").count("attempted") == 1
    gave_up = [one.sentence for one in world.said() if one.reason == "gave_up"]
    assert gave_up[0].endswith("Gave up after 1 attempt.")
    assert gave_up[1].endswith("Gave up without an attempt.")


def test_a_channel_stays_gone_over_a_crash_another_rule_file_and_a_failed_test(world):
    world.answers["pager"] = GONE
    world.breach("a", channels=("pager",))
    world.run(MINUTE)
    world.start()
    world.alerting.use(world.channels)
    world.test_channel("pager")
    world.answer(world.claim("pager"), Retry(answer="503"))
    world.breach("b", channels=("pager",))
    assert world.last().reason == "undeliverable"


def test_a_test_that_gets_through_enables_a_channel_that_is_gone(world):
    world.answers["pager"] = GONE
    world.breach("a", channels=("pager",))
    world.run(MINUTE)
    world.breach("b", channels=("pager",))
    world.answers["pager"] = Sent()
    world.run(MINUTE)
    assert world.told() == []
    world.test_channel("pager")
    world.run(MINUTE)
    assert [told[1:3] for told in world.told()] == [("test", "t1"), ("opened", "b-e1")]
    world.breach("b", revision=2, state="resolved", channels=("pager",))
    world.run(MINUTE)
    assert world.told()[-1] == ("pager", "resolved", "b-e1", 0)


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


def test_a_parcel_is_sent_again_under_the_same_name(world):
    for name in ("a", "b", "c"):
        world.breach(name)
    world.deliver()
    world.now += limits.GROUP_WAIT_MS
    first = world.claim("slack")
    world.answer(first, Retry(answer="503"))
    world.now += MINUTE
    second = world.claim("slack")
    assert first.message == second.message
    assert len(second.message.others) == 1


def test_a_member_that_resolves_stays_in_the_message(world):
    for name in ("a", "b", "c"):
        world.breach(name, channels=("pager",))
    world.deliver()
    world.breach("c", revision=2, state="resolved", channels=("pager",))
    world.run(MINUTE)
    message = world.sent[1][2]
    assert (message.event, message.breach.id) == ("opened", "b-e1")
    assert [one.state for one in message.others] == ["resolved"]
    world.breach("b", revision=2, state="resolved", channels=("pager",))
    world.run(MINUTE)
    assert world.told()[2:] == [("pager", "resolved", "b-e1", 0)]
    assert world.sent[2][2].incident == message.incident


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


def test_a_message_without_its_head_finds_another_after_a_crash(world):
    for name in ("a", "b", "c"):
        world.breach(name)
    world.deliver()
    head = next(k for k in world.packed if k == b"fp-b")
    world.packed.pop(head)
    world.alerting = AlertEngine(dict(world.packed), world.channels, "g9")
    world.run(MINUTE)
    assert world.told()[-1] == ("slack", "opened", "c-e1", 0)


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


def test_a_shared_message_goes_out_though_the_alert_that_carried_it_is_over():
    world = World()
    for name in ("a", "b", "c"):
        world.breach(name, severity="medium")
        world.run(MINUTE)
    for name in ("a", "b", "c"):
        world.breach(name, revision=2, state="updated", severity="high")
    world.breach("b", revision=3, state="resolved", severity="high")
    world.run(MINUTE)

    raised = [one for one in world.told("slack") if one[1] == "severity_raised"]
    assert raised == [
        ("slack", "severity_raised", "a-e1", 0),
        ("slack", "severity_raised", "c-e1", 0),
    ]
