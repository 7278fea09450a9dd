"""Post to receivers: checked addresses, verified TLS, no redirects, in bounded time.

Through the proxy that the settings name, never through one that only the environment names.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Iterable
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self

import certifi
import httpcore
import httpx

from agents.channels.addresses import Guard
from agents.channels.proxy import Proxy, check_receiver, tunnel
from agents.runtime.network_errors import words
from streams.channels.request import Request
from streams.channels.response_meaning import Response

#: Enough for any vendor's response to be understood.
MAX_RESPONSE_BYTES = 64 * 1024
#: A connection that was idle for longer is made anew, and its name is resolved and checked anew.
KEEPALIVE_S = 5.0
MAX_CONNECTIONS = 100
_VISIBLE = re.compile(r"https?://[^/?#]+(/[!-~]*?)?(\?[!-~]*?)?(?:#[!-~]*)?", re.ASCII)
#: They write URLs and headers: what we know as secrets.
_TALKATIVE = ("httpx", "httpcore", "hpack", "h2")


class NoResponse(Exception):
    """No response came; the text says why and may hold the network's error."""

    def __init__(self, sentence: str, *, ambiguous: bool) -> None:
        super().__init__(sentence)
        self.ambiguous = ambiguous
        """Whether the request had begun to leave, so that it may have been accepted."""


class InvalidUrl(Exception):
    """The URL cannot be posted to."""


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies: by the system's authorities, else certifi's; the file's too.

    Reading authorities takes a tenth of a second: make few.
    """
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


class HttpClient:
    """The one HTTP client that reaches receivers."""

    def __init__(
        self, guard: Guard, ca_file: str | None = None, proxy: Proxy | None = None
    ) -> None:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        self.guard = guard
        self._ca_file = ca_file
        context = tls_context(ca_file)
        tls = tls_context(ca_file) if proxy is not None and not proxy.is_plain else None
        self._client = httpx.AsyncClient(
            transport=_Transport(context, _Backend(guard, plain=False, proxy=proxy, tls=tls)),
            mounts={"http://": _Transport(context, _Backend(guard, plain=True))},
            follow_redirects=False,
            trust_env=False,
        )
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @cached_property
    def mail_tls(self) -> ssl.SSLContext:
        """The context for mail: its own, since ours offers HTTP/2 when it shakes hands."""
        return tls_context(self._ca_file)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def post(self, request: Request, deadline_s: float) -> Response:
        """Post once and return the response, at most `MAX_RESPONSE_BYTES` of its body.

        Raises:
            AddressRefused: the receiver is where nothing may be sent to.
            InvalidUrl: the URL cannot be posted to.
            NoResponse: no status came back in time.
        """
        progress = _Progress()
        try:
            async with asyncio.timeout(deadline_s):
                await self._exchange(request, deadline_s, progress)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise InvalidUrl("What is configured is no URL that can be posted to.") from None
        except (TimeoutError, httpx.TimeoutException):
            if progress.response is None:
                sentence = f"No answer within {deadline_s:.2g} s."
                raise NoResponse(sentence, ambiguous=progress.began) from None
        except httpx.TransportError as error:
            if progress.response is None:
                sentence = _broken(error, began=progress.began)
                raise NoResponse(sentence, ambiguous=progress.began) from None
        assert progress.response is not None
        return progress.response

    async def _exchange(self, request: Request, deadline_s: float, progress: "_Progress") -> None:
        async with self._client.stream(
            "POST",
            request.url,
            content=request.body,
            headers={**request.headers, "accept-encoding": "identity"},
            timeout=deadline_s,
            extensions={"trace": progress.trace, **_target(request.url)},
        ) as response:
            body = b""
            progress.receive(response, body, whole=False)
            async for chunk in response.aiter_raw():
                body = (body + chunk)[:MAX_RESPONSE_BYTES]
                if len(body) == MAX_RESPONSE_BYTES:
                    break
                progress.receive(response, body, whole=False)
            progress.receive(response, body, whole=True)


def _target(url: str) -> dict[str, bytes]:
    """Return the path and query byte for byte, for httpcore.

    httpx would quote some characters anew, and the signature in a vendor's URL is of the original.
    """
    match = _VISIBLE.fullmatch(url)
    if match is None:  # httpx quotes what may not stand in a request's first line
        return {}
    path, query = match.groups()
    return {"target": f"{path or '/'}{query or ''}".encode()}


class _Progress:
    """How far a request came, for when it comes no further."""

    def __init__(self) -> None:
        self.began = False
        self.response: Response | None = None

    async def trace(self, event: str, _details: dict[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.began = True

    def receive(self, response: httpx.Response, body: bytes, *, whole: bool) -> None:
        self.response = Response(
            status=response.status_code,
            body=body,
            whole=whole,
            retry_after=response.headers.get("retry-after"),
        )


def _broken(error: httpx.TransportError, *, began: bool) -> str:
    what = "The connection broke before an answer came" if began else "There is no connection"
    return f"{what}: {str(error) or type(error).__name__}"


class _Transport(httpx.AsyncHTTPTransport):
    def __init__(self, context: ssl.SSLContext, backend: "_Backend") -> None:
        super().__init__(verify=context, trust_env=False)
        # httpx hands no network backend on, and a name's address must be checked where the
        # connection is made: rewriting the URL's host would let two names share a connection.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_S,
            http1=True,
            http2=not backend.plain,
            network_backend=backend,
        )


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(
        self,
        guard: Guard,
        *,
        plain: bool,
        proxy: Proxy | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self.plain = plain
        self._proxy = proxy
        self._proxy_tls = tls
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        options = timeout, local_address, socket_options
        if self._proxy is None:
            return await self._direct(host, port, self.plain, *options)
        await check_receiver(self._guard, host, port)
        proxy = self._proxy
        stream = await self._direct(proxy.host, proxy.port, proxy.is_plain, *options)
        return await tunnel(stream, proxy, self._proxy_tls, (host, port), timeout)

    async def _direct(
        self,
        host: str,
        port: int,
        plain: bool,  # noqa: FBT001, RUF100 - of where it is, not how
        timeout: float | None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None,
        socket_options: Iterable[Any] | None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._guard.addresses(host, port, plain=plain)
        except OSError:
            raise httpcore.ConnectError(f"the name {host} cannot be resolved.") from None
        last: Exception | None = None
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            share_s = None if timeout is None else timeout / left
            try:
                return await self._inner.connect_tcp(
                    address, port, share_s, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        assert last is not None
        raise type(last)(f"{host}:{port}: {words(last)}") from last
