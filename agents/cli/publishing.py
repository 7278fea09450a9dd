"""Publish many records fast: whole batches, partition by partition, each acknowledged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.cli.kafka import partitions
from agents.runtime.settings import Settings

#: The broker's usual limit for a batch is 1 MB; smaller ones spread better over partitions.
BATCH_BYTES = 256 * 1024
#: So many batches are on their way at once.
ON_THE_WAY = 32


class Publisher:
    """Fills a batch, sends it to the next partition, begins another."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, count: int) -> None:
        self.acknowledged = 0
        self._producer = producer
        self._topic = topic
        self._count = count
        self._next = 0
        self._batch = producer.create_batch()
        self._on_the_way: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def add(self, value: bytes, timestamp_ms: int) -> None:
        """Put a record into the batch, sending it first where it is full.

        Raises:
            KafkaError: an earlier batch was refused.
        """
        if self._failure:
            raise self._failure
        if self._batch.append(timestamp=timestamp_ms, key=None, value=value) is None:
            await self.send()
            self._batch.append(timestamp=timestamp_ms, key=None, value=value)

    async def send(self) -> None:
        """Send what is in the batch, if anything."""
        if self._batch.record_count() == 0:
            return
        batch, self._batch = self._batch, self._producer.create_batch()
        partition = self._next
        self._next = (partition + 1) % self._count
        self._on_the_way.add(asyncio.create_task(self._acknowledge(batch, partition)))
        await asyncio.sleep(0)
        while len(self._on_the_way) >= ON_THE_WAY:
            await self._wait(asyncio.FIRST_COMPLETED)

    async def linger(self, span_s: float) -> None:
        """Send what waits every so often, for ever."""
        while True:
            await asyncio.sleep(span_s)
            with suppress(KafkaError):  # the next record meets it again
                await self.send()

    async def finish(self) -> None:
        """Send what is left and wait until all of it is acknowledged."""
        await self.send()
        if self._on_the_way:
            await self._wait(asyncio.ALL_COMPLETED)

    async def _acknowledge(self, batch: Any, partition: int) -> None:
        count = batch.record_count()
        await (await self._producer.send_batch(batch, self._topic, partition=partition))
        self.acknowledged += count

    async def _wait(self, until: str) -> None:
        done, self._on_the_way = await asyncio.wait(self._on_the_way, return_when=until)
        for one in done:
            self._failure = self._failure or one.exception()
        if self._failure:
            raise self._failure


@asynccontextmanager
async def publisher(settings: Settings, topic: str) -> AsyncIterator[Publisher]:
    """Yield a publisher to the topic.

    Raises:
        Unreachable: no broker answers.
        Sentence: the topic does not exist.
    """
    count = await partitions(settings, topic, "WRITE")
    producer = AIOKafkaProducer(
        **settings.kafka(),
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=8 * 1024 * 1024,
        request_timeout_ms=20_000,
    )
    try:
        await producer.start()
        yield Publisher(producer, topic, count)
    finally:
        await asyncio.wait_for(producer.stop(), 10)
