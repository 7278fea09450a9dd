"""Measure operations where they happen and publish them to Kafka, never in the host's way."""

import asyncio

from opwatch_client import current
from opwatch_client.buffer import Stats
from opwatch_client.current import configure
from opwatch_client.heartbeat import Heartbeat as heartbeat  # noqa: N813 - as operation below
from opwatch_client.operation import Operation as operation  # noqa: N813 - reads as a verb's object
from opwatch_client.operation import record

__all__ = [
    "Stats",
    "aflush",
    "close",
    "configure",
    "flush",
    "heartbeat",
    "operation",
    "record",
    "stats",
]

__version__ = "0.1.0"

TIMEOUT_S = 5.0


def flush(timeout_s: float = TIMEOUT_S) -> bool:
    """Wait until what was recorded before has left the buffer; False when the time runs out.

    It blocks its thread: in a coroutine `await aflush()` instead.
    """
    return current.publisher().flush(timeout_s)


async def aflush(timeout_s: float = TIMEOUT_S) -> bool:
    """Do as `flush` does without blocking the running loop."""
    publisher = current.publisher()
    left = publisher.left()
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.wrap_future(left)
    except TimeoutError:
        return False
    finally:
        publisher.forget(left)


def close(timeout_s: float = TIMEOUT_S) -> bool:
    """Flush, then end the thread and its connections; what cannot leave in time is dropped.

    Done by itself at exit. An operation recorded later begins anew.
    """
    return current.publisher().close(timeout_s)


def stats() -> Stats:
    """Return what this process has published, dropped and still holds."""
    return current.publisher().stats()
