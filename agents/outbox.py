"""Publish many records at once and wait for the broker, however long it is away.

aiokafka's batches instead of a send a record: 5 to 10 thousand sends a second were Faust's own
ceiling. Repeats are possible after a failure and harmless: all we send is idempotent.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from agents.settings import Settings
from schemas.topics import MAX_MESSAGE_BYTES

log = structlog.get_logger()

#: A batch closes at this size; Kafka's default bound of a record batch is 1 MiB.
BATCH_BYTES = 900_000
_RETRY_S = 0.5


class Outgoing(NamedTuple):
    """A record to publish."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Outbox:
    """A producer that does not give up while the broker is away."""

    def __init__(self, settings: Settings) -> None:
        """Take where Kafka is from the settings."""
        self._options = settings.kafka()
        self._producer: AIOKafkaProducer | None = None
        self.away = False
        """Whether the broker takes nothing at present."""

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Send what waits, and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def publish(self, records: Iterable[Outgoing]) -> None:
        """Return once the broker has all the records; those of one partition stay in order.

        Raises:
            KafkaError: the broker refuses them for good, such as for want of a permission.
        """
        by_partition: dict[tuple[str, int], list[Outgoing]] = {}
        for record in records:
            by_partition.setdefault((record.topic, record.partition), []).append(record)
        await asyncio.gather(*(self._publish_to(*to, some) for to, some in by_partition.items()))

    async def publish_one(self, record: Outgoing) -> int:
        """Return the record's offset once the broker has it; tried for as long as aiokafka does.

        Raises:
            KafkaError: the broker does not take it.
        """
        topic, partition, key, value, _ = record
        sent = await self._started().send_and_wait(topic, value, key=key, partition=partition)
        return int(sent.offset)

    async def _publish_to(self, topic: str, partition: int, records: Sequence[Outgoing]) -> None:
        while records:
            batch, taken = self._batch(records)
            try:
                sent = await self._started().send_batch(batch, topic, partition=partition)
                await sent
            except KafkaError as error:
                if not may_pass(error):
                    raise
                self.away = True
                log.warning("kafka does not take records, trying again", error=repr(error))
                await asyncio.sleep(_RETRY_S)
            else:
                self.away = False
                records = records[taken:]

    def _batch(self, records: Sequence[Outgoing]) -> tuple[Any, int]:
        """Return a batch, and how many of the records, at least one, are in it."""
        batch = self._started().create_batch()
        for taken, record in enumerate(records):
            if not batch.append(
                key=record.key, value=record.value, timestamp=None, headers=list(record.headers)
            ):
                return batch, taken
        return batch, len(records)

    def _started(self) -> AIOKafkaProducer:
        assert self._producer is not None
        return self._producer


def may_pass(error: KafkaError) -> bool:
    """Return whether trying again may help."""
    return bool(error.retriable) or isinstance(error, KafkaTimeoutError)
