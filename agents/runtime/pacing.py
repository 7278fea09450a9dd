"""Do long work in slices of time: the event loop turns in between."""

import asyncio
import time
from collections.abc import Iterator
from typing import TypeVar

from agents.kafka.chunks import Chunk
from streams.steps import Steps

T = TypeVar("T")

#: Work lets the loop turn after this much time: heartbeats to Kafka and /healthz wait no longer.
SLICE_S = 0.02
#: Records, or bytes of them and a last one, read in one go: what is in order takes 20 ms.
_PART_RECORDS = 10_000
_PART_BYTES = 2 * 1024 * 1024


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


def parts_of(chunk: Chunk) -> Iterator[Chunk]:
    """Cut a chunk into parts that can each be read in one go."""
    records = chunk.records
    sizes = [len(record.value or b"") for record in records]
    if len(records) <= _PART_RECORDS and sum(sizes) <= _PART_BYTES:
        yield chunk
        return
    start, first, size = chunk.start, 0, 0
    for place, record_size in enumerate(sizes):
        size += record_size
        last = place + 1 == len(records)
        if last or size >= _PART_BYTES or place + 1 - first >= _PART_RECORDS:
            end = chunk.end if last else records[place + 1].offset
            yield Chunk(start, end, records[first : place + 1])
            start, first, size = end, place + 1, 0
