"""Publish many records at once and wait for the broker, however long it is away.

aiokafka's batches instead of a send a record: 5 to 10 thousand sends a second were Faust's own
ceiling. What many publish to one partition at a time goes in one batch: each of many sources
publishes to each of many partitions. Repeats are possible after a failure and harmless: all we send
is idempotent.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from agents.runtime.settings import Settings
from schemas.topics import MAX_MESSAGE_BYTES

log = structlog.get_logger()

#: A batch closes at this size; Kafka's default bound of a record batch is 1 MiB.
BATCH_BYTES = 900_000
#: What aiokafka compresses with lz4 is larger, and takes five times as long.
COMPRESSION = "zstd"
_RETRY_S = 0.5


class OutgoingRecord(NamedTuple):
    """A record to publish."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class _Waiting:
    """One caller's records for one partition, and how many of them the broker has."""

    def __init__(self, records: list[OutgoingRecord]) -> None:
        self.records = records
        self.sent = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Cancelled when the caller has lost its partition: the rest is not sent."""


class Producer:
    """A producer that does not give up while the broker is away."""

    def __init__(self, settings: Settings) -> None:
        """Use the Kafka that the settings name."""
        self._options = settings.kafka()
        self._producer: AIOKafkaProducer | None = None
        self._waiting: dict[tuple[str, int], deque[_Waiting]] = {}
        self._senders: set[asyncio.Task[None]] = set()
        self.away = False
        """Whether the broker accepts no records at present."""
        self.away_since = 0.0
        """Since when, by the monotonic clock."""

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            compression_type=COMPRESSION,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Send what waits, and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def publish(self, records: Iterable[OutgoingRecord]) -> None:
        """Return once the broker has all the records; those of one partition stay in order.

        Raises:
            KafkaError: the broker refuses them for good, such as for want of a permission.
        """
        by_partition: dict[tuple[str, int], list[OutgoingRecord]] = {}
        for record in records:
            by_partition.setdefault((record.topic, record.partition), []).append(record)
        waiting = [_Waiting(records) for records in by_partition.values()]
        for to, request in zip(by_partition, waiting, strict=True):
            if to in self._waiting:
                self._waiting[to].append(request)
                continue
            self._waiting[to] = deque([request])
            sender = asyncio.create_task(self._send(*to))
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        await asyncio.gather(*(request.done for request in waiting))

    async def publish_one(self, record: OutgoingRecord) -> int:
        """Return the record's offset once the broker has it; tried for as long as aiokafka does.

        Raises:
            KafkaError: the broker does not take it.
        """
        topic, partition, key, value, _ = record
        sent = await self._started().send_and_wait(topic, value, key=key, partition=partition)
        return int(sent.offset)

    async def _send(self, topic: str, partition: int) -> None:
        """Send to a partition until nothing waits for it."""
        waiting = self._waiting[topic, partition]
        try:
            while waiting:
                await self._send_batch(topic, partition, waiting)
        except Exception as error:  # noqa: BLE001 - a task's edge: who publishes gets it
            for request in waiting:
                if not request.done.done():
                    request.done.set_exception(error)
        finally:
            del self._waiting[topic, partition]

    async def _send_batch(self, topic: str, partition: int, waiting: deque[_Waiting]) -> None:
        batch, in_batch = self._batch(waiting)
        if not in_batch:
            return
        try:
            await (await self._started().send_batch(batch, topic, partition=partition))
        except KafkaError as error:
            if not may_pass(error):
                raise
            if not self.away:
                self.away, self.away_since = True, time.monotonic()
            log.warning("kafka does not take records, trying again", error=repr(error))
            await asyncio.sleep(_RETRY_S)
            return
        self.away = False
        for request, sent in in_batch:
            request.sent = sent
            if sent == len(request.records):
                waiting.remove(request)
                if not request.done.done():
                    request.done.set_result(None)

    def _batch(self, waiting: deque[_Waiting]) -> tuple[Any, list[tuple[_Waiting, int]]]:
        """Return a batch, and for each caller in it how many of its records are sent with it."""
        batch = self._started().create_batch()
        in_batch: list[tuple[_Waiting, int]] = []
        for request in list(waiting):
            if request.done.done():
                waiting.remove(request)
                continue
            for at, record in enumerate(request.records[request.sent :], request.sent):
                if not batch.append(
                    key=record.key, value=record.value, timestamp=None, headers=list(record.headers)
                ):
                    return batch, in_batch
                if at == request.sent:
                    in_batch.append((request, at))
                in_batch[-1] = request, at + 1
        return batch, in_batch

    def _started(self) -> AIOKafkaProducer:
        assert self._producer is not None
        return self._producer


def may_pass(error: KafkaError) -> bool:
    """Return whether trying again may help."""
    return bool(error.retriable) or isinstance(error, KafkaTimeoutError)
