"""Read one partition of a topic to its end; write many records to named partitions."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.kafka.fetch_unpacking import read_all
from agents.kafka.producer import BATCH_BYTES, COMPRESSION
from agents.kafka.table import restore
from agents.runtime.settings import Settings
from schemas.topics import MAX_MESSAGE_BYTES

_POLL_MS = 200
_LINGER_MS = 20
#: Records on their way to the broker.
_UNDER_WAY = 5_000


class PartitionLogs:
    """Reads and writes Kafka, outside of any group."""

    def __init__(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        """Use a consumer and a producer that run."""
        self._consumer = consumer
        self._producer = producer
        self._under_way: list[asyncio.Future[Any]] = []

    async def end(self, topic: str, partition: int) -> int:
        """Return where a partition ends."""
        tp = TopicPartition(topic, partition)
        self._consumer.assign([tp])
        return int((await self._consumer.end_offsets([tp]))[tp])

    async def read(
        self, topic: str, partition: int, start: int | None = None
    ) -> AsyncIterator[list[Any]]:
        """Yield the records of a partition, up to where it ends now.

        Args:
            topic: its full name.
            partition: of it.
            start: where to begin; None, or what Kafka removed: at the first record.
        """
        tp = TopicPartition(topic, partition)
        self._consumer.assign([tp])
        first = (await self._consumer.beginning_offsets([tp]))[tp]
        end = (await self._consumer.end_offsets([tp]))[tp]
        self._consumer.seek(tp, max(first, start or 0))
        while await self._consumer.position(tp) < end:
            for records in (await self._consumer.getmany(timeout_ms=_POLL_MS)).values():
                yield records

    async def rows(
        self, changelog: str, partition: int, version_of: Callable[[bytes], Any]
    ) -> dict[bytes, bytes]:
        """Return the rows of a table's partition."""
        rows: dict[bytes, bytes] = {}
        async for records in self.read(changelog, partition):
            restore(rows, records, version_of)
        return rows

    async def write(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        *,
        timestamp_ms: int | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        """Send a record; `flush` waits for the broker."""
        sent = await self._producer.send(
            topic, value, key, partition, timestamp_ms=timestamp_ms, headers=list(headers)
        )
        self._under_way.append(sent)
        if len(self._under_way) >= _UNDER_WAY:
            await self.flush()

    async def flush(self) -> None:
        """Return once the broker has all that was written.

        Raises:
            KafkaError: it does not take a record.
        """
        under_way, self._under_way = self._under_way, []
        await asyncio.gather(*under_way)


@asynccontextmanager
async def open_logs(settings: Settings) -> AsyncIterator[PartitionLogs]:
    """Yield what reads and writes the Kafka of the settings."""
    read_all()
    consumer = AIOKafkaConsumer(
        **settings.kafka(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    producer = AIOKafkaProducer(
        **settings.kafka(),
        acks="all",
        compression_type=COMPRESSION,
        linger_ms=_LINGER_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=MAX_MESSAGE_BYTES,
    )
    await consumer.start()
    try:
        await producer.start()
        try:
            yield PartitionLogs(consumer, producer)
        finally:
            await producer.stop()
    finally:
        await consumer.stop()
