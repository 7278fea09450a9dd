"""Nothing is sent to where nothing may be, whatever a rule file or a name server says."""

import io
import logging
import socket
from pathlib import Path

import pytest

from agents.channels.addresses import AddressRefused, Guard, networks
from agents.channels.http import MAX_RESPONSE_BYTES, HttpClient
from stack.net import free_port
from streams.channels.request import posted
from streams.channels.response_meaning import Rejected, Retry, Sent
from tests.integration.sending import channels, client, made
from tests.receivers import pagerduty, slack
from tests.receivers.certificates import Certificates
from tests.receivers.everyone import Everyone, everyone
from tests.receivers.http import Receiver
from tests.receivers.says import Endless, Status, redirect
from tests.unit.messages.samples import message

KINDS = ("slack", "pagerduty", "sms", "teams", "webhook", "email")
FORBIDDEN = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "198.18.0.1", "192.0.2.1",
    "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.0.8", "192.88.99.1",
    "::1", "::", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "fe80::1", "fc00::1",
    "fd12:3456::1", "ff02::1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::",
    "2001:db8::1", "fec0::1", "100::1", "3fff::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]


def leads_to(*answers: str):
    """A name server that gives each answer once, then the last for good."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return [answers[min(len(asked), len(answers)) - 1]]

    resolve.asked = asked
    return resolve


@pytest.fixture
async def to(tmp_path: Path):
    async with everyone(tmp_path) as receivers:
        yield receivers


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_what_is_not_of_the_internet_is_refused(address):
    with pytest.raises(AddressRefused, match="OPWATCH_ALLOW_ADDRESSES"):
        await Guard(resolve=leads_to(address)).addresses("x.example", 443, plain=False)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_receiver_that_cannot_be_reached_is_named(kind, to: Everyone):
    """By its host, and why: the rest of a webhook's URL is a secret."""
    port = free_port()
    named = {
        "slack": {"SLACK_WEBHOOK_URL": f"https://localhost:{port}/services/a-long-secret-token"},
        "teams": {"TEAMS_WEBHOOK_URL": f"https://localhost:{port}/a-long-secret-token"},
        "webhook": {"OPWATCH_WEBHOOK_URL": f"https://localhost:{port}/a-long-secret-token"},
        "email": {"SMTP_PORT": str(port)},
    }.get(kind, {})
    channel = channels(to)[kind]
    if not named:
        channel = channel.model_copy(update={"url": f"https://localhost:{port}/x"})
    unknown = Guard(networks("127.0.0.1"), resolve=no_such_name, hosts=["localhost"])
    async with client(to) as http, HttpClient(unknown, str(to.ca_file)) as without_names:
        closed = await made(kind, to, http, channel=channel, **named).send(message(), 1, 10.0)
        lost = await made(kind, to, without_names, channel=channel, **named).send(
            message(), 1, 10.0
        )
    for answer, why in ((closed, "connection refused"), (lost, "cannot be resolved")):
        assert isinstance(answer, Retry)
        assert not answer.ambiguous
        assert "localhost" in answer.answer
        assert why in answer.answer.lower()
        assert "secret" not in answer.answer


async def no_such_name(host: str, port: int) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("address", PUBLIC)
async def test_what_is_of_the_internet_passes_and_not_without_tls(address):
    guard = Guard(resolve=leads_to(address))
    assert await guard.addresses("x.example", 443, plain=False) == [address]
    with pytest.raises(AddressRefused, match="Without TLS"):
        await guard.addresses("x.example", 80, plain=True)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost"])
async def test_an_odd_spelling_of_this_machine_is_this_machine(host):
    with pytest.raises((AddressRefused, OSError)):
        await Guard().addresses(host, 443, plain=False)


async def test_only_what_is_named_is_allowed():
    guard = Guard(networks("10.1.2.0/24, ::1"), resolve=leads_to("10.1.2.3", "10.1.3.3", "::1"))
    assert await guard.addresses("x", 443, plain=True) == ["10.1.2.3"]
    with pytest.raises(AddressRefused):
        await guard.addresses("x", 443, plain=False)
    assert await guard.addresses("x", 443, plain=False) == ["::1"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_receiver_on_this_machine_is_refused_when_sent_to_and_recorded(kind, to: Everyone):
    async with client(to, allowed="") as http:
        answer = await made(kind, to, http).send(message(), 1, 10.0)
    assert isinstance(answer, Rejected)
    assert "this machine" in answer.answer
    assert "127.0.0.1" in answer.answer or "::1" in answer.answer
    assert all(not receiver.arrived for receiver in to.http.values())
    assert to.mail.sessions == 0


async def test_the_connection_goes_to_what_was_checked_and_the_name_is_asked_once(to: Everyone):
    # The second answer would be refused; the first is where the receiver listens.
    resolve = leads_to("127.0.0.1", "10.0.0.1")
    guard = Guard(networks("127.0.0.1"), resolve)
    channel = channels(to)["pagerduty"].model_copy(
        update={"url": to.http["pagerduty"].url + pagerduty.PATH}
    )
    async with HttpClient(guard, str(to.ca_file)) as http:
        answer = await made("pagerduty", to, http, channel=channel).send(message(), 1, 10.0)
    assert isinstance(answer, Sent)
    assert resolve.asked == ["localhost"]
    assert (
        to.http["pagerduty"].arrived[0].headers["host"] == f"localhost:{to.http['pagerduty'].port}"
    )


async def test_a_name_that_moves_to_a_private_address_is_refused_at_the_next_send(
    to: Everyone, monkeypatch
):
    monkeypatch.setattr("agents.channels.http.KEEPALIVE_S", 0.0)
    guard = Guard(networks("127.0.0.1"), leads_to("127.0.0.1", "169.254.169.254"))
    async with HttpClient(guard, str(to.ca_file)) as http:
        sender = made("slack", to, http)
        assert isinstance(await sender.send(message(), 1, 10.0), Sent)
        second = await sender.send(message(), 1, 10.0)
    assert isinstance(second, Rejected)
    assert "169.254.169.254" in second.answer


async def test_a_redirect_to_this_machine_is_not_followed(to: Everyone):
    async with Receiver(lambda _: ([], Status(status=200, body=b"ok"))) as inside:
        for status in (301, 302, 303, 307, 308):
            to.http["slack"].says(redirect(f"{inside.url}/secret", status))
            async with client(to) as http:
                answer = await made("slack", to, http).send(message(), 1, 10.0)
            assert isinstance(answer, Rejected)
        assert inside.arrived == []


async def test_a_proxy_in_the_environment_is_not_used(to: Everyone, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with client(to) as http:
        assert isinstance(await made("slack", to, http).send(message(), 1, 10.0), Sent)


async def test_a_certificate_of_another_name_or_authority_is_not_spoken_to(
    to: Everyone, tmp_path: Path
):
    other = tmp_path / "other"
    other.mkdir()
    for context in (Certificates(other).server(), Certificates(other).server("x.example")):
        async with Receiver(slack.slack, context) as stranger, client(to) as http:
            url = stranger.url + slack.PATH
            sender = made("slack", to, http, SLACK_WEBHOOK_URL=url)
            answer = await sender.send(message(), 1, 10.0)
        assert isinstance(answer, Retry)
        assert not answer.ambiguous
        assert "CERTIFICATE_VERIFY_FAILED" in answer.answer
        assert stranger.arrived == []


@pytest.mark.parametrize(
    ("rest", "sent"),
    [
        ("/a?sp=%2Ftriggers%2fmanual&sv=1.0&sig=Ab+c~'\"|^`{}", None),
        ("/%7e%41;b=(c)/d?e=%e4", None),
        ("?sig=%2B", "/?sig=%2B"),
        ("", "/"),
        ("/a?b#c", "/a?b"),
        ("/a b?sig=ä", "/a%20b?sig=%C3%A4"),
    ],
)
async def test_a_secret_address_is_sent_byte_for_byte(rest: str, sent: str | None, to: Everyone):
    async with client(to) as http:
        await http.post(posted(to.http["slack"].url + rest, b"{}", "application/json"), 10.0)
    assert to.http["slack"].arrived[0].path == (rest if sent is None else sent)


async def test_a_response_is_read_to_its_limit(to: Everyone):
    to.http["slack"].says(Endless(status=200))
    async with client(to) as http:
        response = await http.post(posted(to.http["slack"].url, b"{}", "application/json"), 10.0)
    assert len(response.body) == MAX_RESPONSE_BYTES


@pytest.mark.parametrize("kind", KINDS[:5])
async def test_no_cookie_is_kept(kind, to: Everyone):
    to.http[kind].says(Status(status=503, headers={"set-cookie": "id=1; Path=/"}))
    async with client(to) as http:
        sender = made(kind, to, http)
        await sender.send(message(), 1, 10.0)
        await sender.send(message(), 2, 10.0)
    assert all("cookie" not in one.headers for one in to.http[kind].arrived)


def given_away(to: Everyone) -> list[str]:
    """What of the environment nobody may read."""
    names = ("PAGERDUTY_SERVICE_KEY", "TWILIO_AUTH_TOKEN", "SMTP_PASSWORD")
    whole = [to.environment[name] for name in names]
    whole.append(to.environment["OPWATCH_WEBHOOK_SECRET"].removeprefix("whsec_"))
    return [*whole, "abcdefghijklmnopqrstuvwx", "a-long-secret-path-0123456789"]


@pytest.mark.parametrize("kind", KINDS)
async def test_no_secret_is_in_a_log_an_answer_or_a_repr(kind, to: Everyone, caplog):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    caplog.set_level(logging.DEBUG)
    root.addHandler(handler)
    echo = "\n".join(f"{name}={value}" for name, value in to.environment.items()).encode()
    written = []
    try:
        for allowed in ("", "127.0.0.1"):
            async with client(to, allowed) as http:
                sender = made(kind, to, http)
                for say in (Status(status=500, body=echo), Status(status=400, body=echo), None):
                    if say is not None and kind != "email" and allowed:
                        to.http[kind].says(say)
                    answer = await sender.send(message(), 1, 10.0)
                    written += [repr(answer), repr(sender), repr(vars(sender)), repr(http)]
    finally:
        root.removeHandler(handler)
    written += [stream.getvalue(), caplog.text]
    own = {
        "slack": ["abcdefghijklmnopqrstuvwx"],
        "webhook": ["a-long-secret-path-0123456789", given_away(to)[3]],
        "pagerduty": [given_away(to)[0]],
        "sms": [given_away(to)[1]],
        "email": [given_away(to)[2]],
        "teams": ["SIGNATURE-0_1~2'3-abcdefghij", "0123456789abcdef"],
    }[kind]
    for text in written:
        for secret in own:
            assert secret not in text


async def test_a_failure_of_ours_tells_no_secret(to: Everyone, monkeypatch, capsys, caplog):
    def broken(_message, _channel, url):
        raise RuntimeError(f"cannot post to {url}")

    monkeypatch.setattr("streams.channels.slack.request", broken)
    async with client(to) as http:
        answer = await made("slack", to, http).send(message(), 1, 10.0)
    told = capsys.readouterr()
    for text in (repr(answer), told.out, told.err, caplog.text):
        assert "abcdefghijklmnopqrstuvwx" not in text
    assert "cannot post to **********" in answer.answer
