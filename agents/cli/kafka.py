"""Read a topic without a group: all partitions, from a moment on, as far as it goes now or on."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.cli.running import REACH_S, Sentence
from agents.kafka.admin_client import admin
from agents.kafka.batches import UnreadableBatch
from agents.kafka.chunks import read_all
from agents.kafka.metadata import look
from agents.kafka.refusals import lacks
from agents.runtime.masking import masked_value
from agents.runtime.settings import Settings

_POLL_MS = 200


class NoTopic(Sentence):
    """The topic does not exist."""


async def partitions(settings: Settings, name: str, *rights: str) -> int:
    """Return how many partitions the topic has.

    Raises:
        Unreachable: no broker answers.
        NoTopic: the topic does not exist.
        Sentence: the user lacks one of the rights on it.
    """
    async with admin(settings, deadline_s=REACH_S) as client:
        topic = (await look(client, [name])).get(name)
    if topic is None:
        raise NoTopic(
            f"{name} does not exist at {masked_value(settings.kafka_bootstrap)}:"
            " `opwatch topics create` makes it; OPWATCH_TOPIC_PREFIX names another set."
        )
    lacking = set() if topic.rights is None else set(rights) - topic.rights
    if lacking:
        raise Sentence(lacks(lacking, f"the topic {name}"))
    return topic.partitions


async def held(settings: Settings, counts: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """Return topic, partition and offset of each partition that open transactions hold back.

    Args:
        settings: where Kafka is.
        counts: the topics' numbers of partitions.
    """
    tps = [TopicPartition(name, number) for name in counts for number in range(counts[name])]
    if not tps:
        return []
    ends = []
    for level in ("read_committed", "read_uncommitted"):
        consumer = AIOKafkaConsumer(
            **settings.kafka(), group_id=None, enable_auto_commit=False, isolation_level=level
        )
        try:
            await consumer.start()
            consumer.assign(tps)
            ends.append(await consumer.end_offsets(tps))
        finally:
            await consumer.stop()
    stable, high = ends
    return [(*tp, stable[tp]) for tp in tps if stable[tp] < high[tp]]


class Reader:
    """A topic's records, in the order each partition has them."""

    def __init__(self, consumer: AIOKafkaConsumer, assigned: list[TopicPartition]) -> None:
        self._consumer = consumer
        self._assigned = assigned

    async def from_time(self, since_ms: int | None) -> None:
        """Begin at the first records of that time or later; None: at the beginning."""
        await self._consumer.seek_to_beginning(*self._assigned)
        if since_ms is None:
            return
        times = await self._consumer.offsets_for_times(dict.fromkeys(self._assigned, since_ms))
        ends = await self._consumer.end_offsets(self._assigned)
        for partition, found in times.items():
            self._consumer.seek(partition, found.offset if found else ends[partition])

    async def from_the_end(self) -> None:
        """Begin with what is published from now on."""
        for partition, end in (await self._consumer.end_offsets(self._assigned)).items():
            self._consumer.seek(partition, end)

    async def to_the_end(self) -> AsyncIterator[Any]:
        """Yield the records up to where the topic ends now."""
        ends = await self._consumer.end_offsets(self._assigned)
        waiting = {tp for tp in self._assigned if await self._behind(tp, ends[tp])}
        while waiting:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
            for tp, records in batches.items():
                for record in records:
                    if record.offset < ends[tp]:
                        yield record
            waiting = {tp for tp in waiting if await self._behind(tp, ends[tp])}

    async def onwards(self) -> AsyncIterator[list[Any]]:
        """Yield what arrives, in batches, for ever; an empty one where nothing does."""
        while True:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
            yield [record for records in batches.values() for record in records]

    async def _behind(self, tp: TopicPartition, end: int) -> bool:
        return bool(await self._consumer.position(tp) < end)


@asynccontextmanager
async def reader(
    settings: Settings, name: str, *, committed: bool = False
) -> AsyncIterator[Reader]:
    """Yield a reader of the topic.

    Args:
        settings: where Kafka is.
        name: the topic's full name.
        committed: leave out what aborted transactions wrote.
    """
    read_all(_warn_of)
    count = await partitions(settings, name, "READ")
    assigned = [TopicPartition(name, number) for number in range(count)]
    consumer = AIOKafkaConsumer(
        **settings.kafka(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed" if committed else "read_uncommitted",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    try:
        await consumer.start()
        consumer.assign(assigned)
        yield Reader(consumer, assigned)
    finally:
        await consumer.stop()


def _warn_of(topic: str, partition: int, unreadable: UnreadableBatch) -> None:
    print(
        f"opwatch: {topic}/{partition}: offsets {unreadable.start} to {unreadable.end - 1} cannot"
        f" be read and are left out: {unreadable.detail}.",
        file=sys.stderr,
    )
