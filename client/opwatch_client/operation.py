"""Measure an operation: with a context manager, sync or async, or with a decorator."""

import functools
import inspect
from collections.abc import Callable
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

from opwatch_client import current, wire

Function = TypeVar("Function", bound=Callable[..., Any])


class Operation:
    """One operation: `with`, `async with`, or `@` above a function.

    One object measures one operation at a time; as a decorator it measures each call separately.
    An exception makes it a failure with the exception's type, and still reaches the caller.
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

    def __init__(
        self,
        operation: str,
        *,
        platform: str = wire.GENERIC,
        service: str | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Name the operation and its platform; `service` only if it differs from the settings."""
        self.operation = operation
        self.platform = platform
        self.service = service
        if trace_id is not None:
            self.trace_id = trace_id

    def fail(self, error_type: str, message: str | None = None) -> None:
        """Make it a failure without an exception; a later exception does not replace it."""
        self._error_type = error_type or "failed"
        self._error_message = message

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
        if error is not None and self._error_type is None:
            self._error_type = type(error).__name__
            self._error_message = error
        record(
            operation=self.operation,
            success=self._error_type is None,
            duration_ms=duration_ns // 1000 / 1000,
            platform=self.platform,
            confidence=self.confidence,
            cache=self.cache,
            cache_ttl_s=self.cache_ttl_s,
            cache_evictions=self.cache_evictions,
            error_type=self._error_type,  # type: ignore[arg-type]  # record checks it
            error_message=self._error_message,  # type: ignore[arg-type]
            service=self.service,
            trace_id=self.trace_id,
        )
        # A frame may keep this object; it must not keep the exception and with it all frames.
        self._error_message = None

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

    def _forget_last_time(self) -> None:
        self.confidence = self.cache = self.cache_ttl_s = self.cache_evictions = None
        self._error_type = self._error_message = None

    def _again(self) -> "Operation":
        return Operation(
            self.operation, platform=self.platform, service=self.service, trace_id=self.trace_id
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
