"""Make small worlds: logs of operations, what ingest tells of them, and what targets publish."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import msgspec

from schemas.fast_structs import struct_of
from schemas.partials import PartialRow, Partials
from streams.measure.blocks import Block
from streams.measure.digests import ENGINES
from streams.measure.operation_reader import Events, read_events
from streams.measure.watermarks import Reached, SourceTime, reached
from streams.measure.window_kind import OPERATIONS_WINDOWS
from streams.measure.window_times import TimeLimits
from streams.measure.windows import WindowRevision, Windows

#: Monday 2026-09-21 00:00 UTC.
MONDAY_MS = 1_789_948_800_000
LIMITS = TimeLimits(3_600_000, 60_000)
TIMES = TimeLimits(3_600_000, 60_000, 10_000)
ENGINE = ENGINES["fastdigest"]
ROWS_A_RECORD = 3
FAR_MS = MONDAY_MS + 60 * 86_400_000

_as_told = msgspec.json.Decoder(struct_of(Partials)).decode


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes | None


class Rows(NamedTuple):
    source: int
    block: int
    rows: list[PartialRow]
    next_offset: int = 0


class Progress(NamedTuple):
    """Of one source; a worker says it of several at once."""

    source: int
    watermark_ms: int
    idle_at_ms: int | None = None
    quiet_ms: int = 0

    @property
    def reached(self) -> Reached:
        told = reached([SourceTime(*self)])
        assert told is not None
        return told


Message = Rows | Progress


def operation(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"op-{number}",
        "operation": "parse",
        "platform": "lever",
        "occurred_at": MONDAY_MS,
        "success": True,
        "duration_ms": 10.0,
        **fields,
    }


def record(offset: int, *operations: dict[str, Any], stamp: int = MONDAY_MS) -> Record:
    value: Any = operations[0] if len(operations) == 1 else list(operations)
    return Record(offset, stamp, json.dumps(value).encode())


def draw_operation(random: Random, number: int, when_ms: int, names: int = 2) -> dict[str, Any]:
    """Return an operation whose optional fields are there or not."""
    drawn = operation(
        number,
        operation=f"op{random.randrange(names)}",
        platform=f"p{random.randrange(names)}",
        occurred_at=when_ms,
        success=random.random() < 0.8,
        duration_ms=random.choice([0.0, 1.5, 10.0, round(random.lognormvariate(4, 1), 3)]),
    )
    for field, value in (
        ("confidence", random.choice([0.0, 0.49, 0.5, 0.79, 0.8, 1.0, 0.333333])),
        ("cache", random.choice(["hit", "miss"])),
        ("cache_ttl_s", random.choice([0.0, 1.5, 60.0])),
        ("cache_evictions", random.randrange(3)),
        ("error_type", f"Error{random.randrange(13)}"),
    ):
        if random.random() < 0.5:
            drawn[field] = value
    if drawn["occurred_at"] % 2:
        drawn["occurred_at"] = datetime.fromtimestamp(when_ms / 1000, UTC).isoformat(
            timespec="milliseconds"
        )
    return drawn


def draw_log(random: Random, times_ms: Sequence[int], late_ms: int = 3_000_000) -> list[Record]:
    """Return a partition's log: records at these times, some late, some arrays, with gaps."""
    log: list[Record] = []
    offset = random.randrange(5)
    number = random.randrange(1 << 30)
    for stamp in sorted(times_ms):
        ops = []
        for _ in range(random.choice([1, 1, 1, 2, 5])):
            late = random.randrange(late_ms) if random.random() < 0.2 else random.randrange(2_000)
            number += 1
            ops.append(draw_operation(random, number, max(0, stamp - late)))
        if random.random() < 0.1:
            log.append(Record(offset, stamp, b"not json"))
            offset += 1
        log.append(record(offset, *ops, stamp=stamp))
        offset += random.choice([1, 1, 1, 3])
    return log


class Reading:
    """Reads a log as ingest does, from a block's start on."""

    new_block: type[Block] = Block

    def __init__(self, source: int, log: Sequence[Any], start: int = 0) -> None:
        self.source = source
        self._log = [one for one in log if one.offset >= start]
        self.block = self.new_block(start)
        self.next_offset = start
        self.blocks: list[int] = []
        self.newest_ms: int | None = None
        self._told = start - 1

    def events(self, chunk: Sequence[Any]) -> Events:
        return read_events(chunk, LIMITS)[0]

    def read(self, count: int) -> Iterator[Message]:
        """Read a chunk of so many records; yield what is told as blocks end."""
        chunk, self._log = self._log[:count], self._log[count:]
        if not chunk:
            return
        events = self.events(chunk)
        self.next_offset = chunk[-1].offset + 1
        at = 0
        while True:
            before = at
            at = self.block.take(events, at)
            if at > before:
                newest = int(events.when_ms[before:at].max())
                self.newest_ms = max(self.newest_ms or newest, newest)
            if at == len(events.offset):
                self.block.reach(self.next_offset)
            if self.block.end is None:
                return
            yield from self.tell()
            self.blocks.append(self.block.end)
            self.block = self.new_block(self.block.end)
            self._told = self.block.start - 1

    def tell(self) -> Iterator[Message]:
        """Yield what is new since it was last told, and the progress."""
        rows = self.block.fold(self._told)
        ended = self.block.end
        next_offset = self.next_offset if ended is None else ended
        self._told = next_offset - 1
        rows.sort(key=lambda row: row.last_offset)
        while rows:  # a few a record
            some, rows = rows[:ROWS_A_RECORD], rows[ROWS_A_RECORD:]
            record = {"source": self.source, "block": self.block.start, "rows": some}
            record["next_offset"] = rows[0].last_offset if rows else next_offset
            told = _as_told(msgspec.json.encode({"kind": "rows", **record}))
            yield Rows(told.source, told.block, told.rows, told.next_offset)
        if self.newest_ms is not None:
            yield Progress(self.source, self.newest_ms)

    @property
    def left(self) -> int:
        return len(self._log)


def told_of(
    random: Random,
    source: int,
    log: Sequence[Any],
    *,
    troubled: bool,
    reads: type[Reading] = Reading,
) -> list[Message]:
    """Return what is told of a log: cut anywhere, told again after restarts, and by zombies."""
    told: list[Message] = []
    reading = reads(source, log)
    zombie: list[Message] = []
    while reading.left:
        told += reading.read(random.randint(1, 30))
        if random.random() < 0.5:
            told += reading.tell()
        if troubled and zombie and random.random() < 0.5:
            told.append(zombie.pop(0))
        if troubled and random.random() < 0.1:
            zombie = told[random.randrange(len(told)) :] if told else []
            start = random.choice([0, *reading.blocks][-2:])
            reading = reads(source, log, start)
    told += reading.tell()
    return told


class Target:
    """A target partition in beats; what the broker and the changelog have survives a crash."""

    kind = OPERATIONS_WINDOWS

    def __init__(self, sources: int, limit: int = 10_000) -> None:
        self.sources = sources
        self.limit = limit
        self.table: dict[bytes, bytes] = {}
        self.inbox: list[Message] = []
        self.read_to = 0
        self.committed = 0
        self.published: dict[bytes, list[tuple[int, Any]]] = defaultdict(list)
        self.sent: list[tuple[bytes, int]] = []
        self.refused: list[PartialRow] = []
        self.start()

    def start(self) -> None:
        packed = dict(self.table)
        self.windows = Windows(0, self.sources, packed, TIMES, ENGINE, self.limit, kind=self.kind)
        self.packed = packed
        self.read_to = self.committed
        self.sent = []

    def read(self, count: int, now_ms: int) -> None:
        for message in self.inbox[self.read_to : self.read_to + count]:
            if isinstance(message, Rows):
                self.refused += self.windows.apply(
                    message.source, message.block, message.rows, now_ms, message.next_offset
                )
            else:
                self.windows.progress(message.reached)
        self.read_to = min(len(self.inbox), self.read_to + count)

    def publish(self, now_ms: int, *, finals_only: bool = False, at_most: int = 1 << 30) -> None:
        """Publish and confirm, but stop after so many."""
        self.windows.advance(now_ms)
        for count, one in enumerate(self.windows.collect(now_ms, finals_only=finals_only)):
            self.take(one)
            self.windows.confirm(one)
            if count + 1 >= at_most:
                break
        self.windows.retire()

    def take(self, one: WindowRevision) -> None:
        self.published[one.key].append((one.published, msgspec.json.decode(one.value)))
        self.sent.append((one.key, one.published))

    def write(self, at_most: int = 1 << 30) -> None:
        """Write the changes; a crash may leave only the first of them."""
        changes = self.windows.take_changes()
        for key, value in changes[:at_most]:
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = value
        if at_most >= len(changes):
            self.committed = self.read_to

    def beat(self, now_ms: int) -> None:
        self.publish(now_ms)
        self.write()

    def last(self) -> dict[bytes, Any]:
        """Return of each window the revision that stands: the largest, final above not."""
        return {key: max(one, key=lambda r: r[0])[1] for key, one in self.published.items()}
