"""Call the functions of a service that remedy bad analyses, on request."""

import asyncio
import contextlib
import functools
import inspect
import json
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from time import time_ns
from typing import Any

from opwatch_client.consumer import Incoming
from opwatch_client.findings import Finding, parse
from opwatch_client.logs import log
from opwatch_client.threads import NativeThread

#: A new group begins with requests this old; older ones are no longer worth an answer.
OLDEST_MS = 3_600_000
#: Requests whose ids are remembered, so that a repeat is handled once.
_REMEMBERED = 1_000


@dataclass(frozen=True, kw_only=True)
class RemediationRequest:
    """A request to remedy a bad analysis."""

    id: str
    analysis: str
    """Pass it on as `remediates` when you publish the repeated analysis."""
    input_hash: str
    service: str
    operation: str
    platform: str
    model: str
    action: str
    attempt: int
    """Of this input; opwatch limits them."""
    overall: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class _Handler:
    function: Callable[[RemediationRequest], Any]
    loop: asyncio.AbstractEventLoop | None
    within_s: float


_handlers: dict[str, _Handler] = {}


def registered() -> bool:
    """Return whether any function is registered."""
    return bool(_handlers)


def register(action: str, function: Callable[..., Any], within_s: float) -> None:
    """Make this the function that handles the action; it replaces an earlier one."""
    loop = None
    if inspect.iscoroutinefunction(function):
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
    _handlers[action] = _Handler(function=function, loop=loop, within_s=within_s)


class Remedies:
    """Handles the requests to one service, and counts how that went."""

    def __init__(self, service: str) -> None:
        """Handle requests to this service only."""
        self.handled = 0
        self.failed = 0
        self._service = service
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def handle(self, records: list[Incoming]) -> None:
        """Handle the requests at the same time; errors are logged and counted."""
        await asyncio.gather(*(self._handle(record) for record in records))

    async def _handle(self, record: Incoming) -> None:
        try:
            body = json.loads(record.value or b"null")
            if not isinstance(body, dict) or body.get("service") != self._service:
                return
            handler = _handlers.get(body["action"])
            is_old = body["requested_at"] < time_ns() // 1_000_000 - OLDEST_MS
            if handler is None or is_old or self._was_seen(body["id"]):
                return
            request = _parsed(body)
        except Exception:  # noqa: BLE001 - anybody may write to the topic
            self.failed += 1
            log.warning("opwatch left out a request to remedy that cannot be read")
            return
        await self._call(handler, request)

    async def _call(self, handler: _Handler, request: RemediationRequest) -> None:
        try:
            calling = asyncio.wrap_future(_begin(handler, request))
            async with asyncio.timeout(handler.within_s):
                await calling
        except Exception:  # noqa: BLE001 - a host's function may raise anything
            self.failed += 1
            log.exception(
                "opwatch: remedying analysis %s (%s) failed", request.analysis, request.action
            )
        else:
            self.handled += 1

    def _was_seen(self, identity: str) -> bool:
        if identity in self._seen:
            return True
        self._seen[identity] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return False


def _begin(handler: _Handler, request: RemediationRequest) -> "Future[Any]":
    """Call the function: in the loop in which it was registered, else in a thread of its own."""
    function = handler.function
    if handler.loop is not None and handler.loop.is_running():
        return asyncio.run_coroutine_threadsafe(function(request), handler.loop)
    done: Future[Any] = Future()
    NativeThread(functools.partial(_run, function, request, done), "opwatch-remediation").start()
    return done


def _run(
    function: Callable[[RemediationRequest], Any], request: RemediationRequest, done: "Future[Any]"
) -> None:
    try:
        result = function(request)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    except BaseException as error:  # noqa: BLE001 - as SystemExit, it would end this thread alone
        with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
            done.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
    else:
        with contextlib.suppress(InvalidStateError):
            done.set_result(None)


def _parsed(body: dict[str, Any]) -> RemediationRequest:
    names = (
        *("id", "analysis", "input_hash", "service", "operation", "platform", "model"),
        *("action", "attempt", "overall"),
    )
    return RemediationRequest(
        **{name: body[name] for name in names}, findings=parse(body["findings"])
    )
