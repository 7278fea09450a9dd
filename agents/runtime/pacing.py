"""Do long work in slices of time: the event loop turns in between."""

import asyncio
import time
from typing import TypeVar

from streams.steps import Steps

T = TypeVar("T")

#: Work lets the loop turn after this much time: heartbeats to Kafka and /healthz wait no longer.
SLICE_S = 0.02


class Pace:
    """Notices when a slice of time is used up."""

    def __init__(self) -> None:
        """Begin a slice."""
        self._began = time.monotonic()

    async def rest(self) -> None:
        """Let the loop turn, if the slice is used up."""
        if time.monotonic() - self._began >= SLICE_S:
            await asyncio.sleep(0)
            self._began = time.monotonic()


async def paced(steps: Steps[T]) -> T:
    """Return the result of work; the loop turns between its steps, where they take long."""
    pace = Pace()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        await pace.rest()
