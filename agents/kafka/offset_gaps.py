"""Take each chunk of a partition once and in order, and read again what a rebalance dropped.

What Kafka removed before it was read is a gap: it is said, and reading goes on behind it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from agents.kafka.chunks import Chunk, Gap
from agents.kafka.transport import ChunkConsumer

log = structlog.get_logger()

#: A seek that was not obeyed is repeated after this long.
_SEEK_AGAIN_S = 3.0


class ChunkSequence:
    """Lets through, of each partition, an unbroken sequence of chunks."""

    def __init__(self, app: faust.App, missing: Callable[[TP, Gap], Awaitable[None]]) -> None:
        """Begin with nothing read.

        Args:
            app: the role's.
            missing: is told of records that Kafka removed before they were read, in order with
                the chunks of the partition.
        """
        self._app = app
        self._missing = missing
        self._turns: dict[TP, asyncio.Lock] = {}
        self._next: dict[TP, int] = {}
        self._generation: dict[TP, int] = {}
        self._sought: dict[TP, float] = {}
        self._suspect: dict[TP, int] = {}

    def turn(self, tp: TP) -> asyncio.Lock:
        """Return what is held while a chunk of a partition is accepted and read."""
        return self._turns.setdefault(tp, asyncio.Lock())

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions."""
        for tp in tps:
            self._next.pop(tp, None)
            self._sought.pop(tp, None)

    def behind(self) -> dict[TP, int]:
        """Return where reading stands of each partition that is not read to its end."""
        consumer: ChunkConsumer = self._app.consumer
        behind = {}
        for tp in self._partitions():
            end = consumer.readable_end_of(tp)
            at = self._next.get(tp, 0)
            if end is not None and end > at:
                behind[tp] = at
        return behind

    def _partitions(self) -> list[TP]:
        """Return the partitions of ours that agents read: not the changelogs."""
        consumer: ChunkConsumer = self._app.consumer
        topics = consumer.chunked_topics.difference(self._app.tables.changelog_topics)
        return [tp for topic in topics for tp in consumer.assigned(topic)]

    async def look(self) -> None:
        """Go back to what a rebalance dropped where nothing came after it that would tell.

        The consumer has read past what was accepted, and nothing waits to be: seen twice, that is
        no chunk on its way. Call it about once a second.
        """
        consumer: ChunkConsumer = self._app.consumer
        suspect, self._suspect = self._suspect, {}
        if consumer.waiting:
            return
        generation = self._app.consumer_generation_id
        for tp in self._partitions():
            if self.turn(tp).locked():  # it is being read
                continue
            async with self.turn(tp):
                expected = await self._expected(tp, generation)
                position = consumer.position_of(tp)
                if expected is None or self._app.rebalancing:
                    return
                if position is not None and position > self._next.get(tp, expected):
                    if suspect.get(tp) == expected:
                        await self._go_back(tp, expected, position)
                    self._suspect[tp] = expected

    async def accept(self, message: Any) -> Chunk | None:
        """Return the part of a message's chunk that continues what was read, or None.

        None: it was fetched for an earlier assignment, is known, or something before it is
        missing; then reading goes back to what is missing.
        """
        tp: TP = message.tp
        chunk: Chunk = message.value
        generation = self._app.consumer_generation_id
        if message.generation_id != generation or self._app.rebalancing:
            return None  # after a rebalance all is read again from the commit
        expected = await self._expected(tp, generation)
        if expected is None:
            return None
        if chunk.start > expected:
            expected = await self._go_back(tp, expected, chunk.start)
            if chunk.start > expected or self._generation.get(tp) != generation:
                return None
        if chunk.end <= expected:
            return None
        self._sought.pop(tp, None)
        self._next[tp] = chunk.end
        if chunk.start == expected:
            return chunk
        records = [record for record in chunk.records if record.offset >= expected]
        return chunk._replace(start=expected, records=records)

    async def _expected(self, tp: TP, generation: int) -> int | None:
        """Return where reading of a partition stands; None when another assignment came."""
        if tp not in self._next or self._generation.get(tp) != generation:
            begin = await self._app.consumer.begin_of(tp)
            if self._app.consumer_generation_id != generation:
                return None
            self._generation[tp] = generation
            self._next[tp] = begin.offset
            if begin.gap is not None:
                await self._missing(tp, begin.gap)
        return self._next.get(tp)

    async def _go_back(self, tp: TP, expected: int, start: int) -> int:
        """Go back to the offset that is expected, or behind what is gone; return where to."""
        now = time.monotonic()
        if now - self._sought.get(tp, -_SEEK_AGAIN_S) < _SEEK_AGAIN_S:
            return expected
        self._sought[tp] = now
        try:
            earliest: int = await self._app.consumer.earliest(tp)
        except KafkaError:  # not ours any more, or the broker is away
            return expected
        if self._next.get(tp) != expected:  # lost meanwhile
            return expected
        if earliest > expected:
            self._next[tp] = end = min(earliest, start)
            self._sought.pop(tp)
            await self._missing(tp, Gap(expected, end))
            return end
        log.info(
            "read again what a rebalance dropped",
            topic=tp.topic,
            partition=tp.partition,
            from_offset=expected,
            instead_of=start,
        )
        await self._app.consumer.seek(tp, expected)
        return expected
