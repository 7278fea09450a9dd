"""Measure every request of an ASGI application (FastAPI, Starlette) by its route's template.

app.add_middleware(opwatch_client.asgi.Middleware)
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opwatch_client import current
from opwatch_client.requests import Measuring, text_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
#: Starlette's Match.FULL.
_FULL = 2
_SHUT_DOWN = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")


class Middleware(Measuring[App, Scope]):
    """An operation a request, named as `GET /jobs/{id}`; statuses below `fail_from` are successes.

    It ends with the last byte of the response; tasks in the background come after it. Websockets
    are not measured. When the application has shut down, what was recorded is sent: uvicorn then
    ends by the signal that it got, without Python's exit.
    """

    def _known_route(self, described: Scope) -> str | None:
        return route_of(described)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and record it."""
        kind = scope.get("type")
        if kind == "lifespan":
            send = _closing(send)
        if kind != "http":
            await self._app(scope, receive, send)
            return
        request = self._begun(scope.get("method"))

        async def received() -> Message:
            message = await receive()
            if message.get("type") == "http.disconnect":
                request.client_left = True
            return message

        async def sent(message: Message) -> None:
            if message.get("type") == "http.response.start":
                request.status = message.get("status")
            try:
                await send(message)
            except OSError:  # the server's way to say so
                request.client_left = True
                raise
            if message.get("type") == "http.response.body" and not message.get("more_body"):
                request.end()

        error: BaseException | None = None
        try:
            await self._app(scope, received, sent)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._name(request, scope)
            request.record(error)


def _closing(send: Send) -> Send:
    """Return a `send` that closes the client first, once the application has shut down."""

    async def closing(message: Message) -> None:
        if message.get("type") in _SHUT_DOWN:  # nobody is served any more: this may block
            current.publisher().close(current.EXIT_S, hurry=True)
        await send(message)

    return closing


def route_of(scope: Scope) -> str | None:
    """Return the template of the route that Starlette or FastAPI chose; None if there was none."""
    root = str(scope.get("root_path") or "")
    mount = root.removeprefix(str(scope.get("app_root_path", root) or ""))
    if route := scope.get("route"):
        path = text_of(getattr(route, "path_format", None)) or text_of(getattr(route, "path", None))
        return mount + path if path else None
    if "endpoint" not in scope:
        return None
    return _found(getattr(scope.get("app"), "routes", ()), scope, mount)


def _found(routes: Any, scope: Scope, mount: str) -> str | None:
    """Return the path of the route with the endpoint that was called."""
    for route in routes or ():
        inner = getattr(route, "routes", None)
        if inner and (found := _found(inner, scope, "")):
            return (text_of(getattr(route, "path", None)) or "") + found
        if getattr(route, "endpoint", None) is scope["endpoint"]:
            return mount + str(getattr(route, "path_format", None) or route.path)
    return None
