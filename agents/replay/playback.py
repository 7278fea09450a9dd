"""Publish recorded operations at a pace, with their times moved."""

import asyncio
import math
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.kafka.admin_client import admin
from agents.kafka.reader import REACH_S, UnusableTopic, partitions
from agents.kafka.topic_creation import describe
from agents.kafka.topic_fit import TopicSpec
from agents.replay.recordings import InvalidLine, RecordedOperations, TimeSpan
from agents.runtime.settings import Settings
from schemas.topics import OPERATIONS

#: Waits shorter than this are not worth a batch of their own.
_TICK_S = 0.02
#: How long a batch may wait for more records.
_LINGER_S = 0.1
#: Lines between two progress reports, flat out.
_STRIDE = 2_000
#: The broker's usual limit for a batch is 1 MB; smaller ones spread better over partitions.
_BATCH_BYTES = 256 * 1024
_BATCHES_IN_FLIGHT = 32


class ReplayPlan(NamedTuple):
    """How fast to publish, and how much later than recorded."""

    speed: float
    as_recorded: bool
    span: TimeSpan | None
    """None: the input streams, so the first operation happens now."""

    def moved_by_ms(self, first_ms: int, now_ms: int) -> int:
        """Return how much later operations are than recorded: the last is now when it is sent."""
        if self.as_recorded:
            return 0
        if self.span is None:
            return now_ms - first_ms
        took_ms = (self.span.last_ms - self.span.first_ms) / self.speed
        return int(now_ms + took_ms) - self.span.last_ms


class ReplayCounts:
    """What was read and published so far."""

    def __init__(self) -> None:
        self.lines = 0
        self.invalid = 0
        self.published = 0


async def replay(
    settings: Settings,
    source: AsyncIterable[RecordedOperations | InvalidLine],
    plan: ReplayPlan,
    counts: ReplayCounts,
    report: Callable[[InvalidLine], None],
    show: Callable[[ReplayCounts], None],
) -> None:
    """Publish what the source yields, in its order.

    Args:
        settings: where Kafka is.
        source: the records, and what is wrong with other lines.
        plan: the pace.
        counts: updated as it goes, so that it is right after a cancellation too.
        report: is called with each invalid line.
        show: is called now and then.
    """
    if plan.as_recorded:
        await _must_keep_times(settings)
    async with _publisher(settings, settings.topic(OPERATIONS)) as out:
        lingering = asyncio.create_task(out.linger(_LINGER_S))
        try:
            await _play(source, plan, out, counts, report, show)
        finally:
            lingering.cancel()
            counts.published = out.acknowledged
            show(counts)


async def _must_keep_times(settings: Settings) -> None:
    """Check that the broker keeps the times of records.

    Raises:
        UnusableTopic: it replaces them, so all old operations would become dead letters.
    """
    name = settings.topic(OPERATIONS)
    async with admin(settings, deadline_s=REACH_S) as client:
        found = (await describe(client, [TopicSpec(name, 1, {})])).get(name)
    config = found.config if found else None  # None: no right to ask, so try it
    if config and config.get("message.timestamp.type") == "LogAppendTime":
        raise UnusableTopic(
            f"{name} has message.timestamp.type=LogAppendTime: Kafka gives its records the time of"
            " their arrival, so recorded operations would be refused as too old. Leave"
            f" --as-recorded out, or change it: kafka-configs --alter --topic {name}"
            " --add-config message.timestamp.type=CreateTime."
        )


async def _play(
    source: AsyncIterable[RecordedOperations | InvalidLine],
    plan: ReplayPlan,
    out: "BatchPublisher",
    counts: ReplayCounts,
    report: Callable[[InvalidLine], None],
    show: Callable[[ReplayCounts], None],
) -> None:
    pace: _Pace | None = None
    async for line in source:
        counts.lines += 1
        if isinstance(line, InvalidLine):
            counts.invalid += 1
            report(line)
            continue
        if pace is None:
            first_ms = plan.span.first_ms if plan.span else line.when_ms
            pace = _Pace(plan, first_ms)
        if counts.lines % _STRIDE == 0 or plan.speed != math.inf:
            await pace.keep(line.when_ms, out)
            counts.published = out.acknowledged
            show(counts)
        await out.add(line.moved(pace.moved_by_ms), line.when_ms + pace.moved_by_ms)
    await out.finish()


class _Pace:
    def __init__(self, plan: ReplayPlan, first_ms: int) -> None:
        self.moved_by_ms = plan.moved_by_ms(first_ms, int(time.time() * 1000))
        self._speed = plan.speed
        self._first_ms = first_ms
        self._began_s = time.monotonic()

    async def keep(self, when_ms: int, out: "BatchPublisher") -> None:
        """Wait until an operation of that time is due; send what waits in the meantime."""
        due_s = self._began_s + (when_ms - self._first_ms) / 1000 / self._speed
        wait_s = due_s - time.monotonic()
        if wait_s > _TICK_S:
            await out.send()
            await asyncio.sleep(wait_s)


class BatchPublisher:
    """Fills batches and sends each to the next partition; counts what is acknowledged."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, count: int) -> None:
        self.acknowledged = 0
        self._producer = producer
        self._topic = topic
        self._count = count
        self._next = 0
        self._batch = producer.create_batch()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def add(self, value: bytes, timestamp_ms: int) -> None:
        """Put a record into the batch; send a full batch first.

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
        self._in_flight.add(asyncio.create_task(self._acknowledge(batch, partition)))
        await asyncio.sleep(0)
        while len(self._in_flight) >= _BATCHES_IN_FLIGHT:
            await self._wait(asyncio.FIRST_COMPLETED)

    async def linger(self, span_s: float) -> None:
        """Send the batch after each span, for ever."""
        while True:
            await asyncio.sleep(span_s)
            with suppress(KafkaError):  # `add` raises it
                await self.send()

    async def finish(self) -> None:
        """Send what is left and wait until all of it is acknowledged."""
        await self.send()
        if self._in_flight:
            await self._wait(asyncio.ALL_COMPLETED)

    async def _acknowledge(self, batch: Any, partition: int) -> None:
        count = batch.record_count()
        await (await self._producer.send_batch(batch, self._topic, partition=partition))
        self.acknowledged += count

    async def _wait(self, until: str) -> None:
        done, self._in_flight = await asyncio.wait(self._in_flight, return_when=until)
        for task in done:
            self._failure = self._failure or task.exception()
        if self._failure:
            raise self._failure


@asynccontextmanager
async def _publisher(settings: Settings, topic: str) -> AsyncIterator[BatchPublisher]:
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
