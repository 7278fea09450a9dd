"""A command is answered by what follows from it."""

from streams.audit.log import CommandAnswer
from tests.unit.streams.story_samples import Records


def test_only_what_follows_from_the_command_answers_it(records: Records):
    answer = CommandAnswer(records.asked("acknowledge"))
    answer.take(records.decision("command_done", cause={"kind": "command", "offset": 5}))
    assert answer.decision is None
    answer.take(records.decision("command_done"))
    answer.take(records.decision("cancelled", delivery="d"))
    assert answer.decision is not None
    assert answer.decision.reason == "command_done"
    assert not answer.refused


def test_a_refusal_is_known_as_one(records: Records):
    for reason in ("command_refused", "unknown_channel", "undeliverable"):
        answer = CommandAnswer(records.asked("test_channel", channel="nobody"))
        answer.take(records.decision(reason))
        assert answer.refused


def test_a_test_message_is_followed_to_its_receivers_answer(records: Records):
    answer = CommandAnswer(records.asked("test_channel", channel="slack_engineering"))
    delivery = {"delivery": "d", "parcel": "d", "event": "test"}
    other = {"kind": "delivery"}
    answer.take(records.decision("due", "slack_engineering", **delivery))
    answer.take(records.decision("retry", "slack_engineering", cause=other, **delivery))
    assert answer.retry is not None
    assert answer.outcome is None
    answer.take(records.decision("sent", "slack_engineering", cause=other, delivery="another"))
    assert answer.outcome is None
    answer.take(records.decision("gave_up", "slack_engineering", cause=other, **delivery))
    assert answer.refused
