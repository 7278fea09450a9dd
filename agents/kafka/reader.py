"""Read a topic without a group: all partitions, from a moment on, up to its end or for ever."""

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.kafka.admin_client import admin, describe_topics
from agents.kafka.batches import UnreadableBatch
from agents.kafka.fetch_unpacking import read_all
from agents.runtime.masking import masked_value
from agents.runtime.refusals import lacks
from agents.runtime.settings import Settings

#: A broker that has not answered by then is not there, for a person who waits.
REACH_S = 5.0
_POLL_MS = 200
Show = Callable[[float], None]
"""Shows how much of something is done, from 0 to 1."""


class UnusableTopic(Exception):
    """The topic cannot be read or written; the sentence says what to do about it."""


class NoTopic(UnusableTopic):
    """The topic does not exist."""


async def partitions(settings: Settings, name: str, *rights: str) -> int:
    """Return how many partitions the topic has.

    Raises:
        Unreachable: no broker answers.
        NoTopic: the topic does not exist.
        UnusableTopic: the user lacks one of the rights on it.
    """
    async with admin(settings, deadline_s=REACH_S) as client:
        topic = (await describe_topics(client, [name])).get(name)
    if topic is None:
        raise NoTopic(
            f"{name} does not exist at {masked_value(settings.kafka_bootstrap)}:"
            " `opwatch topics create` makes it; OPWATCH_TOPIC_PREFIX names another set."
        )
    lacking = set() if topic.rights is None else set(rights) - topic.rights
    if lacking:
        raise UnusableTopic(lacks(lacking, f"the topic {name}"))
    return topic.partitions


async def open_transactions(
    settings: Settings, counts: Mapping[str, int]
) -> list[tuple[str, int, int]]:
    """Return topic, partition and offset of each partition that an open transaction blocks.

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


class TopicReader:
    """Reads a topic's records, each partition's in their order."""

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

    async def to_the_end(self, show: Show = lambda _: None) -> AsyncIterator[Any]:
        """Yield the records up to where the topic ends now.

        Args:
            show: is called with the share that was read, now and then.
        """
        ends = await self._consumer.end_offsets(self._assigned)
        waiting = {tp for tp in self._assigned if await self._behind(tp, ends[tp])}
        begins = {tp: await self._consumer.position(tp) for tp in waiting}
        total = sum(ends[tp] - begins[tp] for tp in waiting)
        while waiting:
            left = sum([ends[tp] - await self._consumer.position(tp) for tp in waiting])
            show(1 - left / total)
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
            for tp, records in batches.items():
                for record in records:
                    if record.offset < ends[tp]:
                        yield record
            waiting = {tp for tp in waiting if await self._behind(tp, ends[tp])}
        show(1.0)

    async def onwards(self) -> AsyncIterator[list[Any]]:
        """Yield the records that arrive, in batches, for ever; an empty batch where none does."""
        while True:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
            yield [record for records in batches.values() for record in records]

    async def _behind(self, tp: TopicPartition, end: int) -> bool:
        return bool(await self._consumer.position(tp) < end)


@asynccontextmanager
async def topic_reader(
    settings: Settings, name: str, *, committed: bool = False
) -> AsyncIterator[TopicReader]:
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
        yield TopicReader(consumer, assigned)
    finally:
        await consumer.stop()


def _warn_of(topic: str, partition: int, unreadable: UnreadableBatch) -> None:
    print(
        f"opwatch: {topic}/{partition}: left out the offsets {unreadable.start} to"
        f" {unreadable.end - 1}, which cannot be read: {unreadable.detail}.",
        file=sys.stderr,
    )
