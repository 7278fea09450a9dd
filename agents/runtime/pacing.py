"""Do long work in slices of time; other tasks run in between."""

import asyncio
import time
from typing import TypeVar

from streams.long_work import Steps

T = TypeVar("T")

#: The length of a slice: heartbeats to Kafka and /healthz wait no longer.
SLICE_S = 0.02


class Pace:
    """Lets other tasks run when a slice of time is used up."""

    def __init__(self, slice_s: float = SLICE_S) -> None:
        """Begin a slice."""
        self._slice_s = slice_s
        self._began = time.monotonic()

    async def rest(self) -> None:
        """Let other tasks run, if the slice is used up."""
        if time.monotonic() - self._began >= self._slice_s:
            await asyncio.sleep(0)
            self._began = time.monotonic()


async def paced(steps: Steps[T]) -> T:
    """Return the result of work in steps; other tasks run in between."""
    pace = Pace()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        await pace.rest()
