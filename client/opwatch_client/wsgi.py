"""Measure every request of a WSGI application (Flask) by its route's template.

app.wsgi_app = opwatch_client.wsgi.Middleware(app.wsgi_app)
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opwatch_client.requests import Measuring, Request

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
#: Of werkzeug's rules: <int:id> is {id}.
_VARIABLE = re.compile(r"<(?:[^<>:]*:)?([^<>]+)>")


class Middleware(Measuring[App, Environ]):
    """An operation a request, named as `GET /jobs/{id}`; statuses below `fail_from` are successes.

    It ends with the last byte of the response. A client that leaves before is no failure.
    """

    def _known_route(self, described: Environ) -> str | None:
        return route_of(described)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request; it is recorded when the server has the whole response."""
        request = self._begun(environ.get("REQUEST_METHOD"))

        def started(status: str, *rest: Any) -> Any:
            digits = status[:3]
            request.status = int(digits) if digits.isdecimal() else None
            self._name(request, environ)  # afterwards Flask removes its request
            return start_response(status, *rest)

        try:
            response = self._app(environ, started)
        except BaseException as error:
            request.record(error)
            raise
        return _Response(response, request)


class _Response:
    """The response, recorded once: at its end, or when the server closes it."""

    def __init__(self, response: Iterable[bytes], request: Request) -> None:
        self._response = response
        self._pieces: Iterator[bytes] | None = None
        self._request: Request | None = request

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._pieces is None:
                self._pieces = iter(self._response)
            return next(self._pieces)
        except StopIteration:
            self._record(None)
            raise
        except BaseException as error:
            self._record(error)
            raise

    def close(self) -> None:
        """Close the response; a server does so too if the client left."""
        close = getattr(self._response, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._record(None)

    def _record(self, error: BaseException | None) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.record(error)


def route_of(environ: Environ) -> str | None:
    """Return the template of the route that Flask chose; None if there was none."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return None if rule is None else _VARIABLE.sub(r"{\1}", str(rule.rule))
