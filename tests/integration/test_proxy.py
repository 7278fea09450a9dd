"""Receivers behind a proxy: only through the one of the settings, and guarded as the rest."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.channels.addresses import Guard, networks
from agents.channels.http import HttpClient
from agents.channels.proxy import proxy_of
from streams.channels.response_meaning import Rejected, Retry, Sent
from tests.integration.sending import made
from tests.receivers.certificates import Certificates
from tests.receivers.everyone import VENDORS, Everyone, everyone
from tests.receivers.proxy import PASSWORD, TunnelProxy
from tests.unit.messages.samples import message


@pytest.fixture
async def to(tmp_path: Path):
    async with everyone(tmp_path) as receivers:
        yield receivers


def through(
    to: Everyone, url: str, allowed: str = "127.0.0.1", resolve=None, hosts: Sequence[str] = ()
):
    guard = Guard(networks(allowed), resolve=resolve, hosts=hosts)
    return HttpClient(guard, str(to.ca_file), proxy_of(url))


@pytest.mark.parametrize("kind", VENDORS)
async def test_each_vendor_is_reached_and_the_proxy_learns_only_where_it_is(kind, to: Everyone):
    async with TunnelProxy(authenticate=True) as proxy, through(to, proxy.url) as http:
        answer = await made(kind, to, http).send(message(), 1, 10.0)
    assert isinstance(answer, Sent), answer
    assert len(to.http[kind].arrived) == 1
    (head,) = proxy.asked
    port = to.http[kind].url.rpartition(":")[2]
    assert head.splitlines()[0] == f"CONNECT localhost:{port} HTTP/1.1".encode()
    assert len(head.splitlines()) == 4  # host, authorization, the end


async def test_a_proxy_with_tls_is_verified_and_used(to: Everyone, tmp_path: Path):
    ours, other = tmp_path / "ours", tmp_path / "other"
    for folder in (ours, other):
        folder.mkdir()
    certificates = Certificates(ours)
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.ca_file.read_bytes() + to.ca_file.read_bytes())
    for context, kind in ((certificates.server(), Sent), (Certificates(other).server(), Retry)):
        async with TunnelProxy(context) as proxy:
            guard = Guard(networks("127.0.0.1"))
            async with HttpClient(guard, str(both), proxy_of(proxy.url)) as http:
                assert isinstance(await made("slack", to, http).send(message(), 1, 10.0), kind)


async def test_a_proxy_that_refuses_is_named_and_nothing_was_sent(to: Everyone):
    async with (
        TunnelProxy(authenticate=True) as proxy,
        through(to, proxy.url_without_password) as http,
    ):
        answer = await made("slack", to, http).send(message(), 1, 10.0)
    assert isinstance(answer, Retry)
    assert not answer.ambiguous
    assert "the proxy localhost:" in answer.answer
    assert "407 Proxy Authentication Required" in answer.answer
    assert to.http["slack"].arrived == []


async def test_a_proxy_and_what_is_behind_it_are_guarded_as_the_rest(to: Everyone):
    async def elsewhere(host: str, port: int) -> list[str]:
        return ["127.0.0.1" if host == "localhost" else "10.0.0.1"]

    async def nowhere(host: str, port: int) -> list[str]:
        if host == "localhost" and port == proxy_port:
            return ["127.0.0.1"]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    inside = {"SLACK_WEBHOOK_URL": "https://inside.example/a-long-secret-token"}
    async with TunnelProxy() as proxy:
        proxy_port = int(proxy.url.rpartition(":")[2])
        for http, environment, why in (
            (through(to, proxy.url, allowed=""), {}, "OPWATCH_ALLOW_ADDRESSES"),
            (through(to, proxy.url, resolve=elsewhere), inside, "10.0.0.1, a private network"),
            (through(to, proxy.url, resolve=nowhere), inside, "OPWATCH_VENDOR_HOSTS names"),
        ):
            async with http:
                answer = await made("slack", to, http, **environment).send(message(), 1, 10.0)
            assert isinstance(answer, Rejected)
            assert why in answer.answer
            assert "secret" not in answer.answer
        assert proxy.asked == []
        # The settings vouch for a host that only the proxy can resolve.
        async with through(to, proxy.url, resolve=nowhere, hosts=["inside.example"]) as http:
            await made("slack", to, http, **inside).send(message(), 1, 3.0)
        assert proxy.asked[0].startswith(b"CONNECT inside.example:443 ")


async def test_a_proxy_that_does_not_answer_is_left(to: Everyone):
    left = asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()
        writer.close()

    async with await asyncio.start_server(be_silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with through(to, f"http://localhost:{port}") as http:
            answer = await made("slack", to, http).send(message(), 1, 0.2)
            assert isinstance(answer, Retry)
            assert not answer.ambiguous
            await asyncio.wait_for(left.wait(), 10)


async def test_the_environments_proxies_are_not_used(to: Everyone, monkeypatch: pytest.MonkeyPatch):
    async with TunnelProxy() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with HttpClient(Guard(networks("127.0.0.1")), str(to.ca_file)) as http:
            assert isinstance(await made("slack", to, http).send(message(), 1, 10.0), Sent)
    assert proxy.asked == []


def test_a_proxys_password_is_in_no_repr():
    proxy = proxy_of(f"http://svc:{PASSWORD}@proxy:3128")
    assert proxy.authorization is not None
    for secret in (PASSWORD, proxy.authorization.get_secret_value()):
        assert secret not in repr(proxy)
    assert (proxy_of("http://proxy").port, proxy_of("https://proxy").port) == (80, 443)
