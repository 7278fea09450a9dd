"""Pass the records of `heartbeats` on, each to the partition of its service.

Any number of partitions of `heartbeats` will do, and producers may partition as they like. A record
is read where its service is kept; here it is committed once the broker has it on `beats`. Each
second each partition of `beats` gets a record of the partitions of `heartbeats` that are read to
their end: a service is judged silent only while all of them are.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from faust.types import TP

from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.producer import OutgoingRecord, Producer
from agents.runtime import failpoints, metrics
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from schemas.topics import BEATS, HEARTBEATS
from streams.measure.series import partition_of_id
from streams.services.passed_beats import passed_beat, read_to_end

#: Records that are passed on together.
_TOGETHER = 500
_READ_KEY = b"read"


class _HeartbeatPartition:
    """A partition of `heartbeats` while this worker has it."""

    def __init__(self, passed_to: int) -> None:
        self.passed_to = passed_to
        """The first offset that is not passed on."""


class Heartbeats:
    """The partitions of `heartbeats` that are this worker's."""

    def __init__(self, settings: Settings, producer: Producer, consumer: Any) -> None:
        """Publish through the producer; `consumer` returns the ChunkConsumer."""
        self._producer = producer
        self._consumer = consumer
        self._topic = settings.topic(HEARTBEATS)
        self._beats = settings.topic(BEATS)
        self._targets = settings.partitions
        self._partitions: dict[TP, _HeartbeatPartition] = {}

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once."""
        for tp in tps:
            if self._partitions.pop(tp, None) is not None:
                metrics.forget([metrics.lag], self._topic, tp.partition)

    def _begin_at(self, tp: TP, start: int) -> _HeartbeatPartition:
        return self._partitions.setdefault(tp, _HeartbeatPartition(start))

    async def skip(self, tp: TP, gap: Gap) -> None:
        """Go on behind heartbeats that Kafka removed."""
        partition = self._begin_at(tp, gap.end)
        partition.passed_to = max(gap.end, partition.passed_to)

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Pass a chunk on, and commit it."""
        partition = self._begin_at(tp, chunk.start)
        if partition.passed_to != chunk.start:
            message = f"{tp}: passed on to {partition.passed_to}, then from {chunk.start}"
            raise RuntimeError(message)
        pace = Pace()
        outgoing: list[OutgoingRecord] = []
        for record in self._steps(tp, chunk.records):
            outgoing.append(record)
            if len(outgoing) >= _TOGETHER:
                await self._producer.publish(outgoing)
                outgoing = []
            await pace.rest()
        await self._producer.publish(outgoing)
        failpoints.reached("heartbeats_after_publish")
        if self._partitions.get(tp) is partition:  # else it is passed on again
            partition.passed_to = chunk.end
            self._consumer().done(tp, chunk.end)

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Read records and nothing else; yield after each."""
        for _ in self._steps(tp, records):
            yield

    def _steps(self, tp: TP, records: Sequence[Any]) -> Iterator[OutgoingRecord]:
        for record in records:
            key = record.key or b""
            target = partition_of_id(key, self._targets)
            yield OutgoingRecord(self._beats, target, key, passed_beat(tp.partition, record))

    async def report(self) -> None:
        """Publish to each partition of `beats` which of these are read to their end, and when."""
        for tp, start in (await self._consumer().begins(self._topic)).items():
            self._begin_at(tp, start)
        seen: dict[int, int] = {}
        for tp, partition in self._partitions.items():
            end, seen_ms = self._consumer().end_of(tp)
            if end is None:
                continue
            lag = max(0, end - partition.passed_to)
            metrics.lag.labels(self._topic, tp.partition).set(lag)
            if seen_ms is not None and not lag:
                seen[tp.partition] = seen_ms
        if seen:
            value = read_to_end(seen, min(seen.values()))
            await self._producer.publish(
                OutgoingRecord(self._beats, target, _READ_KEY, value)
                for target in range(self._targets)
            )
