"""Play recorded operations at a pace, with their times moved, and say how it went."""

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import BinaryIO, NamedTuple

from agents.cli.publishing import Publisher, publisher
from agents.cli.recorded import Bad, Lines, Recorded
from agents.cli.running import REACH_S, Sentence
from agents.kafka.admin_client import admin
from agents.kafka.topic_fit import TopicSpec
from agents.kafka.topics import describe
from agents.runtime.settings import Settings
from schemas.topics import OPERATIONS

#: Waits shorter than this are not worth a batch of their own.
_TICK_S = 0.02
#: A batch waits at most so long for company.
_LINGER_S = 0.1
#: Between two looks at the clock, flat out.
_STRIDE = 2_000
_MAX_LINE = 16 * 1024 * 1024


class Extent(NamedTuple):
    """When the first and the last operation ended, epoch ms."""

    first_ms: int
    last_ms: int


class Plan(NamedTuple):
    """How fast, and how much later than recorded."""

    speed: float
    as_recorded: bool
    extent: Extent | None
    """None: it streams, so the first one is now."""

    def moved_by_ms(self, first_ms: int, now_ms: int) -> int:
        """Return how much later operations are than recorded: the last is now when it is sent."""
        if self.as_recorded:
            return 0
        if self.extent is None:
            return now_ms - first_ms
        took_ms = (self.extent.last_ms - self.extent.first_ms) / self.speed
        return int(now_ms + took_ms) - self.extent.last_ms


class Outcome:
    """What happened so far."""

    def __init__(self) -> None:
        self.lines = 0
        self.bad = 0
        self.published = 0


def extent_of(lines: Lines, file: BinaryIO) -> Extent | None:
    """Return the times of the first and last good operation; the file is at its start again."""
    first, last = math.inf, -math.inf
    for each in lines.read(file):
        if isinstance(each, Recorded):
            first, last = min(first, each.when_ms), max(last, each.when_ms)
    file.seek(0)
    return None if first > last else Extent(int(first), int(last))


async def replay(
    settings: Settings,
    source: AsyncIterator[Recorded | Bad],
    plan: Plan,
    outcome: Outcome,
    complain: Callable[[Bad], None],
    show: Callable[[Outcome], None],
) -> None:
    """Publish what the source yields, in its order.

    Args:
        settings: where Kafka is.
        source: the records, and what is wrong with other lines.
        plan: the pace.
        outcome: kept up to date, also when this is cancelled.
        complain: is told of each bad line.
        show: is called now and then.
    """
    if plan.as_recorded:
        await _must_keep_times(settings)
    async with publisher(settings, settings.topic(OPERATIONS)) as out:
        lingering = asyncio.create_task(out.linger(_LINGER_S))
        try:
            await _play(source, plan, out, outcome, complain, show)
        finally:
            lingering.cancel()
            outcome.published = out.acknowledged
            show(outcome)


async def _must_keep_times(settings: Settings) -> None:
    """Refuse where the broker puts its own time in place of a record's.

    Raises:
        Sentence: it does, so all that is old would be a dead letter.
    """
    name = settings.topic(OPERATIONS)
    async with admin(settings, deadline_s=REACH_S) as client:
        found = (await describe(client, [TopicSpec(name, 1, {})])).get(name)
    config = found.config if found else None  # nobody may know it: then it is tried
    if config and config.get("message.timestamp.type") == "LogAppendTime":
        raise Sentence(
            f"{name} has message.timestamp.type=LogAppendTime: its records have the time of their"
            " arrival, so recorded operations would be refused as too old. kafka-configs --alter"
            f" --topic {name} --add-config message.timestamp.type=CreateTime sets it; or leave"
            " --as-recorded out."
        )


async def _play(
    source: AsyncIterator[Recorded | Bad],
    plan: Plan,
    out: Publisher,
    outcome: Outcome,
    complain: Callable[[Bad], None],
    show: Callable[[Outcome], None],
) -> None:
    pace: _Pace | None = None
    async for each in source:
        outcome.lines += 1
        if isinstance(each, Bad):
            outcome.bad += 1
            complain(each)
            continue
        if pace is None:
            first_ms = plan.extent.first_ms if plan.extent else each.when_ms
            pace = _Pace(plan, first_ms)
        if outcome.lines % _STRIDE == 0 or plan.speed != math.inf:
            await pace.keep(each.when_ms, out)
            outcome.published = out.acknowledged
            show(outcome)
        await out.add(each.moved(pace.moved_by_ms), each.when_ms + pace.moved_by_ms)
    await out.finish()


class _Pace:
    def __init__(self, plan: Plan, first_ms: int) -> None:
        self.moved_by_ms = plan.moved_by_ms(first_ms, int(time.time() * 1000))
        self._speed = plan.speed
        self._first_ms = first_ms
        self._began_s = time.monotonic()

    async def keep(self, when_ms: int, out: Publisher) -> None:
        """Wait until an operation of that time is due; send what waits in the meantime."""
        due_s = self._began_s + (when_ms - self._first_ms) / 1000 / self._speed
        wait_s = due_s - time.monotonic()
        if wait_s > _TICK_S:
            await out.send()
            await asyncio.sleep(wait_s)


async def of_file(lines: Lines, file: BinaryIO) -> AsyncIterator[Recorded | Bad]:
    """Yield the records of a file."""
    records: Iterator[Recorded | Bad] = lines.read(file)
    for each in records:
        yield each


async def of_stdin(lines: Lines) -> AsyncIterator[Recorded | Bad]:
    """Yield the records of a pipe as they come."""
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=_MAX_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), sys.stdin.buffer)
    number = 0
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            number += 1
            yield Bad(number, f"more than {_MAX_LINE:,} bytes")
            continue
        if not line:
            return
        number += 1
        lines.consumed += len(line)
        if line.strip():
            yield lines.line(number, line)
