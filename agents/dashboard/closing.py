"""Close clients of Kafka, whatever they raise: also aiokafka's tasks that were cancelled inside."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

log = structlog.get_logger()

_CLOSE_S = 5.0


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
