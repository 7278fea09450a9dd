"""Measure operations and publish analyses where they happen, without delaying the host."""

import asyncio

from opwatch_client import current
from opwatch_client.analysis import analysis
from opwatch_client.buffer import Outcomes, Stats
from opwatch_client.current import configure
from opwatch_client.findings import Finding
from opwatch_client.heartbeat import Heartbeat as heartbeat  # noqa: N813 - as operation below
from opwatch_client.label import label
from opwatch_client.operation import Operation as operation  # noqa: N813 - reads as a verb's object
from opwatch_client.operation import record
from opwatch_client.remediation import remediation
from opwatch_client.remediation_calls import RemediationRequest
from opwatch_client.score import DimensionScore, LeftOut, Score, score

__all__ = [
    "DimensionScore",
    "Finding",
    "LeftOut",
    "Outcomes",
    "RemediationRequest",
    "Score",
    "Stats",
    "aflush",
    "analysis",
    "close",
    "configure",
    "flush",
    "heartbeat",
    "label",
    "operation",
    "record",
    "remediation",
    "score",
    "stats",
]

__version__ = "0.1.0"

TIMEOUT_S = 5.0


def flush(timeout_s: float = TIMEOUT_S) -> bool:
    """Wait until all that was recorded so far has left the buffers; False on a timeout.

    It blocks the calling thread: in a coroutine use `await aflush()`.
    """
    return current.publisher().flush(timeout_s)


async def aflush(timeout_s: float = TIMEOUT_S) -> bool:
    """Flush without blocking the running event loop."""
    publisher = current.publisher()
    await asyncio.sleep(0)  # what was cancelled just now is judged in the loop's next turn
    left = publisher.left()
    try:
        async with asyncio.timeout(timeout_s):
            arrived = [await asyncio.wrap_future(buffered) for buffered in left]
            return all(arrived)
    except TimeoutError:
        return False
    finally:
        publisher.forget(left)


def close(timeout_s: float = TIMEOUT_S) -> bool:
    """Flush, then end the thread and its connections; drop what cannot be sent in time.

    Called at exit. What is recorded later starts a new thread.
    """
    return current.publisher().close(timeout_s)


def stats() -> Stats:
    """Return how much this process has published, dropped and still buffers."""
    return current.publisher().stats()
