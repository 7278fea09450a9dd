"""Call clients of Kafka and close them, whatever they raise or wait for, and end tasks that do."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()

_CLOSE_S = 5.0
_AGAIN_S = 0.5
_END_S = 8.0

T = TypeVar("T")


async def within(seconds: float, call: Awaitable[T]) -> T:
    """Return what a client of Kafka answers.

    asyncio.timeout waits for what it cancels, and aiokafka swallows a cancellation that comes at
    the wrong moment: a call whose time is up is left to itself.

    Raises:
        TimeoutError: no answer in time.
        ConnectionError: the client cancelled the call itself.
    """
    calling = asyncio.ensure_future(call)
    try:
        await asyncio.wait([calling], timeout=seconds)
        if not calling.done():
            raise TimeoutError
        if calling.cancelled():
            raise ConnectionError("the client of Kafka was closed")
        return calling.result()
    finally:
        if not calling.done():
            calling.cancel()
            calling.add_done_callback(_forget)


def _forget(left: "asyncio.Future[Any]") -> None:
    if not left.cancelled():
        left.exception()  # else asyncio logs that nobody asked for it


async def close(stop: Callable[[], Awaitable[Any]]) -> None:
    """Stop a client, and return after a few seconds in any case.

    What it raises is logged, not raised: a CancelledError of a task inside it would end whoever
    closes it, as if they had been cancelled themselves.
    """
    closing = asyncio.ensure_future(stop())
    done, _ = await asyncio.wait([closing], timeout=_CLOSE_S)
    if not done:
        closing.cancel()
    elif not closing.cancelled() and (error := closing.exception()) is not None:
        log.debug("a client of Kafka did not close well", error=repr(error))


async def end(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel tasks until all have ended, and return after a few seconds in any case.

    Once is not enough: aiokafka swallows a cancellation that comes while it closes a connection.
    """
    give_up_s = time.monotonic() + _END_S
    waiting = set(tasks)
    while waiting and time.monotonic() < give_up_s:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_AGAIN_S)
