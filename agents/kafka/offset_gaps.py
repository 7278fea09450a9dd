"""Pass each chunk of a partition once and in order; find what is missing between two of them.

What a rebalance dropped is read again. What Kafka removed before it was read is a gap: it is
reported, and reading goes on behind it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.transport import ChunkConsumer

log = structlog.get_logger()

#: A seek that had no effect is repeated after this long.
_SEEK_AGAIN_S = 3.0
#: What a broker cannot read is passed over after this long: another may lead by then.
CORRUPT_PATIENCE_S = 30.0
#: This many offsets at first, then twice as many.
CORRUPT_OFFSETS = 64


class ChunkSequence:
    """Passes an unbroken sequence of chunks of each partition."""

    def __init__(self, app: faust.App, missing: Callable[[TP, Gap], Awaitable[None]]) -> None:
        """Begin with nothing read.

        Args:
            app: the role's.
            missing: takes what Kafka removed before it was read, in order with the chunks of
                the partition.
        """
        self._app = app
        self._missing = missing
        self._turns: dict[TP, asyncio.Lock] = {}
        self._losses = 0
        self._next: dict[TP, int] = {}
        self._generation: dict[TP, int] = {}
        self._sought: dict[TP, float] = {}
        self._suspect: dict[TP, int] = {}
        self._ends: dict[TP, int] = {}
        """The highest end of each log that the broker has reported."""
        self._short: dict[TP, int] = {}
        """Up to where a log was read again whose end is below the offset to be read next."""
        self._read: dict[TP, tuple[int, int]] = {}
        """The first offset that no worker has read, and the epoch of the record before it."""
        self._corrupt: dict[TP, int] = {}
        """The number of offsets passed over last, for each log that the broker cannot read."""

    def turn(self, tp: TP) -> asyncio.Lock:
        """Return the lock under which a partition's chunk is accepted and read."""
        return self._turns.setdefault(tp, asyncio.Lock())

    async def begin(self) -> None:
        """Commit where reading begins, so that later changes of the logs are noticed."""
        for tp in self._partitions():
            await self._app.consumer.begin_of(tp)

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions."""
        self._losses += 1
        for tp in tps:
            self._next.pop(tp, None)
            self._sought.pop(tp, None)
            self._ends.pop(tp, None)
            self._short.pop(tp, None)
            self._read.pop(tp, None)
            self._corrupt.pop(tp, None)

    def unready(self) -> str | None:
        """Return a sentence about each partition that the broker cannot read; None if it can."""
        sentences = [
            f"Kafka cannot read {tp.topic}/{tp.partition} from offset {self._next.get(tp, 0)} on"
            " (CORRUPT_MESSAGE): its log is damaged. Let another replica lead it; else what cannot"
            f" be read is passed over {CORRUPT_PATIENCE_S:.0f} s after it was found."
            for tp in self._app.consumer.corrupt_since()
        ]
        return " ".join(sentences) or None

    def behind(self) -> dict[TP, int]:
        """Return the next offset of each partition that is not read to its end."""
        consumer: ChunkConsumer = self._app.consumer
        behind = {}
        for tp in self._partitions():
            end = consumer.readable_end_of(tp)
            at = self._next.get(tp, 0)
            if end is not None and end > at:
                behind[tp] = at
        return behind

    def _partitions(self) -> list[TP]:
        """Return the assigned partitions that agents read: all but the changelogs."""
        consumer: ChunkConsumer = self._app.consumer
        topics = consumer.chunked_topics.difference(self._app.tables.changelog_topics)
        return [tp for topic in topics for tp in consumer.assigned(topic)]

    async def look(self) -> None:
        """Find chunks that a rebalance dropped, and after which no other chunk has come.

        The consumer has read past what was accepted, and nothing waits to be: seen twice, that is
        no chunk on its way. Call it about once a second.
        """
        consumer: ChunkConsumer = self._app.consumer
        await self._look_for_cuts(consumer)
        await self._pass_over_corrupt(consumer)
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

    async def _look_for_cuts(self, consumer: ChunkConsumer) -> None:
        """Find logs that end below the offset to be read next.

        The rest of such a log is read again first: batches of a later leader are new records.
        """
        for tp in self._partitions():
            expected, (end, _) = self._next.get(tp), consumer.end_of(tp)
            if expected is None or end is None or self.turn(tp).locked():
                continue
            if end >= expected:
                self._ends[tp] = max(end, self._ends.get(tp, 0))
                self._short.pop(tp, None)
                continue
            async with self.turn(tp):
                try:
                    await self._look_at_short(consumer, tp)
                except KafkaError:  # not ours any more, or the broker is away
                    continue

    async def _look_at_short(self, consumer: ChunkConsumer, tp: TP) -> None:
        expected, start, now = self._next.get(tp), consumer.starts.of(tp), time.monotonic()
        if expected is None or (end := await consumer.end_now(tp)) >= expected:
            return  # a new leader learns late how far its log is known
        if tp not in self._short:
            begin = max(start.committed, start.cut_at)
            self._short[tp] = begin if begin < end else await consumer.earliest(tp)
        elif self._short[tp] >= end:
            await self._go_on_behind_cut(tp, end)
            await consumer.go_to(tp, self._next[tp])
            return
        elif now - self._sought.get(tp, 0.0) < _SEEK_AGAIN_S:
            return
        elif (consumer.position_of(tp) or 0) < end:
            return  # it is being fetched
        self._sought[tp] = now
        await consumer.go_to(tp, self._short[tp])

    async def _pass_over_corrupt(self, consumer: ChunkConsumer) -> None:
        """Skip what the broker cannot read, further each time, until it can read."""
        corrupt = consumer.corrupt_since()
        self._corrupt = {tp: count for tp, count in self._corrupt.items() if tp in corrupt}
        for tp, since in corrupt.items():
            expected = self._next.get(tp)
            if expected is None or time.monotonic() - since < CORRUPT_PATIENCE_S:
                continue
            try:
                end = await consumer.end_now(tp)
            except KafkaError:  # not ours any more, or the broker is away
                continue
            async with self.turn(tp):
                if end > expected and self._next.get(tp) == expected:
                    count = self._corrupt[tp] = 2 * self._corrupt.get(tp, CORRUPT_OFFSETS // 2)
                    self._next[tp] = after = min(expected + count, end)
                    await self._missing(tp, Gap(expected, after, is_corrupt=True))
                    await consumer.go_to(tp, after)

    def _cut_in(self, tp: TP, chunk: Chunk) -> int | None:
        """Return the first offset at which a chunk has other records than were read there."""
        read_to, last_epoch = self._read.get(tp, (0, -1))
        if last_epoch >= 0:
            for offset, epoch in chunk.epochs:
                if epoch > last_epoch and offset < read_to:
                    return offset
        return None

    async def _go_on_behind_cut(self, tp: TP, at: int) -> int:
        """Go on where a log was cut; return by how much its offsets are moved.

        The records that stood there were read, and count; Kafka gives their offsets to others.
        """
        consumer: ChunkConsumer = self._app.consumer
        read_to, _ = self._read[tp]
        # At least one offset, so that no block spans the cut.
        after = max(self._ends.pop(tp, 0), read_to + 1)
        gap = Gap(read_to, after, cut_at=at - consumer.starts.of(tp).moved)
        by = consumer.starts.move(tp, after, at)
        self._next[tp], self._read[tp] = after, (after, -1)
        self._short.pop(tp, None)
        await self._missing(tp, gap)
        return by

    async def accept(self, message: Any) -> Chunk | None:
        """Return the part of a message's chunk that continues what was read, or None.

        None: it was fetched for an earlier assignment, is known, or something before it is
        missing; then reading goes back to what is missing.
        """
        tp: TP = message.tp
        generation = self._app.consumer_generation_id
        if message.generation_id != generation or self._app.rebalancing:
            return None  # after a rebalance all is read again from the commit
        expected = await self._expected(tp, generation)
        if expected is None:
            return None
        chunk: Chunk = message.value.moved(self._app.consumer.starts.of(tp).moved)
        if chunk.start > expected:
            expected = await self._go_back(tp, expected, chunk.start)
            if chunk.start > expected or self._generation.get(tp) != generation:
                return None
        if (cut_at := self._cut_in(tp, chunk)) is not None:
            chunk = chunk.moved(await self._go_on_behind_cut(tp, cut_at))
            expected = self._next.get(tp, chunk.end)
        elif chunk.start <= self._short.get(tp, -1) < chunk.end:
            self._short[tp] = chunk.end
        if chunk.end <= expected:
            return None
        self._sought.pop(tp, None)
        self._next[tp] = chunk.end
        self._note_read(tp, chunk)
        if chunk.start == expected:
            return chunk
        records = [record for record in chunk.records if record.offset >= expected]
        return chunk._replace(start=expected, records=records)

    def _note_read(self, tp: TP, chunk: Chunk) -> None:
        read_to, epoch = self._read.get(tp, (0, -1))
        if chunk.end >= read_to:
            epoch = chunk.epochs[-1][1] if chunk.epochs else epoch
            self._read[tp] = chunk.end, epoch
            self._app.consumer.starts.of(tp).epoch = epoch

    async def _expected(self, tp: TP, generation: int) -> int | None:
        """Return the offset to be read next; None when another assignment came."""
        if tp not in self._next or self._generation.get(tp) != generation:
            losses = self._losses
            begin = await self._app.consumer.begin_of(tp)
            if self._app.consumer_generation_id != generation or losses != self._losses:
                return None
            self._generation[tp] = generation
            self._next[tp] = begin.offset
            self._read[tp] = max(begin.read_to, begin.offset), begin.epoch
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
        await self._app.consumer.go_to(tp, expected)
        return expected
