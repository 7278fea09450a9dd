"""Each channel × each answer: what is retried, when, and what is recorded."""

import json
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.channels.response_meaning import Rejected, Retry, Sent
from tests.integration.sending import OPENED_MS, channels, client, made
from tests.receivers.everyone import Everyone, everyone
from tests.receivers.mail import MailSay
from tests.receivers.says import Cut, CutBody, Drip, Endless, Hang, Say, Status, redirect
from tests.unit.messages.samples import breach, message, resolved

HTTP = ("slack", "pagerduty", "sms", "teams", "webhook")
DEADLINE_S = 0.4
SUCCESS = {"slack": 200, "pagerduty": 202, "sms": 201, "teams": 202, "webhook": 200}


@pytest.fixture
async def to(tmp_path: Path):
    async with everyone(tmp_path) as receivers:
        yield receivers


@dataclass(frozen=True)
class Case:
    """What a receiver says, and what is made of it."""

    say: Say
    answer: type
    recorded: str
    after_ms: int | None = None
    ambiguous: bool = False
    only: tuple[str, ...] = HTTP
    gone: bool = False


def status(code: int, body: bytes = b"", **headers: str) -> Status:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Status(status=code, body=body, headers=named)


def twilio(code: int, number: int) -> Status:
    return status(code, b'{"code": %d, "message": "no"}' % number)


CASES = [
    Case(status(429), Retry, "429"),
    Case(status(429, retry_after="7"), Retry, "429", after_ms=7_000),
    Case(status(429, retry_after="Fri, 15 Jan 2027 08:00:31 GMT"), Retry, "429", after_ms=31_000),
    Case(status(429, retry_after="Thu, 01 Jan 1970 00:00:00 GMT"), Retry, "429", after_ms=0),
    Case(status(429, retry_after="soon"), Retry, "429"),
    Case(status(429, retry_after="99999999"), Retry, "429", after_ms=86_400_000),
    Case(status(408), Retry, "408"),
    Case(status(425), Retry, "425"),
    Case(status(500, b"boom"), Retry, "500 boom", only=("slack", "pagerduty", "teams", "webhook")),
    Case(status(500, b"boom"), Retry, "500 boom", ambiguous=True, only=("sms",)),
    Case(status(502), Retry, "502", ambiguous=True),
    Case(
        status(503, retry_after="2"), Retry, "503", 2_000,
        only=("slack", "pagerduty", "teams", "webhook"),
    ),
    Case(status(503, retry_after="2"), Retry, "503", 2_000, ambiguous=True, only=("sms",)),
    Case(status(504), Retry, "504", ambiguous=True),
    Case(status(400, b"bad"), Rejected, "400 bad"),
    Case(status(401), Rejected, "401"),
    Case(status(403), Rejected, "403"),
    Case(status(404), Rejected, "404"),
    Case(status(410), Rejected, "410", only=("slack", "pagerduty", "sms", "teams")),
    Case(status(410), Rejected, "410", only=("webhook",), gone=True),
    Case(redirect("https://elsewhere.example/"), Rejected, "307: redirects are not followed"),
    Case(redirect("https://elsewhere.example/", 301), Rejected, "redirects are not followed"),
    Case(redirect("https://elsewhere.example/", 303), Rejected, "redirects are not followed"),
    Case(Hang(), Retry, "No answer within 0.", ambiguous=True),
    Case(Cut(), Retry, "The connection broke before an answer came", ambiguous=True),
    # The status says it all, but for Slack, whose success is in the body.
    Case(CutBody(status=200, part=b"o"), Retry, "cut off", ambiguous=True, only=("slack",)),
    Case(CutBody(status=200, part=b"ok"), Retry, "cut off", ambiguous=True, only=("slack",)),
    Case(CutBody(status=202, part=b"{"), Sent, "202 {", only=("pagerduty",)),
    Case(CutBody(status=201, part=b"{"), Sent, "201 {", only=("sms",)),
    Case(CutBody(status=204, part=b""), Sent, "204", only=("webhook",)),
    Case(
        CutBody(status=503, part=b"x"), Retry, "503",
        only=("slack", "pagerduty", "teams", "webhook"),
    ),
    Case(Drip(status=200), Retry, "cut off", ambiguous=True, only=("slack",)),
    Case(Drip(status=200), Sent, "200", only=("webhook",)),
    Case(Endless(status=200), Retry, "not Slack's ok", only=("slack",)),
    Case(Endless(status=200), Sent, "200 ....", only=("webhook",)),
    # Slack: 200 and `ok`, nothing else.
    Case(status(200, b"ok"), Sent, "200 ok", only=("slack",)),
    Case(status(200, b"okay"), Retry, "not Slack's ok", only=("slack",)),
    Case(status(200, b"<html>"), Retry, "not Slack's ok", only=("slack",)),
    Case(status(201, b"ok"), Retry, "201 ok", ambiguous=True, only=("slack",)),
    Case(status(200, b"no_service"), Rejected, "no_service", only=("slack",)),
    Case(status(400, b"invalid_payload"), Rejected, "400 invalid_payload", only=("slack",)),
    Case(status(404, b"channel_not_found"), Rejected, "channel_not_found", only=("slack",)),
    Case(status(410, b"channel_is_archived"), Rejected, "is_archived", only=("slack",)),
    # PagerDuty: 202, nothing else.
    Case(status(200, b"{}"), Retry, "200", ambiguous=True, only=("pagerduty",)),
    Case(
        status(400, b'{"message":"invalid event","errors":["length","key"]}'),
        Rejected, "400 invalid event: length, key", only=("pagerduty",),
    ),
    # Twilio's codes say more than its statuses.
    Case(twilio(429, 20429), Retry, "429 20429 no", only=("sms",)),
    Case(twilio(503, 20429), Retry, "503 20429 no", only=("sms",)),
    *(
        Case(twilio(code, number), Rejected, f"{code} {number} no", only=("sms",))
        for code, number in [(400, 21610), (400, 21617), (400, 30004), (500, 30005),
                             (400, 30006), (500, 30007), (400, 21211)]
    ),
    Case(status(200, b"{}"), Retry, "200", ambiguous=True, only=("sms",)),
    # Teams: accepted by the workflow is not delivered; a retired connector's 200 may be a failure.
    Case(status(202), Sent, "202 accepted by the workflow", only=("teams",)),
    Case(CutBody(status=202, part=b"{"), Sent, "202 accepted by", only=("teams",)),
    Case(status(200, b"1"), Sent, "200 1", only=("teams",)),
    Case(status(200, b"failed: Teams returned HTTP error 429"), Retry, "429", only=("teams",)),
    Case(status(200, b"failed: Teams returned HTTP error 413"), Rejected, "413", only=("teams",)),
    Case(
        status(400, b'{"error": {"code": "Invalid", "message": "no card"}}'),
        Rejected, "400 Invalid: no card", only=("teams",),
    ),
    Case(status(413, b'{"error": {"code": "TooLarge"}}'), Rejected, "413 Too", only=("teams",)),
    Case(status(401, b'{"error": "sig"}'), Rejected, '401 {"error": "sig"}', only=("teams",)),
    Case(Drip(status=202), Sent, "202", only=("teams",)),
    Case(Endless(status=202), Sent, "202", only=("teams",)),
    # A webhook: 2xx, nothing else.
    Case(status(202), Sent, "202", only=("webhook",)),
    Case(status(204), Sent, "204", only=("webhook",)),
]  # fmt: skip
TABLE = [(kind, case) for case in CASES for kind in case.only]


@pytest.mark.parametrize(
    ("kind", "case"), TABLE, ids=[f"{kind}-{at}" for at, (kind, _) in enumerate(TABLE)]
)
async def test_what_a_vendor_says_is_read_as_it_is_meant(kind: str, case: Case, to: Everyone):
    to.http[kind].says(case.say)
    async with client(to) as http:
        sender = made(kind, to, http, now_s=OPENED_MS / 1000)
        deadline_s = DEADLINE_S if isinstance(case.say, Hang | Drip) else 30.0  # on a busy machine
        answer = await sender.send(message(), 1, deadline_s)
    assert type(answer) is case.answer
    assert case.recorded in answer.answer
    assert len(answer.answer) <= 400
    assert getattr(answer, "confirmed", True) is not (kind == "teams" and "202" in answer.answer)
    assert getattr(answer, "after_ms", None) == case.after_ms
    assert getattr(answer, "ambiguous", False) is case.ambiguous
    assert getattr(answer, "gone", False) is case.gone
    assert len(to.http[kind].arrived) == 1


@pytest.mark.parametrize("kind", HTTP)
async def test_what_a_vendor_takes_is_what_its_documentation_says(kind: str, to: Everyone):
    told = [
        message(),
        message(event="severity_raised"),
        message(event="acknowledged", acknowledged_by="kim"),
        message(event="escalated", level=1),
        message(others=tuple(breach(fingerprint=str(n)) for n in range(29)), event="summary"),
        message(resolved(), event="resolved", level=1, announces_opening=True),
        message(event="test"),
    ]
    async with client(to) as http:
        sender = made(kind, to, http)
        answers = [await sender.send(one, 1, 10.0) for one in told]
    assert [type(answer) for answer in answers] == [Sent] * len(told)
    assert to.http[kind].mistakes == []
    assert to.incidents.open == {}


@pytest.mark.parametrize("kind", HTTP)
async def test_nobody_listening_is_retried_and_nothing_can_have_arrived(kind, tmp_path):
    async with everyone(tmp_path) as receivers:
        pass
    async with client(receivers) as http:
        answer = await made(kind, receivers, http).send(message(), 1, DEADLINE_S)
    assert isinstance(answer, Retry)
    assert not answer.ambiguous
    assert answer.answer.startswith("There is no connection")


@pytest.mark.parametrize("kind", [*HTTP, "email"])
async def test_a_429_and_then_the_resolve_tells_both(kind: str, to: Everyone):
    if kind == "email":
        to.mail.says(MailSay(stage="mail", reply="451 later"))
    else:
        to.http[kind].says(status(429, retry_after="1"))
    async with client(to) as http:
        sender = made(kind, to, http)
        assert isinstance(await sender.send(message(), 1, 10.0), Retry)
        closing = message(resolved(), event="resolved", announces_opening=True, delivery="second")
        assert isinstance(await sender.send(closing, 1, 10.0), Sent)
    if kind == "email":
        assert "OPENED AND RESOLVED" in to.mail.arrived[-1].parsed["Subject"]
        return
    first, *after = [urllib.parse.unquote_plus(one.body.decode()) for one in to.http[kind].arrived]
    assert "OPENED AND RESOLVED" not in first
    if kind == "pagerduty":
        told = [json.loads(one) for one in after]
        assert [one["event_action"] for one in told] == ["trigger", "resolve"]
        assert len({one["dedup_key"] for one in told}) == 1
        assert "OPENED AND RESOLVED" in told[0]["payload"]["summary"]
        assert to.incidents.open == {}
    else:
        (closing_told,) = after
        assert "OPENED AND RESOLVED" in closing_told


async def test_each_text_message_is_sent_to_those_who_did_not_get_it(to: Everyone):
    to.http["sms"].says(status(201, b"{}"), status(503))
    channel = channels(to)["sms"].model_copy(update={"to": ["+15005550006", "+15005550007"]})
    async with client(to) as http:
        sender = made("sms", to, http, channel=channel)
        first = await sender.send(message(), 1, 10.0)
        assert isinstance(first, Retry)
        assert first.ambiguous
        assert isinstance(await sender.send(message(), 2, 10.0), Sent)
    assert len(to.http["sms"].arrived) == 3
    assert to.http["sms"].arrived[1].body == to.http["sms"].arrived[2].body


async def test_a_signature_is_anew_at_each_attempt_and_the_id_is_not(to: Everyone):
    to.http["webhook"].says(status(500))
    async with client(to) as http:
        sender = made("webhook", to, http)
        await sender.send(message(), 1, 10.0)
        await sender.send(message(), 2, 10.0)
    first, second = to.http["webhook"].arrived
    assert first.mistakes == second.mistakes == []
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


async def test_a_mistake_of_ours_is_an_answer_too(to: Everyone, monkeypatch):
    monkeypatch.setattr("streams.channels.slack.request", lambda *_: 1 / 0)
    async with client(to) as http:
        answer = await made("slack", to, http).send(message(), 1, 10.0)
    assert isinstance(answer, Retry)
    assert "ZeroDivisionError" in answer.answer
