"""Fold each source partition's open block, and publish its rows for the windows. It keeps no table.

Every half second, of scores every two seconds, the rows that changed go to the topic of partials,
those of all sources together, and those of a source that was quiet at once; each second the
progress, one record for each target partition that covers all sources of this worker. A block's
records are committed once the block is complete and the broker has its last rows. So the committed
offset is always a block's start, and a restart publishes the same rows again.
"""

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import structlog
from faust.types import TP

from agents.folding.fast_clocks import Ahead
from agents.folding.folded_topic import EventReader, FoldedTopic
from agents.folding.source_partition import SourceBatch, SourcePartition
from agents.kafka.commit_metadata import CommitProgress
from agents.kafka.dead_letters import DeadLetterBuffer
from agents.kafka.fetch_unpacking import Chunk, Gap, parts_of
from agents.kafka.producer import OutgoingRecord, Producer
from agents.runtime import failpoints, metrics
from agents.runtime.settings import Settings
from agents.runtime.tasks import start_task
from schemas.partials import PartialRow
from schemas.topics import DEAD_LETTERS
from streams.measure.operation_reader import Events
from streams.measure.partials import missing_record, progress_record, rows_records
from streams.measure.series import partition_of
from streams.measure.watermarks import reached
from streams.measure.window_state import RemovedRecords

log = structlog.get_logger()

#: While a source is further behind than a block, its rows are sent less often between blocks.
SEND_BEHIND_S = 5.0
#: How often `send` looks for sources whose rows are to be sent.
LOOK_S = 0.1
PROGRESS_S = 1.0
#: Making a source's rows holds the loop; then others get it as long, at most for this time.
_REST_S = 0.01
_PROGRESS_KEY = b"progress"


def now_ms() -> int:
    """Return the clock."""
    return int(time.time() * 1000)


class Ingest:
    """The source partitions of this worker."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        consumer: Any,
        folded: FoldedTopic,
        reader: EventReader,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Begin without partitions.

        Args:
            settings: the worker's.
            producer: publishes.
            consumer: returns the ChunkConsumer.
            folded: what is folded.
            reader: makes events of its records.
            fail: ends the worker.
        """
        self._settings = settings
        self._producer = producer
        self._consumer = consumer
        self._folded = folded
        self._reader = reader
        self._topic = settings.topic(folded.source)
        self._partials = settings.topic(folded.partials)
        self.ahead = Ahead(settings.time_limits.future_ms, folded.source.name)
        self._sources: dict[TP, SourcePartition] = {}
        self._senders: dict[TP, asyncio.Task[None]] = {}
        self._sent_at = -math.inf
        self._fail = fail

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once."""
        for tp in tps:
            source = self._sources.pop(tp, None)
            if sender := self._senders.pop(tp, None):
                sender.cancel()
            if source is not None:
                source.close()
                metrics.forget([metrics.lag], self._topic, tp.partition)

    def stop(self) -> None:
        """Publish no more: the next owner publishes the rest."""
        self.lost(list(self._sources))

    def _begin_at(self, tp: TP, start: int) -> SourcePartition:
        source = self._sources.get(tp)
        if source is None:
            dead_letters = DeadLetterBuffer(
                self._settings.topic(DEAD_LETTERS), self._topic, tp.partition
            )
            source = SourcePartition(tp, start, dead_letters, self._folded.block)
            self._sources[tp] = source
            self._senders[tp] = start_task(self._send(source), self._fail)
        return source

    async def skip(self, tp: TP, gap: Gap) -> None:
        """Go on behind records that Kafka removed, with a new block.

        A worker that starts there later then folds the same block.
        """
        source = self._begin_at(tp, gap.end)
        if source.next_offset < gap.end:
            source.block.end = source.next_offset = gap.end
            await source.queue.put(self._batch(source))
            if self._sources.get(tp) is not source:
                return  # lost meanwhile
            source.begin_block(gap.end)
        source.gap = gap if gap.since_ms is not None else gap._replace(since_ms=source.stamp_ms)

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Fold a chunk that continues what was read of a partition."""
        source = self._begin_at(tp, chunk.start)
        if source.next_offset != chunk.start:
            message = f"{tp}: read to {source.next_offset}, then from {chunk.start}"
            raise RuntimeError(message)
        for part in parts_of(chunk):
            events = await self._reader.read(source, part)
            if self._sources.get(tp) is source:
                await self._fold(source, part, events)
            if self._sources.get(tp) is not source:
                return  # lost meanwhile

    async def _fold(self, source: SourcePartition, part: Chunk, events: Events) -> None:
        """Fold what counts of a part of a chunk; publish each block that it completes."""
        if part.records:
            source.stamp_ms = part.records[-1].timestamp
            if source.gap is not None:
                await self._publish_gap(source, source.gap, part.records[0].timestamp)
                source.gap = None
        at, count = 0, len(events.offset)
        while True:
            before, block = at, source.block
            at = block.take(events, at)
            if at > before:
                source.unsent += at - before
                self._take_time(source, events, before, at)
            source.next_offset = part.end
            if at == count:
                block.reach(part.end)
            if block.end is None:
                break
            await source.queue.put(self._batch(source))
            if self._sources.get(source.tp) is not source:
                return  # lost meanwhile
            source.begin_block(block.end)
        if source.dead_letters.are_many:
            await source.queue.put(self._batch(source))

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Fold records and nothing else; yield after each."""
        source = self._sources[tp]
        for record in records:
            part = Chunk(record.offset, record.offset + 1, [record])
            events = self._reader.rehearse(source, part)
            at = 0
            while True:
                at = source.block.take(events, at)
                if source.block.end is None:
                    break
                self._batch(source)
                source.begin_block(source.block.end)
            yield
        self._batch(source)

    def _take_time(self, source: SourcePartition, events: Events, begin: int, end: int) -> None:
        """Move a source's event time by new events."""
        clock_ms = now_ms()
        if source.time.take(events.when_ms[begin:end], clock_ms):
            source.moved_at = time.monotonic()
        self.ahead.look(source.tp.partition, events, begin, end, clock_ms)

    async def _publish_gap(self, source: SourcePartition, gap: Gap, until_ms: int) -> None:
        """Publish how many records windows may miss, before any record that comes after."""
        if gap.since_ms is None:
            return  # nobody knows when they were
        partition = source.tp.partition
        since_ms, until_ms = sorted((gap.since_ms, until_ms))
        count = gap.end - gap.start
        removed = RemovedRecords(partition, gap.start, count, since_ms, until_ms)
        value = missing_record(removed)
        await self._producer.publish(
            self._outgoing(target, b"%d" % partition, value)
            for target in range(self._settings.partitions)
        )

    async def send(self) -> None:
        """Make batches: of all sources together, which costs less, of a quiet one at once."""
        now, send_s = time.monotonic(), self._folded.send_s
        is_due = now - self._sent_at >= send_s
        if is_due:
            self._sent_at = now
        for source in list(self._sources.values()):
            quiet_s = now - source.sent_at
            waited = (
                quiet_s >= SEND_BEHIND_S if source.is_behind else is_due or quiet_s > 2 * send_s
            )
            if source.has_unsent and waited and not source.queue.full():
                source.sent_at = began = time.monotonic()
                source.queue.put_nowait(self._batch(source))
                await asyncio.sleep(min(_REST_S, time.monotonic() - began))

    async def report(self) -> None:
        """Publish how far the sources are read, also where no records come."""
        for tp, start in (await self._consumer().begins(self._topic)).items():
            self._begin_at(tp, start)
        for source in self._sources.values():
            end, seen_ms = self._consumer().end_of(source.tp)
            if end is None:
                continue
            lag = max(0, end - source.next_offset)
            source.is_behind = lag > self._folded.block.MOST_OFFSETS
            metrics.lag.labels(self._topic, source.tp.partition).set(lag)
            if seen_ms is not None:
                source.look(end, seen_ms, now_ms())
        await self._producer.publish(self._progress())

    def _batch(self, source: SourcePartition) -> SourceBatch:
        """Return what is new of a source since the last batch."""
        source.waiting += 1
        block = source.block
        rows, next_offset = source.rows()
        by_target: dict[int, list[PartialRow]] = {}
        for row in rows:
            target = partition_of(row.series, self._settings.partitions)
            by_target.setdefault(target, []).append(row)
        batch = SourceBatch(
            [
                (target, value)
                for target, target_rows in by_target.items()
                for value in rows_records(
                    source.tp.partition, block.start, target_rows, next_offset
                )
            ],
            source.dead_letters.take(),
            source.unsent,
            next_offset,
            source.time.at(now_ms()),
            block.start if block.end is None else block.end,
            source.stamp_ms,
        )
        source.unsent = 0
        return batch

    async def _send(self, source: SourcePartition) -> None:
        while True:
            await self._publish(source, await source.queue.get())

    async def _publish(self, source: SourcePartition, batch: SourceBatch) -> None:
        key = b"%d" % source.tp.partition
        with metrics.flush_seconds.time():
            await batch.dead_letters.publish(self._producer)
            failpoints.reached("ingest_after_letters")
            await self._producer.publish(
                self._outgoing(target, key, value) for target, value in batch.records
            )
            failpoints.reached("ingest_after_partials")
        self._folded.counted.inc(batch.events)
        source.published_next = batch.next_offset
        source.published_watermark_ms = batch.watermark_ms
        source.waiting -= 1
        if self._sources.get(source.tp) is source:
            progress = None
            if batch.stamp_ms is not None:
                progress = CommitProgress(batch.next_offset, batch.stamp_ms)
            self._consumer().done(source.tp, batch.restart_at, progress)

    def _progress(self) -> Iterator[OutgoingRecord]:
        """Return for each target how far the sources are published: their rows stand before it."""
        clock_ms = now_ms()
        progress = reached(source.progress(clock_ms) for source in self._sources.values())
        if progress is None:
            return
        value = progress_record(progress)
        for target in range(self._settings.partitions):
            yield self._outgoing(target, _PROGRESS_KEY, value)

    def _outgoing(self, target: int, key: bytes, value: bytes) -> OutgoingRecord:
        return OutgoingRecord(self._partials, target, key, value)
