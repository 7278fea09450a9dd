"""Publish records in batches, each to the next partition, and count what is acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.kafka.reader import UnusableTopic, partitions
from agents.runtime.settings import Settings

#: The broker's usual limit for a batch is 1 MB; smaller ones spread better over partitions.
_BATCH_BYTES = 256 * 1024
_BATCHES_IN_FLIGHT = 32
#: The type of timestamps that the broker sets.
_LOG_APPEND_TIME = 1


class BatchPublisher:
    """Fills batches, sends each to the next partition, counts the acknowledged lines."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, count: int) -> None:
        self.acknowledged = 0
        """Lines of which the last record is acknowledged."""
        self.check_times: Callable[[], None] = lambda: None
        """Is called once if the broker replaces the times of records."""
        self._producer = producer
        self._topic = topic
        self._count = count
        self._next = 0
        self._batch = producer.create_batch()
        self._lines = 0
        """That are complete with the records of the batch."""
        self._in_flight: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def add(self, value: bytes, timestamp_ms: int, *, completes: bool) -> None:
        """Put a record into the batch; send a full batch first.

        Args:
            value: the record's.
            timestamp_ms: the record's.
            completes: whether it is the last record of its line.

        Raises:
            KafkaError: an earlier batch was refused.
            UnusableTopic: the broker replaces the times, and they matter.
        """
        if self._failure:
            raise self._failure
        if self._batch.append(timestamp=timestamp_ms, key=None, value=value) is None:
            await self.send()
            self._batch.append(timestamp=timestamp_ms, key=None, value=value)
        self._lines += completes

    async def send(self) -> None:
        """Send what is in the batch, if anything."""
        if self._batch.record_count() == 0:
            return
        batch, self._batch = self._batch, self._producer.create_batch()
        lines, self._lines = self._lines, 0
        partition = self._next
        self._next = (partition + 1) % self._count
        self._in_flight.add(asyncio.create_task(self._acknowledge(batch, partition, lines)))
        await asyncio.sleep(0)
        # The answer to the first batch says whether the broker keeps the times.
        most = _BATCHES_IN_FLIGHT if self.acknowledged else 1
        while len(self._in_flight) >= most:
            await self._wait(asyncio.FIRST_COMPLETED)

    async def linger(self, span_s: float) -> None:
        """Send the batch after each span, for ever."""
        while True:
            await asyncio.sleep(span_s)
            with suppress(KafkaError, UnusableTopic):  # `add` raises it
                await self.send()

    async def finish(self) -> None:
        """Send what is left and wait until all of it is acknowledged."""
        await self.send()
        if self._failure:
            raise self._failure
        if self._in_flight:
            await self._wait(asyncio.ALL_COMPLETED)

    async def _acknowledge(self, batch: Any, partition: int, lines: int) -> None:
        acknowledgement = await self._producer.send_batch(batch, self._topic, partition=partition)
        metadata = await acknowledgement
        if not self.acknowledged and metadata.timestamp_type == _LOG_APPEND_TIME:
            self.check_times()
        self.acknowledged += lines

    async def _wait(self, until: str) -> None:
        done, _ = await asyncio.wait(self._in_flight, return_when=until)
        self._in_flight -= done  # `linger` and `add` both send: the set may have grown
        for task in done:
            self._failure = self._failure or task.exception()
        if self._failure:
            raise self._failure


@asynccontextmanager
async def publisher(settings: Settings, topic: str) -> AsyncIterator[BatchPublisher]:
    """Yield a publisher to the topic.

    Raises:
        Unreachable: no broker answers.
        UnusableTopic: the topic does not exist, or the user may not write to it.
    """
    count = await partitions(settings, topic, "WRITE")
    producer = AIOKafkaProducer(
        **settings.kafka(),
        acks="all",
        enable_idempotence=True,
        max_batch_size=_BATCH_BYTES,
        max_request_size=8 * 1024 * 1024,
        request_timeout_ms=20_000,
    )
    try:
        await producer.start()
        yield BatchPublisher(producer, topic, count)
    finally:
        await asyncio.wait_for(producer.stop(), 10)
