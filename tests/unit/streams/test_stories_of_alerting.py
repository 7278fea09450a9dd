"""What alerting decides is understood by those who tell of it: the real step, the real words."""

import pytest

from schemas.breaches import Routing
from schemas.commands import CommandRecord
from streams.audit.log import CommandAnswer, Log
from streams.audit.status import alert_status
from streams.audit.why import history
from streams.audit.why_not import why_not
from tests.unit.streams.alerting.world import MINUTE, Rejected, Retry, World

FINGERPRINT = "fp-lever"


class Told(World):
    """A world whose records are kept as the topics keep them."""

    def __init__(self):
        self.log = Log()
        super().__init__()

    def take_breach(self, one, offset=None):
        said = super().take_breach(one, offset)
        self.log.add_breach(one, self.offset if offset is None else offset, self.now)
        return said

    def command(self, command, offset=None):
        said = super().command(command, offset)
        again = CommandRecord.model_validate_json(command.model_dump_json()).root
        self.log.add_command(again, self.offset if offset is None else offset, self.now)
        return said

    def alert_status(self, series="lever"):
        for decision in self.said():
            self.log.add_decision(decision)
        return alert_status(self.log, f"fp-{series}", self.now)

    def states(self, series="lever"):
        return {one.channel: one.state for one in self.alert_status(series).channels}


@pytest.fixture
def world():
    return Told()


def test_who_is_told_and_who_is_not_is_known_of_every_channel(world):
    world.breach(severity="medium", channels=("slack", "pager", "off", "bare", "nobody"))
    assert world.states() == {
        "slack": "pending",
        "pager": "not_sent",
        "off": "not_sent",
        "bare": "not_sent",
        "nobody": "not_sent",
        "mail": "pending",  # in bare's place
    }
    world.run(MINUTE)
    assert world.states()["slack"] == world.states()["mail"] == "sent"


def test_thirty_alerts_in_two_messages_are_all_told(world):
    for number in range(30):
        world.breach(f"s{number}")
    assert {world.states(f"s{number}")["slack"] for number in range(30)} == {"pending"}
    world.run(MINUTE)

    assert len(world.sent) == 2
    assert {world.states(f"s{number}")["slack"] for number in range(30)} == {"sent"}


def test_each_member_of_a_shared_message_tells_of_its_attempts(world):
    world.answers["slack"] = Retry(answer="503")
    for number in range(3):
        world.breach(f"s{number}")
    world.run(MINUTE // 2)
    world.alert_status("s2")

    for number in range(3):
        told = history(world.log, f"fp-s{number}")
        assert {"opened", "retry"} <= {one.what for one in told}, number


def test_a_message_that_is_given_up_redriven_and_told(world):
    world.answers["slack"] = Rejected(answer="404")
    world.breach()
    world.run(MINUTE)
    assert world.states() == {"slack": "failed", "mail": "sent"}
    delivery = next(one.delivery for one in world.said() if one.reason == "gave_up")

    del world.answers["slack"]
    world.redrive(delivery)
    answer = CommandAnswer(world.offset)
    world.run(MINUTE)
    for decision in world.said():
        answer.take(decision)

    assert world.states() == {"slack": "sent", "mail": "sent"}
    assert answer.decision.reason == "command_done"
    assert answer.outcome.reason == "sent"


def test_opened_and_resolved_before_the_receiver_took_it_is_told(world):
    world.answers["slack"] = Retry(answer="503")
    world.breach()
    world.deliver()
    world.breach(revision=2, state="resolved", resolved_ms=world.now)
    del world.answers["slack"]
    world.run(5 * MINUTE)

    found = world.alert_status()
    assert (found.state, world.states()) == ("resolved", {"slack": "sent"})
    assert found.channels[0].resolved_ms is not None


def test_acknowledged_until_it_gets_worse(world):
    world.breach()
    world.run(MINUTE)
    world.ack()
    assert (world.alert_status().state, world.alert_status().by) == ("acknowledged", "ann")
    world.now += 1
    world.breach(revision=2, state="updated", severity="critical")
    assert world.alert_status().state == "firing"


def test_a_time_interval_is_why_not_until_it_ends(world):
    interval = {"night": "every fri 08:00-08:10"}
    routing = {"channels": ["slack"], "cooldown_ms": 0, "mute_time_intervals": interval}
    world.breach(routing=Routing.model_validate(routing))
    assert world.states() == {"slack": "not_sent"}
    (why,) = why_not(world.log, "slack", 0)
    assert (why.reason, "night (every fri 08:00-08:10)" in why.sentence) == ("muted", True)
    (story,) = [it for it in history(world.log, FINGERPRINT) if it.what == "muted"]
    assert story.sentence == why.sentence
    world.run(11 * MINUTE)
    assert world.states() == {"slack": "sent"}


def test_a_silence_is_why_not_until_it_ends(world):
    world.silence(("platform", "=", "lever"), end=10 * MINUTE)
    world.breach()
    assert world.alert_status().state == "silenced"
    assert world.states() == {"slack": "not_sent"}
    assert [one.reason for one in why_not(world.log, "slack", 0)] == ["silenced"]
    assert "silence" in [one.what for one in history(world.log, FINGERPRINT)]
    world.run(MINUTE)
    world.end_silence()
    world.run(MINUTE)
    assert (world.alert_status().state, world.states()) == ("firing", {"slack": "sent"})
    assert "end silence" in [one.what for one in history(world.log, FINGERPRINT)]


def test_an_answer_is_known_for_every_command(world):
    world.breach()
    asked = [
        (lambda: world.ack(), False),
        (lambda: world.ack(name="again"), True),
        (lambda: world.silence(("platform", "=", "x")), False),
        (lambda: world.end_silence(), False),
        (lambda: world.end_silence("none", "other"), True),
        (lambda: world.redrive("none"), True),
        (lambda: world.test_channel("slack"), False),
        (lambda: world.test_channel("bare", "t2"), True),
        (lambda: world.test_channel("nobody", "t3"), True),
    ]
    for number, (ask, refused) in enumerate(asked):
        ask()
        answer = CommandAnswer(world.offset)
        for decision in world.said():
            answer.take(decision)
        assert answer.decision is not None, number
        assert answer.refused is refused, (number, answer.decision)


def test_a_test_message_is_followed(world):
    world.answers["slack"] = Rejected(answer="no_service")
    world.test_channel("slack")
    answer = CommandAnswer(world.offset)
    world.run(MINUTE)
    for decision in world.said():
        answer.take(decision)

    assert answer.refused
    assert answer.outcome.answer == "no_service"
