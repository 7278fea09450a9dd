"""Fold each source partition's open block, and tell windows of it. It keeps no table.

Every half second the rows that changed go to `partials`; each second the progress, one record a
target partition for all sources of this worker. A block's
records are done once it is complete and the broker has its last rows, so the committed offset is
always a block's start, and a restart says the same again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import structlog
from faust.types import TP

from agents.kafka.chunks import Chunk, Gap
from agents.kafka.dead_letters import DeadLetterBuffer
from agents.kafka.producer import OutgoingRecord, Producer
from agents.kafka.starts import CommitProgress
from agents.measure.ahead import Ahead
from agents.runtime import failpoints, metrics
from agents.runtime.pacing import paced, parts_of
from agents.runtime.settings import Settings
from schemas.dead_letters import KEPT_BYTES
from schemas.fast import struct_of
from schemas.partials import Missing, PartialRow, Partials, Progress
from schemas.topics import DEAD_LETTERS, OPERATIONS, PARTIALS
from streams.measure.blocks import BLOCK_OFFSETS, Block, Events, Limits, reading_events
from streams.measure.event_time import EventTime
from streams.measure.series import partition_of
from streams.measure.watermarks import SourceTime, reached
from streams.steps import Steps, finish

log = structlog.get_logger()

TELL_S = 0.5
#: While a source is further behind than a block, its blocks' ends tell enough.
TELL_BEHIND_S = 5.0
PROGRESS_S = 1.0
#: A partition read to its end and quiet for so long does not hold others back.
QUIET_S = 30.0
#: Ends of a log, one a second, that are waited for to be told.
_ENDS = 30
#: Tellings of one source that wait for the broker before its reading does.
_WAITING = 4
#: Rows in a record on `partials`: half a megabyte when each has a full digest.
_ROWS_A_RECORD = 200
#: Dead letters made between two steps.
_MADE_TOGETHER = 100

_Partials: Any = struct_of(Partials)
_Progress: Any = struct_of(Progress)
_Missing: Any = struct_of(Missing)
_encode = msgspec.json.Encoder().encode
_last_offset = attrgetter("last_offset")
_PROGRESS_KEY = "progress"


def now_ms() -> int:
    """Return the clock."""
    return int(time.time() * 1000)


class _Telling(NamedTuple):
    """What is to be told of a source up to an offset."""

    partials: list[OutgoingRecord]
    """Encoded at once: rows that wait as objects take five times the memory."""
    letters: DeadLetterBuffer
    events: int
    next_offset: int
    watermark_ms: int | None
    done: int
    """Where a restart begins: the block's start, or the next one's if it is complete with this."""
    stamp_ms: int | None
    """The timestamp of the last record."""


class _Source:
    """A source partition: its open block, and what is told of it."""

    def __init__(self, tp: TP, start: int, letters: DeadLetterBuffer) -> None:
        self.tp = tp
        self.block = Block(start)
        self.next_offset = start
        self.time = EventTime()
        self.stamp_ms: int | None = None
        """The timestamp of the last record read."""
        self.gap: Gap | None = None
        """What Kafka removed before the next record."""
        self.letters = letters
        self.is_behind = False
        self.untold = 0
        self.untold_since = time.monotonic()
        self.moved_at = time.monotonic()
        """When a record came last, other than of events ahead of the clock."""
        self.told_offset = start - 1
        self.told_watermark_ms: int | None = None
        self.told_next = start
        self.read_through_ms: int | None = None
        """When the log last ended where it is told to."""
        self._ends: deque[tuple[int, int]] = deque()
        self.waiting = 0
        """Tellings that are not with the broker yet."""
        self.queue: asyncio.Queue[_Telling] = asyncio.Queue(_WAITING)

    @property
    def owes(self) -> bool:
        """Whether something read is not told yet."""
        return bool(self.untold or self.letters)

    def look(self, end: int, seen_ms: int) -> None:
        """Note where the log ended, and when."""
        if len(self._ends) < _ENDS:
            self._ends.append((end, seen_ms))
        while self._ends and self._ends[0][0] <= self.told_next:
            self.read_through_ms = self._ends.popleft()[1]

    def progress(self, now_ms: int) -> SourceTime:
        """Return how far it is told."""
        if not self.waiting and not self.owes:  # all that was read is told, also where that is none
            self.told_next = self.next_offset
            self.told_watermark_ms = self.time.at(now_ms)
        quiet_s = time.monotonic() - self.moved_at
        if quiet_s < QUIET_S or self.read_through_ms is None:
            return SourceTime(self.tp.partition, self.told_watermark_ms)
        quiet_ms = int(quiet_s * 1000)
        return SourceTime(self.tp.partition, self.told_watermark_ms, self.read_through_ms, quiet_ms)

    def drop(self) -> None:
        """Let go whoever waits to tell."""
        while not self.queue.empty():
            self.queue.get_nowait()


class Ingest:
    """The source partitions of this worker."""

    def __init__(self, settings: Settings, producer: Producer, consumer: Any) -> None:
        """Publish through the producer; `consumer` returns the ChunkConsumer."""
        self._settings = settings
        self._producer = producer
        self._consumer = consumer
        self._limits = Limits(int(settings.lateness_s * 1000), int(settings.future_s * 1000))
        self._topic = settings.topic(OPERATIONS)
        self.ahead = Ahead(self._limits.future_ms)
        self._sources: dict[TP, _Source] = {}
        self._senders: dict[TP, asyncio.Task[None]] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Is given the error, if telling fails for good."""

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once."""
        for tp in tps:
            source = self._sources.pop(tp, None)
            if sender := self._senders.pop(tp, None):
                sender.cancel()
            if source is not None:
                source.drop()
                metrics.forget([metrics.lag], self._topic, tp.partition)

    def stop(self) -> None:
        """Tell no more: what is not told is told by whoever comes next."""
        self.lost(list(self._sources))

    def _begin_at(self, tp: TP, start: int) -> _Source:
        source = self._sources.get(tp)
        if source is None:
            letters = DeadLetterBuffer(
                self._settings.topic(DEAD_LETTERS), self._topic, tp.partition
            )
            source = self._sources[tp] = _Source(tp, start, letters)
            self._senders[tp] = asyncio.create_task(self._send(source))
        return source

    async def skip(self, tp: TP, gap: Gap) -> None:
        """Go on behind records that Kafka removed: with a block of its own.

        Whoever begins anew there folds the same; one that began before could not.
        """
        source = self._begin_at(tp, gap.end)
        if source.next_offset < gap.end:
            source.block.end = source.next_offset = gap.end
            await source.queue.put(self._telling(source))
            if self._sources.get(tp) is not source:
                return  # lost meanwhile
            source.block, source.told_offset = Block(gap.end), gap.end - 1
        source.gap = gap if gap.since_ms is not None else gap._replace(since_ms=source.stamp_ms)

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Fold a chunk that continues what was read of a partition."""
        source = self._begin_at(tp, chunk.start)
        if source.next_offset != chunk.start:
            message = f"{tp}: read to {source.next_offset}, then from {chunk.start}"
            raise RuntimeError(message)
        for part in parts_of(chunk):
            events = await paced(self._reading(source, part))
            if self._sources.get(tp) is source:
                await self._fold(source, part, events)
            if self._sources.get(tp) is not source:
                return  # lost meanwhile

    def _reading(self, source: _Source, part: Chunk) -> Steps[Events]:
        """Read a part of a chunk in steps; return what counts of it."""
        events, refused = yield from reading_events(part.records, self._limits)
        if not source.owes:
            source.untold_since = time.monotonic()
        for i, one in enumerate(refused):
            source.letters.add(one)
            if i % _MADE_TOGETHER == 0 or len(one.value) > KEPT_BYTES:
                yield
        return events

    async def _fold(self, source: _Source, part: Chunk, events: Events) -> None:
        """Take in what counts of a part of a chunk; tell each block that it completes."""
        if part.records:
            source.stamp_ms = part.records[-1].timestamp
            if source.gap is not None:
                await self._tell_of_gap(source, source.gap, part.records[0].timestamp)
                source.gap = None
        if not source.owes:
            source.untold_since = time.monotonic()
        at, count = 0, len(events.offset)
        while True:
            before, block = at, source.block
            at = block.take(events, at)
            if at > before:
                source.untold += at - before
                self._take_time(source, events, before, at)
            source.next_offset = part.end
            if at == count:
                block.reach(part.end)
            if block.end is None:
                break
            await source.queue.put(self._telling(source))
            if self._sources.get(source.tp) is not source:
                return  # lost meanwhile
            source.block = Block(block.end)
            source.told_offset = block.end - 1
        if source.letters.are_many:
            await source.queue.put(self._telling(source))

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Fold records and nothing else; yield after each."""
        source = self._sources[tp]
        for record in records:
            part = Chunk(record.offset, record.offset + 1, [record])
            events = finish(self._reading(source, part))
            at = 0
            while True:
                at = source.block.take(events, at)
                if source.block.end is None:
                    break
                self._telling(source)
                source.block = Block(source.block.end)
            yield
        self._telling(source)

    def _take_time(self, source: _Source, events: Events, begin: int, end: int) -> None:
        """Let some events of a source say how far time has come."""
        clock_ms = now_ms()
        if source.time.take(events.when_ms[begin:end], clock_ms):
            source.moved_at = time.monotonic()
        self.ahead.look(source.tp.partition, events, begin, end, clock_ms)

    async def _tell_of_gap(self, source: _Source, gap: Gap, until_ms: int) -> None:
        """Tell the windows how many records may be missing, before any that come after."""
        if gap.since_ms is None:
            return  # nobody knows when they were
        since_ms, until_ms = sorted((gap.since_ms, until_ms))
        value = _encode(
            _Missing(
                source=source.tp.partition,
                first_offset=gap.start,
                count=gap.end - gap.start,
                since_ms=since_ms,
                until_ms=until_ms,
            )
        )
        await self._producer.publish(
            self._outgoing(target, str(source.tp.partition), value)
            for target in range(self._settings.partitions)
        )

    async def tell(self) -> None:
        """Tell of what waited long enough."""
        now = time.monotonic()
        for source in list(self._sources.values()):
            wait_s = TELL_BEHIND_S if source.is_behind else TELL_S
            if source.owes and now - source.untold_since >= wait_s and not source.queue.full():
                source.untold_since = now
                source.queue.put_nowait(self._telling(source))
                await asyncio.sleep(0)

    async def report(self) -> None:
        """Tell how far the sources are read, also where nothing comes to be read."""
        for tp, start in (await self._consumer().begins(self._topic)).items():
            self._begin_at(tp, start)
        for source in self._sources.values():
            end, seen_ms = self._consumer().end_of(source.tp)
            if end is None:
                continue
            lag = max(0, end - source.next_offset)
            source.is_behind = lag > BLOCK_OFFSETS
            metrics.lag.labels(self._topic, source.tp.partition).set(lag)
            if seen_ms is not None:
                source.look(end, seen_ms)
        await self._producer.publish(self._progress())

    def _telling(self, source: _Source) -> _Telling:
        """Return what is new of a source, and count it as told."""
        source.waiting += 1
        block = source.block
        next_offset = source.next_offset if block.end is None else block.end
        rows = block.fold(source.told_offset)
        partials = list(self._partials(source, rows, next_offset))
        telling = _Telling(
            partials,
            source.letters.take(),
            source.untold,
            next_offset,
            source.time.at(now_ms()),
            block.start if block.end is None else block.end,
            source.stamp_ms,
        )
        source.told_offset, source.untold = next_offset - 1, 0
        return telling

    async def _send(self, source: _Source) -> None:
        try:
            while True:
                await self._tell(source, await source.queue.get())
        except Exception as error:  # noqa: BLE001 - a task's edge: the worker ends by it
            if not self.failed.done():
                self.failed.set_exception(error)

    async def _tell(self, source: _Source, telling: _Telling) -> None:
        with metrics.flush_seconds.time():
            await telling.letters.publish(self._producer)
            failpoints.reached("ingest_after_letters")
            await self._producer.publish(telling.partials)
            failpoints.reached("ingest_after_partials")
        metrics.operations.inc(telling.events)
        source.told_next = telling.next_offset
        source.told_watermark_ms = telling.watermark_ms
        source.waiting -= 1
        if self._sources.get(source.tp) is source:
            progress = None
            if telling.stamp_ms is not None:
                progress = CommitProgress(telling.next_offset, telling.stamp_ms)
            self._consumer().done(source.tp, telling.done, progress)

    def _partials(
        self, source: _Source, told: list[PartialRow], next_offset: int
    ) -> Iterator[OutgoingRecord]:
        by_target: dict[int, list[PartialRow]] = {}
        # In this order, so that a record can say which rows stand in it or before it.
        for row in sorted(told, key=_last_offset):
            target = partition_of(row.series, self._settings.partitions)
            by_target.setdefault(target, []).append(row)
        partition = source.tp.partition
        for target, rows in by_target.items():
            for i in range(0, len(rows), _ROWS_A_RECORD):
                some, left = rows[i : i + _ROWS_A_RECORD], rows[i + _ROWS_A_RECORD :]
                value = _encode(
                    _Partials(
                        source=partition,
                        block=source.block.start,
                        rows=some,
                        next_offset=left[0].last_offset if left else next_offset,
                    )
                )
                yield self._outgoing(target, str(partition), value)

    def _progress(self) -> Iterator[OutgoingRecord]:
        """Return for each target how far the sources are told: what they told stands before it."""
        clock_ms = now_ms()
        told = reached(source.progress(clock_ms) for source in self._sources.values())
        if told is None:
            return
        sources = told.sources.to_bytes(-(-told.sources.bit_length() // 8), "little")
        value = _encode(
            _Progress(
                sources=sources,
                at_ms=told.at_ms,
                newest_ms=told.newest_ms,
                quiet_ms=told.quiet_ms,
            )
        )
        for target in range(self._settings.partitions):
            yield self._outgoing(target, _PROGRESS_KEY, value)

    def _outgoing(self, target: int, key: str, value: bytes) -> OutgoingRecord:
        return OutgoingRecord(self._settings.topic(PARTIALS), target, key.encode(), value)
