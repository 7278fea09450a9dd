"""Read a topic: all of it from a moment on, or a group's share from where the group stopped."""

import asyncio
import contextlib
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer

from opwatch_client.settings import Settings

_POLL_MS = 500
_STOP_S = 1.0
#: How far a broker's clock may be ahead of this machine's.
_SKEW_MS = 5_000


class Incoming(NamedTuple):
    """A record that was read."""

    key: bytes | None
    value: bytes | None


class Consumer(Protocol):
    """Reads records, over one connection that ends at the first error."""

    async def start(self) -> None: ...
    async def read(self, most: int) -> list[Incoming]: ...
    async def commit(self) -> None: ...
    async def stop(self) -> None: ...


class TopicConsumer:
    """Reads the records of a topic; it may be started again after an error."""

    def __init__(
        self, settings: Settings, topic: str, *, group: str | None, since_ms: int = 0
    ) -> None:
        """Connect nothing yet.

        Args:
            settings: where Kafka is.
            topic: its full name.
            group: the consumer group, which commits; None reads all partitions.
            since_ms: without a group, where to begin: with records of that time.
        """
        self._settings = settings
        self._topic = topic
        self._group = group
        self._since_ms = since_ms
        self._positions: dict[Any, int] = {}
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect and find where to begin."""
        self._consumer = consumer = AIOKafkaConsumer(
            self._topic,
            **self._settings.kafka(),
            client_id="opwatch-client",
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        if self._group is None:
            await self._seek(consumer)

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        partitions = consumer.assignment()
        since_ms = max(0, self._since_ms - _SKEW_MS)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            first = found.get(partition)
            begin = ends[partition] if first is None else first.offset
            consumer.seek(partition, max(begin, self._positions.get(partition, 0)))

    async def read(self, most: int) -> list[Incoming]:
        """Return the next records, `most` at most; none where none came."""
        assert self._consumer is not None
        batches = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=most)
        records = []
        for partition, batch in batches.items():
            records += [Incoming(record.key, record.value) for record in batch]
            self._positions[partition] = batch[-1].offset + 1
        return records

    async def commit(self) -> None:
        """Commit all that was read."""
        assert self._consumer is not None
        await self._consumer.commit()

    async def stop(self) -> None:
        """Close the connection, and leave the group."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_STOP_S):
                    await consumer.stop()
