"""Hold one source partition: its open block, and what of it is still to be published."""

import asyncio
import math
import time
from collections import deque
from typing import NamedTuple

from faust.types import TP

from agents.kafka.dead_letters import DeadLetterBuffer
from agents.kafka.fetch_unpacking import Gap
from schemas.partials import PartialRow
from streams.measure.blocks import Block
from streams.measure.watermarks import EventTime, SourceTime
from streams.record_limits import RefusedRecord

#: A partition that is read to its end and quiet for this long does not hold others back.
QUIET_S = 30.0
#: Ends of the log, one a second, that wait until all before them is published.
_ENDS = 30
#: Batches of one source that wait for the broker before reading does.
_WAITING = 4


class SourceBatch(NamedTuple):
    """What one source publishes together: all that is new up to an offset."""

    records: list[tuple[int, bytes]]
    """Values for the topic of partials, each with its target partition. Rows as objects would take
    five times the memory."""
    dead_letters: DeadLetterBuffer
    events: int
    next_offset: int
    watermark_ms: int | None
    restart_at: int
    """Where a restart begins: the block's start, or the next block's if this completes it."""
    stamp_ms: int | None
    """The timestamp of the last record."""


class SourcePartition:
    """A source partition's open block, and how far it was read and published."""

    def __init__(
        self, tp: TP, start: int, dead_letters: DeadLetterBuffer, block: type[Block] = Block
    ) -> None:
        """Begin at an offset, with a block of a class."""
        self.tp = tp
        self._new_block = block
        self.block = block(start)
        self.next_offset = start
        self.time = EventTime()
        self.stamp_ms: int | None = None
        """The timestamp of the last record read."""
        self.gap: Gap | None = None
        """What Kafka removed before the next record."""
        self.dead_letters = dead_letters
        self.is_behind = False
        self.unsent = 0
        """Events that are in no batch yet."""
        self.sent_at = -math.inf
        """When a batch was made last of what waited, by the monotonic clock."""
        self.moved_at = time.monotonic()
        """When a record came last, other than of events ahead of the clock."""
        self.batched_offset = start - 1
        """The last offset whose rows are in a batch."""
        self.published_watermark_ms: int | None = None
        self.published_next = start
        """All before this offset is published."""
        self.read_through_ms: int | None = None
        """When the log last ended where everything is published."""
        self._read_through_s = -math.inf
        """The same by the monotonic clock."""
        self._ends: deque[tuple[int, int, float]] = deque()
        self.waiting = 0
        """Batches that the broker does not have yet."""
        self.queue: asyncio.Queue[SourceBatch] = asyncio.Queue(_WAITING)

    @property
    def has_unsent(self) -> bool:
        """Whether something was read that is in no batch yet."""
        return bool(self.unsent or self.dead_letters)

    def look(self, end: int, seen_ms: int, now_ms: int) -> None:
        """Note where the log ended, and when that was seen."""
        if len(self._ends) < _ENDS:
            self._ends.append((end, seen_ms, time.monotonic() - (now_ms - seen_ms) / 1000))
        while self._ends and self._ends[0][0] <= self.published_next:
            _, self.read_through_ms, self._read_through_s = self._ends.popleft()

    def progress(self, now_ms: int) -> SourceTime:
        """Return how far it is published."""
        if not self.waiting and not self.has_unsent:  # also where nothing was to be published
            self.published_next = self.next_offset
            self.published_watermark_ms = self.time.at(now_ms)
        # Quiet until the end was last seen: what has come since may not be read yet.
        quiet_s = self._read_through_s - self.moved_at
        partition, watermark_ms = self.tp.partition, self.published_watermark_ms
        if quiet_s < QUIET_S:
            return SourceTime(partition, watermark_ms)
        return SourceTime(partition, watermark_ms, self.read_through_ms, int(quiet_s * 1000))

    def rows(self) -> tuple[list[PartialRow], int]:
        """Return the rows that are in no batch yet, and the offset they are complete up to."""
        end = self.block.end
        next_offset = self.next_offset if end is None else end
        rows = self.block.fold(self.batched_offset)
        self.batched_offset = next_offset - 1
        return rows, next_offset

    def begin_block(self, start: int) -> None:
        """Go on with a new block."""
        self.block, self.batched_offset = self._new_block(start), start - 1

    def refuse(self, record: RefusedRecord) -> None:
        """Make a dead letter of a record, or of an element of it."""
        self.dead_letters.add(record)

    def close(self) -> None:
        """Drop what waits, so that whoever waits to add more goes on."""
        while not self.queue.empty():
            self.queue.get_nowait()
