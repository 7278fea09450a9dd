"""Run the services of this worker's partitions of `heartbeats`, in beats.

Twice a second: look how far the log was read, publish what follows and wait for the broker, write
the rows to the table's changelog and wait for the broker. Beats without news are written, and their
input is committed, every few seconds: a restart before that reads them again.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from faust.types import TP

from agents.kafka.dead_letters import DeadLetterBuffer
from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.producer import OutgoingRecord, Producer
from agents.kafka.table import TableRows
from agents.runtime import failpoints, metrics
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from schemas.topics import AGGREGATES, DEAD_LETTERS, HEARTBEATS
from streams.measure.series import partition_of
from streams.record_limits import RefusedRecord
from streams.services.heartbeat_reader import read_heartbeat
from streams.services.services import Services

BEAT_S = 0.5
#: What is not urgent is written, and its input committed, this often.
WRITE_S = 10.0

_BY_PARTITION = (metrics.services, metrics.services_down, metrics.services_behind)
_WHY = {
    "window_expired": "its time was summed up already",
    "too_many_services": "the limit of services is reached (OPWATCH_SERIES_LIMIT)",
    "too_often": "its service beats far more often than it says",
}


class _ServicePartition:
    """A partition: its services, and how far it was read."""

    def __init__(self, services: Services, read_to: int, dead_letters: DeadLetterBuffer) -> None:
        self.services = services
        self.read_to = read_to
        self.dead_letters = dead_letters
        self.write_at_s = time.monotonic() + WRITE_S


class ServicesBeat:
    """The partitions of `heartbeats` that are this worker's."""

    def __init__(
        self, settings: Settings, producer: Producer, consumer: Any, rows: TableRows
    ) -> None:
        """Publish through the producer; `consumer` returns the ChunkConsumer."""
        self._settings = settings
        self._producer = producer
        self._consumer = consumer
        self._rows = rows
        self._topic = settings.topic(HEARTBEATS)
        self._limits = settings.time_limits
        self._services_limit = -(-settings.series_limit // settings.partitions)
        self._sources: dict[TP, _ServicePartition] = {}

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once."""
        for tp in tps:
            if self._sources.pop(tp, None) is not None:
                metrics.forget(_BY_PARTITION, tp.partition)
                metrics.forget([metrics.lag], self._topic, tp.partition)

    async def skip(self, tp: TP, gap: Gap) -> None:
        """Go on behind heartbeats that Kafka removed."""
        source = self._begin_at(tp, gap.end)
        source.read_to = max(source.read_to, gap.end)

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Fold a chunk of `heartbeats` in."""
        source = self._begin_at(tp, chunk.start)
        if source.read_to != chunk.start:
            message = f"{tp}: read to {source.read_to}, then from {chunk.start}"
            raise RuntimeError(message)
        pace = Pace()
        for _ in self._steps(source, chunk.records):
            await pace.rest()
            while source.dead_letters.are_many and self._sources.get(tp) is source:  # noqa: ASYNC110 - a beat publishes them
                await asyncio.sleep(BEAT_S / 10)
            if self._sources.get(tp) is not source:
                return  # lost meanwhile
        source.read_to = chunk.end

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Fold records and nothing else; yield after each."""
        return self._steps(self._sources[tp], records)

    def _steps(self, source: _ServicePartition, records: Sequence[Any]) -> Iterator[None]:
        now_ms = int(time.time() * 1000)
        for record in records:
            found = read_heartbeat(record, self._limits)
            if isinstance(found, RefusedRecord):
                source.dead_letters.add(found)
            elif reason := source.services.apply(*found, record.offset, now_ms):
                value = record.value or b""
                source.dead_letters.add(RefusedRecord(record, None, reason, _WHY[reason], value))
            else:
                metrics.heartbeats.inc()
            yield

    def _begin_at(self, tp: TP, start: int) -> _ServicePartition:
        source = self._sources.get(tp)
        if source is None:
            services = Services(self._rows.of(tp.partition), self._limits, self._services_limit)
            dead_letters = DeadLetterBuffer(
                self._settings.topic(DEAD_LETTERS), self._topic, tp.partition
            )
            source = self._sources[tp] = _ServicePartition(services, start, dead_letters)
        return source

    async def beat(self) -> None:
        """Look, publish, write, commit; also where no beat comes any more."""
        for tp, start in (await self._consumer().begins(self._topic)).items():
            self._begin_at(tp, start)
        for tp, source in list(self._sources.items()):
            if self._sources.get(tp) is not source:
                continue  # lost while another was written
            self._look(tp, source)
            await self._publish(source)
            if self._sources.get(tp) is source:
                await self._write(tp, source)

    def _look(self, tp: TP, source: _ServicePartition) -> None:
        end, seen_ms = self._consumer().end_of(tp)
        at_end = end is not None and source.read_to >= end
        source.services.look(seen_ms if at_end else None, int(time.time() * 1000))
        metrics.services.labels(tp.partition).set(len(source.services))
        metrics.services_down.labels(tp.partition).set(source.services.down)
        metrics.services_behind.labels(tp.partition).set(not at_end)
        if end is not None:
            lag = max(0, end - source.read_to)
            metrics.lag.labels(self._topic, tp.partition).set(lag)

    async def _publish(self, source: _ServicePartition) -> None:
        revisions = list(source.services.collect(int(time.time() * 1000)))
        if not revisions:
            return
        topic, partitions = self._settings.topic(AGGREGATES), self._settings.partitions
        await self._producer.publish(
            OutgoingRecord(
                topic, partition_of(revision.series, partitions), revision.key, revision.value
            )
            for revision in revisions
        )
        failpoints.reached("services_after_publish")
        for revision in revisions:
            metrics.aggregates.labels(revision.final).inc()

    async def _write(self, tp: TP, source: _ServicePartition) -> None:
        """Write what changed; every few seconds all of it, and commit the input so far."""
        everything = time.monotonic() >= source.write_at_s or bool(source.dead_letters)
        read_to, dead_letters = source.read_to, source.dead_letters.take()
        changes = source.services.take_changes(everything=everything)
        await dead_letters.publish(self._producer)
        await self._rows.write(tp.partition, changes)
        failpoints.reached("services_after_rows")
        if everything and self._sources.get(tp) is source:
            source.write_at_s = time.monotonic() + WRITE_S
            self._consumer().done(tp, read_to)
