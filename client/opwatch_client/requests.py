"""Name an HTTP request's operation, and record it: what the two middlewares share."""

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Generic, TypeVar

from opwatch_client import current, wire
from opwatch_client.operation import record

#: The route of a request that no route of the application matches: paths are without number.
NO_ROUTE = "(no route)"
#: Methods that there are; others are anybody's invention.
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)

App = TypeVar("App")
#: What describes a request: an ASGI scope, or a WSGI environ.
Described = TypeVar("Described")


class Measuring(Generic[App, Described]):
    """An application, and how its requests are measured."""

    def __init__(
        self,
        app: App,
        *,
        fail_from: int = 500,
        platform: str = wire.GENERIC,
        route: Callable[[Described], str | None] | None = None,
    ) -> None:
        """Measure an application.

        Args:
            app: the application.
            fail_from: the lowest status that is a failure.
            platform: of the operations.
            route: returns a request's route, for a framework that this does not know.
        """
        self._app = app
        self._fail_from = fail_from
        self._platform = platform
        self._route = route or self._known_route

    def _known_route(self, described: Described) -> str | None:
        """Return the route that a framework chose which this knows."""
        raise NotImplementedError

    def _begun(self, method: object) -> "Request":
        return Request(method, self._fail_from, self._platform)

    def _name(self, request: "Request", described: Described) -> None:
        try:
            request.route = self._route(described)
        except Exception:  # noqa: BLE001 - measuring must never break what it measures
            request.route = None
            current.publisher().bad("route")


class Request:
    """A request that is being answered."""

    def __init__(self, method: object, fail_from: int, platform: str) -> None:
        """Begin to measure; a status of `fail_from` or more is a failure."""
        self.status: int | None = None
        self.route: str | None = None
        self.client_left = False
        self._method = method if method in _METHODS else "other"
        self._fail_from = fail_from
        self._platform = platform
        self._began_ns = perf_counter_ns()
        self._ended_ns: int | None = None

    def end(self) -> None:
        """Stop the clock: the response is complete, whatever the application does afterwards."""
        if self._ended_ns is None:
            self._ended_ns = perf_counter_ns()

    def record(self, error: BaseException | None = None) -> None:
        """Publish what became of it. Never raises."""
        self.end()
        error_type: str | None = None
        if isinstance(error, Exception) and not self.client_left:
            error_type = type(error).__name__
        elif self.status is not None:
            error_type = f"HTTP {self.status}" if self.status >= self._fail_from else None
        elif error is not None or self.client_left:
            current.publisher().discard()  # nobody waits for an answer, and there is none
            return
        else:
            error_type = "no response"
        duration_ns = (self._ended_ns or 0) - self._began_ns
        record(
            operation=f"{self._method} {self.route or NO_ROUTE}"[: wire.NAME_LENGTH],
            success=error_type is None,
            duration_ms=duration_ns // 1000 / 1000,
            platform=self._platform,
            error_type=error_type,
            error_message=error if error_type and error else None,  # type: ignore[arg-type]  # record makes it text
        )


def text_of(value: Any) -> str | None:
    """Return a text that is not empty, else None."""
    return value if isinstance(value, str) and value else None
