"""Reach receivers through an HTTP proxy: a tunnel by CONNECT, so that only the receiver reads.

httpcore's own tunnel would send a webhook's path, which is the secret, to the proxy in plain text:
it takes the target that we set for the receiver as that of its CONNECT, too.
"""

import base64
import ssl
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import httpcore
from pydantic import SecretStr

from agents.channels.addresses import AddressRefused, Guard

#: Enough for any proxy's answer.
_MAX_HEAD = 16 * 1024
_PORTS = {"http": 80, "https": 443}


class Proxy(NamedTuple):
    """Where the proxy is, and who we are there."""

    scheme: str
    host: str
    port: int
    authorization: SecretStr | None

    @property
    def is_plain(self) -> bool:
        """Whether the way to it is without TLS; inside the tunnel there is always TLS."""
        return self.scheme == "http"


def proxy_of(url: str) -> Proxy:
    """Return the proxy of `http://user:password@proxy.example.com:3128`."""
    parts = urlsplit(url)
    pair = None
    if parts.username is not None:
        text = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        pair = SecretStr(f"Basic {base64.b64encode(text.encode()).decode()}")
    port = parts.port or _PORTS[parts.scheme]
    return Proxy(parts.scheme, parts.hostname or "", port, pair)


async def check_receiver(guard: Guard, host: str, port: int) -> None:
    """Refuse a receiver that may not be sent to directly either.

    Raises:
        AddressRefused: it is nowhere that is let through, or nobody here knows where it is.
    """
    try:
        await guard.addresses(host, port, plain=False)
    except OSError:
        if not guard.allows(host):
            sentence = (
                f"{host} cannot be resolved here, so that its address cannot be checked: then only"
                " hosts that OPWATCH_VENDOR_HOSTS names are reached through the proxy."
            )
            raise AddressRefused(sentence) from None


async def tunnel(
    stream: httpcore.AsyncNetworkStream,
    proxy: Proxy,
    context: ssl.SSLContext | None,
    where: tuple[str, int],
    timeout_s: float | None,
) -> httpcore.AsyncNetworkStream:
    """Return a stream to a host and port, through one to the proxy.

    Raises:
        httpcore.ConnectError: the proxy does not lead there.
    """
    try:
        if context is not None:
            stream = await stream.start_tls(context, proxy.host, timeout_s)
        await _connect(stream, proxy, where, timeout_s)
    except BaseException:  # a timeout cancels this
        await stream.aclose()
        raise
    return stream


async def _connect(
    stream: httpcore.AsyncNetworkStream,
    proxy: Proxy,
    where: tuple[str, int],
    timeout_s: float | None,
) -> None:
    host, port = where
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n".encode("ascii")
    if proxy.authorization is not None:
        head += f"Proxy-Authorization: {proxy.authorization.get_secret_value()}\r\n".encode()
    await stream.write(head + b"\r\n", timeout_s)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = await stream.read(_MAX_HEAD, timeout_s)
        answer += part
        if not part or len(answer) > _MAX_HEAD:
            break
    status = answer.partition(b"\r\n")[0].split(b" ", 2)[1:]
    if not status or not status[0].startswith(b"2") or not answer.endswith(b"\r\n\r\n"):
        reply = b" ".join(status)[:100].decode("ascii", "replace") or "nothing that it understands"
        message = f"the proxy {proxy.host}:{proxy.port} answers {reply}"
        raise httpcore.ConnectError(message)
