"""Send pages that are open what changed: rendered and serialised once, for all who look at it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import orjson
import structlog
from aiohttp import WSCloseCode, web

from agents.dashboard.metrics import failures
from agents.dashboard.page import BadQuery, NotThere, OpenPage, Sections

log = structlog.get_logger()

TICK_S = 1.0
#: A page that got nothing for longer thinks that it is cut off.
_SIGN_OF_LIFE_S = 2.0
#: Of a page that takes no more, messages are replaced by the whole page once it does.
_MOST_WAITING = 4
MOST_CLIENTS = 500
#: Different pages that are open at a time: each is rendered every second.
MOST_VIEWS = 64
_SEND_S = 20.0
_PING_S = 20.0
#: Closes the connection of a page whose session has ended.
SESSION_ENDED = 4401

Render = Callable[[OpenPage], Sections]


class TooManyPages(Exception):
    """As many pages are open as may be."""


class _Client:
    def __init__(self, may_look: Callable[[], bool]) -> None:
        self.may_look = may_look
        self.waiting: list[str] = []
        self.wakes = asyncio.Event()
        self.needs_whole = True
        self.ends_with: int | None = None

    def put(self, message: str) -> None:
        if len(self.waiting) >= _MOST_WAITING:
            self.waiting.clear()
            self.needs_whole = True
        if not self.needs_whole:
            self.waiting.append(message)
        self.wakes.set()

    def end(self, code: int) -> None:
        self.ends_with = code
        self.wakes.set()


class _View:
    """A page that somebody looks at."""

    def __init__(self) -> None:
        self.sections: Sections = {}
        self.clients: set[_Client] = set()
        self.sent_s = 0.0


class Hub:
    """All pages that are open."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._views: dict[OpenPage, _View] = {}

    @property
    def clients(self) -> int:
        """How many pages are open."""
        return sum(len(view.clients) for view in self._views.values())

    async def run(self) -> None:
        """Render what is looked at, once a second, for ever."""
        while True:
            began_s = time.monotonic()
            for opened, view in list(self._views.items()):
                for client in view.clients:
                    if not client.may_look():
                        client.end(SESSION_ENDED)
                self._update(opened, view)
                await asyncio.sleep(0)
            took_s = time.monotonic() - began_s
            # With many pages the pauses stretch, so that half of the time is left for others.
            await asyncio.sleep(max(TICK_S - took_s, took_s, 0.01))

    def _update(self, opened: OpenPage, view: _View) -> None:
        try:
            sections = self._render(opened)
        except (BadQuery, NotThere):
            return  # what it shows has gone
        except Exception:  # noqa: BLE001, RUF100 - a page's edge: the others go on
            failures.labels("page").inc()
            log.exception("a page cannot be rendered", page=opened.live)
            return
        changed = {name: html for name, html in sections.items() if view.sections.get(name) != html}
        view.sections = sections
        now_s = time.monotonic()
        if not changed and now_s - view.sent_s < _SIGN_OF_LIFE_S:
            return
        view.sent_s = now_s
        message = _message(changed)
        for client in view.clients:
            client.put(message)

    async def serve(
        self, request: web.Request, opened: OpenPage, may_look: Callable[[], bool]
    ) -> web.WebSocketResponse:
        """Send a page's changes until it closes, or who looks at it may not any more.

        Raises:
            TooManyPages: no more can be served.
        """
        if self.clients >= MOST_CLIENTS or (
            opened not in self._views and len(self._views) >= MOST_VIEWS
        ):
            raise TooManyPages
        socket = web.WebSocketResponse(heartbeat=_PING_S, max_msg_size=1024, compress=False)
        await socket.prepare(request)
        client = _Client(may_look)
        view = self._views.setdefault(opened, _View())
        view.clients.add(client)
        if not view.sections:
            self._update(opened, view)
        client.wakes.set()
        sending = asyncio.create_task(self._send(socket, client, view))
        try:
            async for _ in socket:  # pages have nothing to say
                pass
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(sending, return_exceptions=True)
            view.clients.discard(client)
            if not view.clients and self._views.get(opened) is view:
                del self._views[opened]
        return socket

    async def _send(self, socket: web.WebSocketResponse, client: _Client, view: _View) -> None:
        while True:
            await client.wakes.wait()
            client.wakes.clear()
            if client.ends_with is not None:
                break
            messages, client.waiting = client.waiting, []
            if client.needs_whole:
                client.needs_whole = False
                messages = [_message(view.sections)]
            try:
                async with asyncio.timeout(_SEND_S):
                    for message in messages:
                        await socket.send_str(message)
            except (TimeoutError, ConnectionError):
                break
        with suppress(TimeoutError, ConnectionError):
            code = client.ends_with or WSCloseCode.GOING_AWAY
            await asyncio.wait_for(socket.close(code=code), 1.0)

    async def stop(self) -> None:
        """Close all pages' connections, so that the server can end."""
        for view in self._views.values():
            for client in view.clients:
                client.end(WSCloseCode.GOING_AWAY)
        give_up_s = time.monotonic() + 2.0
        while self.clients and time.monotonic() < give_up_s:  # noqa: ASYNC110 - it ends
            await asyncio.sleep(0.05)


def _message(sections: Sections) -> str:
    now_ms = int(time.time() * 1000)
    return orjson.dumps({"now_ms": now_ms, "sections": sections}).decode()
