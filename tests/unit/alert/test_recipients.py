"""What several recipients of one message answer together, and how long it is remembered."""

from pydantic import TypeAdapter

from agents.alert.receivers import Receivers
from agents.channels.sender import Recipients
from agents.runtime.settings import Settings
from schemas.channels import Channel
from streams.channels.response_meaning import Rejected, Retry, Sent


def test_who_heard_makes_the_failure_of_the_others_ambiguous_at_each_attempt():
    recipients = Recipients()
    for asked in (["a", "b"], ["b"], ["b"]):
        left = recipients.left("d", ["a", "b"])
        assert left == asked
        answers = {one: Sent(answer="250") if one == "a" else Retry(answer="451") for one in left}
        answer = recipients.settle("d", answers)
        assert isinstance(answer, Retry)
        assert answer.ambiguous


def test_while_nobody_heard_nothing_is_ambiguous():
    answers = {"a": Rejected(answer="550"), "b": Retry(answer="451")}
    assert not Recipients().settle("d", answers).ambiguous


def test_who_was_told_is_remembered_when_the_rule_file_is_read_again(monkeypatch):
    monkeypatch.setenv("SMTP_HOST", "localhost")
    receivers = Receivers(Settings())

    def take(*to):
        channel = {"name": "mail", "type": "email", "to": list(to)}
        receivers.take(TypeAdapter(list[Channel]).validate_python([channel]))
        return receivers.senders["mail"]

    first = take("a@example.org", "b@example.org")
    assert take("a@example.org", "b@example.org") is first
    monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
    second = take("a@example.org", "b@example.org")
    assert second is not first
    assert take("a@example.org") is not second
