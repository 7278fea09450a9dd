"""Mail × each thing a mail server may say: who is told again, and who is not."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from agents.channels.secrets import MissingSecret, NotAllowed
from streams.channels.response_meaning import Rejected, Retry, Sent
from tests.integration.sending import channels, client, made
from tests.receivers.certificates import Certificates
from tests.receivers.everyone import Everyone, everyone
from tests.receivers.mail import MailSay, MailServer
from tests.unit.messages.samples import message

A, B = "a@example.com", "b@example.com"


@pytest.fixture
async def to(tmp_path: Path):
    async with everyone(tmp_path) as receivers:
        yield receivers


@pytest.mark.parametrize(
    ("say", "answer", "ambiguous", "recorded"),
    [
        (MailSay(stage="ehlo", reply="421 busy"), Retry, False, "421"),
        (MailSay(stage="mail", reply="451 later"), Retry, False, "451 later"),
        (MailSay(stage="mail", reply="550 not you"), Rejected, False, "550 not you"),
        (MailSay(stage="mail", reply="hang"), Retry, False, "No answer within"),
        (MailSay(stage="mail", reply="cut"), Retry, False, "The connection to localhost:"),
        (MailSay(stage="rcpt", reply="hang"), Retry, False, "No answer within"),
        (MailSay(stage="data", reply="452 full"), Retry, False, "452 full"),
        (MailSay(stage="data", reply="554 spam"), Rejected, False, "554 spam"),
        # After the final dot nobody knows.
        (MailSay(stage="data", reply="hang"), Retry, True, "No answer within"),
        (MailSay(stage="data", reply="cut"), Retry, True, "The connection to localhost:"),
    ],
)
async def test_what_a_mail_server_says_is_read_as_it_is_meant(
    say, answer, ambiguous, recorded, to: Everyone
):
    to.mail.says(say)
    async with client(to) as http:
        timeout_s = 2.0 if say.reply == "hang" else 10.0
        given = await made("email", to, http).send(message(), 1, timeout_s)
    assert type(given) is answer
    assert recorded in given.answer
    assert getattr(given, "ambiguous", False) is ambiguous


async def test_a_retry_goes_only_to_those_who_were_not_taken(to: Everyone):
    to.mail.says(MailSay(stage="rcpt", reply="450 later", address=B))
    async with client(to) as http:
        sender = made("email", to, http)
        first = await sender.send(message(), 1, 10.0)
        assert isinstance(first, Retry)
        assert f"{A}: 250 Taken; {B}: 450 later" in first.answer
        assert isinstance(await sender.send(message(), 2, 10.0), Sent)
    assert [mail.recipients for mail in to.mail.arrived] == [[A], [B]]
    first_mail, second = (mail.parsed for mail in to.mail.arrived)
    assert first_mail["Message-ID"] == second["Message-ID"]


async def test_who_is_refused_for_good_is_not_asked_again_and_is_named(to: Everyone):
    to.mail.says(
        MailSay(stage="rcpt", reply="550 unknown", address=A),
        MailSay(stage="rcpt", reply="450 later", address=B),
    )
    async with client(to) as http:
        sender = made("email", to, http)
        assert isinstance(await sender.send(message(), 1, 10.0), Retry)
        second = await sender.send(message(), 2, 10.0)
    assert isinstance(second, Sent)
    assert f"{A}: 550 unknown" in second.answer
    assert [mail.recipients for mail in to.mail.arrived] == [[B]]


async def test_nobody_left_to_tell_is_a_rejection(to: Everyone):
    to.mail.says(*(MailSay(stage="rcpt", reply="550 unknown", address=one) for one in (A, B)))
    async with client(to) as http:
        assert isinstance(await made("email", to, http).send(message(), 1, 10.0), Rejected)
    assert to.mail.arrived == []


async def test_a_wrong_password_is_a_rejection_and_is_not_repeated(to: Everyone):
    async with client(to) as http:
        wrong = made("email", to, http, SMTP_PASSWORD="wrong-password-1")
        answer = await wrong.send(message(), 1, 10.0)
    assert isinstance(answer, Rejected)
    assert answer.answer.startswith("535")
    assert "wrong-password-1" not in answer.answer


async def test_without_starttls_nothing_is_sent(to: Everyone):
    async with client(to) as http, MailServer(None, authenticate=False) as bare:
        sender = made("email", to, http, SMTP_PORT=str(bare.port))
        answer = await sender.send(message(), 1, 10.0)
    assert isinstance(answer, Rejected)
    assert "offers no STARTTLS" in answer.answer
    assert bare.arrived == []


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_certificate_that_does_not_verify_is_not_spoken_to(
    implicit, to: Everyone, tmp_path: Path
):
    other = tmp_path / "other"
    other.mkdir()
    strangers = [
        Certificates(other).server(),
        Certificates(other).server("elsewhere.example"),
    ]
    tls = "implicit" if implicit else "starttls"
    channel = channels(to)["email"].model_copy(update={"tls": tls})
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(client(to))
        for context in strangers:
            server = await stack.enter_async_context(MailServer(context, implicit=implicit))
            sender = made("email", to, http, channel=channel, SMTP_PORT=str(server.port))
            answer = await sender.send(message(), 1, 10.0)
            assert isinstance(answer, Retry)
            assert "certificate verify failed" in answer.answer.lower()
            assert not answer.ambiguous
            assert server.arrived == []


async def test_implicit_tls_works(to: Everyone, tmp_path: Path):
    channel = channels(to)["email"].model_copy(update={"tls": "implicit"})
    certificates = Certificates(tmp_path)
    async with (
        MailServer(certificates.server(), implicit=True) as server,
        client(to) as http,
    ):
        sender = made("email", to, http, channel=channel, SMTP_PORT=str(server.port))
        assert isinstance(await sender.send(message(), 1, 10.0), Sent)
    assert server.arrived[0].mistakes == []


async def test_nothing_leaves_in_plain_for_where_it_was_not_allowed(to: Everyone):
    channel = channels(to)["email"].model_copy(update={"tls": "none"})
    for allowed, answer in (("", Rejected), ("127.0.0.1", Sent)):
        async with client(to, allowed) as http, MailServer(None, authenticate=False) as relay:
            sender = made(
                "email", to, http, channel=channel,
                SMTP_PORT=str(relay.port), SMTP_USER="", SMTP_PASSWORD="",
            )  # fmt: skip
            assert isinstance(await sender.send(message(), 1, 10.0), answer)


# ---------------------------------------------------------------- what relays want to be told


@pytest.mark.parametrize(
    ("full_name", "said", "greeting"),
    [
        ("alerts.example.com", None, "alerts.example.com"),
        ("0f3c9ab1d2e4", None, "[127.0.0.1]"),
        ("localhost.localdomain", None, "[127.0.0.1]"),
        ("0f3c9ab1d2e4", "relay-client.example.com", "relay-client.example.com"),
        ("alerts.example.com", "[192.0.2.7]", "[192.0.2.7]"),
    ],
)
async def test_a_relay_is_told_a_whole_name_or_an_address(
    full_name, said, greeting, to: Everyone, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("agents.channels.email._whole_name", lambda: full_name)
    async with client(to) as http:
        sender = made("email", to, http, SMTP_HELO=said or "")
        assert isinstance(await sender.send(message(), 1, 10.0), Sent)
    assert set(to.mail.greeted_as) == {greeting}


@pytest.mark.parametrize("name", ["container", "a b.example.com", "localhost.", "a.b\r\nX: y"])
async def test_a_name_that_relays_refuse_is_refused_first(name, to: Everyone):
    async with client(to) as http:
        with pytest.raises(MissingSecret, match="SMTP_HELO is no whole name"):
            made("email", to, http, SMTP_HELO=name)


@pytest.mark.parametrize("offered", [True, False])
async def test_an_address_beyond_ascii_is_sent_to_only_with_smtputf8(
    offered, to: Everyone, tmp_path: Path
):
    channel = channels(to)["email"].model_copy(
        update={"to": ["jörg@example.com", "Anna <anna@münchen.example>"]}
    )
    certificates = Certificates(tmp_path)
    async with (
        MailServer(certificates.server(), smtputf8=offered) as server,
        client(to) as http,
    ):
        sender = made("email", to, http, channel=channel, SMTP_PORT=str(server.port))
        answer = await sender.send(message(), 1, 10.0)
    assert isinstance(answer, Sent)
    (mail,) = server.arrived
    assert mail.mistakes == []
    anna = "anna@xn--mnchen-3ya.example"
    assert mail.recipients == (["jörg@example.com", anna] if offered else [anna])
    assert ("does not offer SMTPUTF8" in answer.answer) is not offered


async def test_a_password_never_goes_without_tls(to: Everyone):
    channel = channels(to)["email"].model_copy(update={"tls": "none"})
    async with client(to) as http:
        with pytest.raises(NotAllowed, match="SMTP_PASSWORD is set, and without TLS"):
            made("email", to, http, channel=channel)
