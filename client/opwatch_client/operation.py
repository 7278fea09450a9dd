"""Measure an operation: with a context manager, sync or async, or with a decorator."""

import asyncio
import copy
import functools
import inspect
from collections.abc import Callable
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

from opwatch_client import cancellation, current, wire

Function = TypeVar("Function", bound=Callable[..., Any])


class Operation:
    """One operation: `with`, `async with`, or `@` above a function.

    One object measures one operation at a time; as a decorator it measures each call separately.
    An exception makes it a failure with the exception's type, and still reaches the caller. No
    failures are those of `ignore`, GeneratorExit (nobody wants the rest) and SystemExit without an
    error. One that is cancelled does not count if its task ends so; if the task goes on, as after
    a timeout, it is a failure.
    """

    # Not __slots__: a mistyped attribute must not raise in a host's rarest branch.
    confidence: float | None = None
    cache: Literal["hit", "miss"] | None = None
    cache_ttl_s: float | None = None
    cache_evictions: int | None = None
    trace_id: str | None = None
    _error_type: object = None
    _error_message: object = None
    _started_ns = 0
    _outcome: Literal["succeeded", "discarded", "cancelled"] | None = None
    _ignored: tuple[type[BaseException], ...] = ()

    def __init__(
        self,
        operation: str,
        *,
        platform: str = wire.GENERIC,
        service: str | None = None,
        trace_id: str | None = None,
        ignore: tuple[type[BaseException], ...] = (),
    ) -> None:
        """Name the operation and its platform.

        Args:
            operation: its name.
            platform: on which platform.
            service: only if it differs from the settings.
            trace_id: of the trace that it belongs to.
            ignore: exceptions that are no failures, such as KeyError; they still reach the caller.
        """
        self.operation = operation
        self.platform = platform
        self.service = service
        if trace_id is not None:
            self.trace_id = trace_id
        if ignore:
            self._ignored = _exceptions(ignore)

    def fail(self, error_type: str, message: str | None = None) -> None:
        """Make it a failure without an exception; a later exception does not replace it."""
        self._error_type = error_type or "failed"
        self._error_message = message
        self._outcome = None

    def succeed(self) -> None:
        """Make it a success, whatever exception comes after; the exception reaches the caller."""
        self._error_type = self._error_message = None
        self._outcome = "succeeded"

    def discard(self) -> None:
        """Do not count it."""
        self._outcome = "discarded"

    def cache_hit(self, *, ttl_s: float | None = None) -> None:
        """Record a cache hit, and the time to live of the entry in seconds."""
        self.cache = "hit"
        self.cache_ttl_s = ttl_s

    def cache_miss(self, *, ttl_s: float | None = None, evictions: int | None = None) -> None:
        """Record a cache miss, and how many entries were evicted for it."""
        self.cache = "miss"
        self.cache_ttl_s = ttl_s
        self.cache_evictions = evictions

    def __enter__(self) -> Self:
        if self._started_ns:
            self._forget_last_time()
        self._started_ns = perf_counter_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        duration_ns = perf_counter_ns() - self._started_ns
        if error is not None and self._error_type is None and self._outcome is None:
            self._judge(error)
        if self._outcome is None or self._outcome == "succeeded":
            self._record(duration_ns)
        elif self._outcome == "discarded":
            current.publisher().discard()
        else:
            cancelled, now_ms = copy.copy(self), time_ns() // 1_000_000
            cancellation.judge(
                lambda kind: cancelled._record(duration_ns, kind, now_ms),  # noqa: SLF001 - its own class
                current.publisher().discard,
            )
        # A frame may keep this object; it must not keep the exception and with it all frames.
        self._error_message = None

    def _record(
        self, duration_ns: int, error_type: str | None = None, at_ms: int | None = None
    ) -> None:
        error_type = error_type or self._error_type  # type: ignore[assignment]  # record checks it
        record(
            operation=self.operation,
            success=error_type is None,
            duration_ms=duration_ns // 1000 / 1000,
            platform=self.platform,
            occurred_at_ms=at_ms,
            confidence=self.confidence,
            cache=self.cache,
            cache_ttl_s=self.cache_ttl_s,
            cache_evictions=self.cache_evictions,
            error_type=error_type,
            error_message=self._error_message,  # type: ignore[arg-type]
            service=self.service,
            trace_id=self.trace_id,
        )

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Function) -> Function:
        """Measure each call of a function or coroutine function.

        Raises:
            TypeError: it is neither, so that a call's end is not the operation's.
        """
        if _is_coroutine_function(function):

            @functools.wraps(function)
            async def measured_async(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return cast("Function", measured_async)

        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return cast("Function", measured)

    def _judge(self, error: BaseException) -> None:
        """Say what an exception makes of the operation."""
        if isinstance(error, (*self._ignored, GeneratorExit)):
            return
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return
        if isinstance(error, asyncio.CancelledError):
            self._outcome = "cancelled"
            return
        self._error_type = type(error).__name__
        self._error_message = error

    def _forget_last_time(self) -> None:
        self._outcome = None
        self.confidence = self.cache = self.cache_ttl_s = self.cache_evictions = None
        self._error_type = self._error_message = None

    def _again(self) -> "Operation":
        return Operation(
            self.operation,
            platform=self.platform,
            service=self.service,
            trace_id=self.trace_id,
            ignore=self._ignored,
        )


def record(
    *,
    operation: str,
    success: bool,
    duration_ms: float,
    platform: str = wire.GENERIC,
    occurred_at_ms: int | None = None,
    confidence: float | None = None,
    cache: Literal["hit", "miss"] | None = None,
    cache_ttl_s: float | None = None,
    cache_evictions: int | None = None,
    error_type: str | None = None,
    error_message: str | None = None,
    service: str | None = None,
    trace_id: str | None = None,
) -> None:
    """Publish an operation that was measured elsewhere; `occurred_at_ms` is its end, else now.

    Never raises. An operation whose duration is negative, NaN or not a number is dropped.
    """
    publisher = current.publisher()
    try:
        duration = wire.number(duration_ms, wire.MAX_DURATION_MS)
        if duration is None:
            publisher.refuse("duration_ms")
            return
        fields: wire.Fields = {
            "version": 1,
            "operation": wire.name(operation, wire.UNNAMED),
            "platform": wire.name(platform, wire.GENERIC),
            "occurred_at": time_ns() // 1_000_000,
            "success": bool(success),
            "duration_ms": duration,
        }
        bad = publisher.bad
        if occurred_at_ms is not None:
            wire.add(fields, "occurred_at", wire.whole(occurred_at_ms, wire.MAX_EPOCH_MS), bad)
        if confidence is not None:
            wire.add(fields, "confidence", wire.number(confidence, 1.0), bad)
        if cache is not None or cache_ttl_s is not None or cache_evictions is not None:
            wire.add_cache(fields, cache, cache_ttl_s, cache_evictions, bad)
        if error_type is not None or error_message is not None:
            wire.add_text(fields, "error_type", error_type, bad)
            wire.add_text(fields, "error_message", error_message, bad)
        if trace_id is not None:
            wire.add_text(fields, "trace_id", trace_id, bad)
        service = service or publisher.service
        if service is not None:
            wire.add_text(fields, "service", service, bad)
        publisher.append(fields)
    except Exception:  # noqa: BLE001 - measuring must never break what it measures
        publisher.refuse("success")


def _exceptions(ignore: Any) -> tuple[type[BaseException], ...]:
    """Return the exceptions of `ignore`, also if it is a single one.

    Raises:
        TypeError: it is something else.
    """
    kinds = ignore if isinstance(ignore, tuple) else (ignore,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise TypeError("operation: `ignore` takes exceptions, as in ignore=(KeyError,)")
    return kinds


def _is_coroutine_function(function: Any) -> bool:
    if not callable(function) or isinstance(function, type | staticmethod | classmethod):
        raise TypeError(
            "@operation measures functions and coroutine functions, not a"
            f" {type(function).__name__} (it goes beneath @staticmethod and @classmethod)"
        )
    called = function
    if not (inspect.isroutine(function) or isinstance(function, functools.partial)):
        called = type(function).__call__  # an object whose class makes it a function
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise TypeError(
            "@operation cannot measure a generator function: its call returns before the work"
            " begins; use `with operation(...)` inside of it"
        )
    return inspect.iscoroutinefunction(called)
