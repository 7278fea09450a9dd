"""Run the services of this worker's partitions of `beats`, in beats.

Twice a second: look how far the log was read, publish what follows and wait for the broker, write
the rows to the table's changelog and wait for the broker. Beats without news are written, and their
input is committed, every few seconds: a restart before that reads them again.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import structlog
from faust.types import TP

from agents.kafka.dead_letters import DeadLetterBuffer
from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.producer import OutgoingRecord, Producer
from agents.kafka.table import TableRows
from agents.runtime import failpoints, metrics
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from schemas.topics import AGGREGATES, BEATS, DEAD_LETTERS, HEARTBEATS
from streams.measure.series import partition_of
from streams.record_limits import RefusedRecord
from streams.services.heartbeat_reader import read_heartbeat
from streams.services.passed_beats import BeatRecord, ReadToEnd, SourcesSeen, read_beats
from streams.services.services import Services
from streams.validation import NotFit

log = structlog.get_logger()

BEAT_S = 0.5
#: While nobody has reported the ends of `heartbeats` for this long, no service is judged silent.
_UNHEARD_S = 5.0
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

    def __init__(self, services: Services, read_to: int) -> None:
        self.services = services
        self.read_to = read_to
        self.sources = SourcesSeen()
        self.seen_ms: int | None = None
        """When the ends of all partitions of `heartbeats` were seen, and …"""
        self.moved_at_s = 0.0
        """… when, by the monotonic clock, that last became later."""
        self.dead_letters: dict[int, DeadLetterBuffer] = {}
        """By the partition of `heartbeats` that the refused record stands in."""
        self.write_at_s = time.monotonic() + WRITE_S

    @property
    def has_many_letters(self) -> bool:
        """Whether they should be published before more is read."""
        return any(letters.are_many for letters in self.dead_letters.values())


class ServicesBeat:
    """The partitions of `beats` that are this worker's."""

    def __init__(
        self, settings: Settings, producer: Producer, consumer: Any, rows: TableRows
    ) -> None:
        """Publish through the producer; `consumer` returns the ChunkConsumer."""
        self._settings = settings
        self._producer = producer
        self._consumer = consumer
        self._rows = rows
        self._topic = settings.topic(BEATS)
        self._heartbeats = settings.topic(HEARTBEATS)
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
        """Fold a chunk of `beats` in."""
        source = self._begin_at(tp, chunk.start)
        if source.read_to != chunk.start:
            message = f"{tp}: read to {source.read_to}, then from {chunk.start}"
            raise RuntimeError(message)
        pace = Pace()
        for _ in self._steps(source, chunk.records):
            await pace.rest()
            while source.has_many_letters and self._sources.get(tp) is source:  # noqa: ASYNC110 - a beat publishes them
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
            try:
                found = read_beats(record.value or b"")
            except NotFit as unfit:
                log.warning("not a record of beats", offset=record.offset, error=str(unfit))
                yield
                continue
            if isinstance(found, ReadToEnd):
                source.sources.note(found)
            else:
                self._apply(source, found, now_ms)
            yield

    def _apply(self, source: _ServicePartition, record: BeatRecord, now_ms: int) -> None:
        found = read_heartbeat(record, self._limits)
        if isinstance(found, RefusedRecord):
            self._refuse(source, record, found)
        elif reason := source.services.apply(*found, record.source, record.offset, now_ms):
            value = record.value or b""
            refused = RefusedRecord(record, None, reason, _WHY[reason], value)
            self._refuse(source, record, refused)
        else:
            metrics.heartbeats.inc()

    def _refuse(
        self, source: _ServicePartition, record: BeatRecord, refused: RefusedRecord
    ) -> None:
        letters = source.dead_letters.get(record.source)
        if letters is None:
            topic = self._settings.topic(DEAD_LETTERS)
            letters = DeadLetterBuffer(topic, self._heartbeats, record.source)
            source.dead_letters[record.source] = letters
        letters.add(refused)

    def _begin_at(self, tp: TP, start: int) -> _ServicePartition:
        source = self._sources.get(tp)
        if source is None:
            services = Services(self._rows.of(tp.partition), self._limits, self._services_limit)
            source = self._sources[tp] = _ServicePartition(services, start)
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
        seen_ms = source.sources.seen_ms(self._consumer().count_of(self._heartbeats))
        now_s = time.monotonic()
        if seen_ms is not None and seen_ms > (source.seen_ms or 0):
            source.seen_ms, source.moved_at_s = seen_ms, now_s
        at_end = source.seen_ms is not None and now_s - source.moved_at_s < _UNHEARD_S
        source.services.look(source.seen_ms if at_end else None, int(time.time() * 1000))
        metrics.services.labels(tp.partition).set(len(source.services))
        metrics.services_down.labels(tp.partition).set(source.services.down)
        metrics.services_behind.labels(tp.partition).set(not at_end)
        if (end := self._consumer().end_of(tp)[0]) is not None:
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
        read_to, dead_letters = source.read_to, source.dead_letters
        source.dead_letters = {}
        changes = source.services.take_changes(everything=everything)
        for letters in dead_letters.values():
            await letters.publish(self._producer)
        await self._rows.write(tp.partition, changes)
        failpoints.reached("services_after_rows")
        if everything and self._sources.get(tp) is source:
            source.write_at_s = time.monotonic() + WRITE_S
            self._consumer().done(tp, read_to)
