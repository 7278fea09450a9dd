"""Publish recorded operations at a pace, with their times moved."""

import asyncio
import math
import time
from collections.abc import AsyncIterable, Callable
from typing import NamedTuple

from agents.kafka.admin_client import admin
from agents.kafka.reader import REACH_S, UnusableTopic
from agents.kafka.topic_creation import describe
from agents.kafka.topic_fit import TopicSpec
from agents.replay.batch_publisher import BatchPublisher, publisher
from agents.replay.recorded_lines import InvalidLine, RecordedOperations, TimeSpan
from agents.runtime.settings import Settings
from schemas.operations import FIRST_MS
from schemas.topics import OPERATIONS

#: Waits shorter than this are not worth a batch of their own.
_TICK_S = 0.02
#: How long a batch may wait for more records.
_LINGER_S = 0.1
#: A line that is due later than in a week is a mistake of its time, and would hold the others up.
_LONGEST_WAIT_S = 7 * 86_400
#: How far ahead of its clock a broker of version 4 takes times, unless it is configured.
_AHEAD_MS = 3_600_000
#: Lines between two progress reports, flat out.
_STRIDE = 2_000


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

    def oldest_ms(self) -> float:
        """Return how old an operation can be when it is published."""
        if self.as_recorded:
            return math.inf
        span_ms = self.span.last_ms - self.span.first_ms if self.span else 0
        return span_ms * (1 - 1 / self.speed)


class ReplayCounts:
    """What became of each line that was read so far; every line is in one of them."""

    def __init__(self) -> None:
        self.lines = 0
        self.invalid = 0
        self.published = 0
        """Acknowledged by Kafka."""
        self.behind = 0
        """Published, but older than lines before them by more than operations may be late."""

    @property
    def unknown(self) -> int:
        """Lines that were sent and not acknowledged: a signal or an error ended the replay."""
        return self.lines - self.invalid - self.published


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
    name, lateness_ms = settings.topic(OPERATIONS), int(settings.lateness_s * 1000)
    bounds = TimeBounds(lateness_ms, await _check_topic(settings, plan))
    async with publisher(settings, name) as out:
        out.check_times = lambda: must_not_be_late(name, plan, lateness_ms)
        player = Player(plan, out, counts, report, show, bounds)
        lingering = asyncio.create_task(out.linger(_LINGER_S))
        try:
            await player.play(source)
        finally:
            lingering.cancel()
            counts.published = out.acknowledged
            show(counts)


async def _check_topic(settings: Settings, plan: ReplayPlan) -> int:
    """Return how far ahead of its clock the broker takes times, ms.

    Raises:
        UnusableTopic: it replaces the times, so operations would become dead letters.
    """
    name = settings.topic(OPERATIONS)
    async with admin(settings, deadline_s=REACH_S) as client:
        found = (await describe(client, [TopicSpec(name, 1, {})])).get(name)
    config = (found.config if found else None) or {}  # no right to ask: the first batch tells
    if config.get("message.timestamp.type") == "LogAppendTime":
        must_not_be_late(name, plan, int(settings.lateness_s * 1000))
    return int(config.get("message.timestamp.after.max.ms") or _AHEAD_MS)


def must_not_be_late(name: str, plan: ReplayPlan, lateness_ms: int) -> None:
    """Check that operations count although their records get the time of their arrival.

    Raises:
        UnusableTopic: they would be too old.
    """
    if plan.oldest_ms() <= lateness_ms:
        return
    raise UnusableTopic(
        f"{name} has message.timestamp.type=LogAppendTime: Kafka gives its records the time of"
        " their arrival, so recorded operations would be refused as too old. Replay them at"
        " --speed 1 without --as-recorded, so that each happens now; or change it: kafka-configs"
        f" --alter --topic {name} --add-config message.timestamp.type=CreateTime."
    )


class TimeBounds(NamedTuple):
    """How far the time of an operation may be from its record's, and a record's from the clock."""

    lateness_ms: int
    ahead_ms: int


class Player:
    """Publishes lines as they become due."""

    def __init__(
        self,
        plan: ReplayPlan,
        out: BatchPublisher,
        counts: ReplayCounts,
        report: Callable[[InvalidLine], None],
        show: Callable[[ReplayCounts], None],
        bounds: TimeBounds,
    ) -> None:
        self._plan = plan
        self._out = out
        self._counts = counts
        self._report = report
        self._show = show
        self._bounds = bounds
        self._pace: _Pace | None = None
        self._newest_ms = 0

    async def play(self, source: AsyncIterable[RecordedOperations | InvalidLine]) -> None:
        """Publish what the source yields, in its order."""
        async for line in source:
            self._counts.lines += 1
            invalid = line if isinstance(line, InvalidLine) else await self._publish(line)
            if invalid is not None:
                self._counts.invalid += 1
                self._report(invalid)
        await self._out.finish()

    async def _publish(self, line: RecordedOperations) -> InvalidLine | None:
        """Publish a line when it is due, or return what is wrong with it."""
        plan, out, counts = self._plan, self._out, self._counts
        if self._pace is None:
            self._pace = _Pace(plan, plan.span.first_ms if plan.span else line.when_ms)
        pace = self._pace
        if why := self._out_of_range(line, pace):
            return InvalidLine(line.number, why)
        try:
            records = list(line.records(pace.moved_by_ms, self._bounds.lateness_ms))
        except Exception as error:  # noqa: BLE001 - whatever a line does, it costs no other
            return InvalidLine(line.number, f"{type(error).__name__}: {error}")
        if counts.lines % _STRIDE == 0 or plan.speed != math.inf:
            await pace.keep(line.when_ms, out)
            counts.published = out.acknowledged
            self._show(counts)
        counts.behind += line.when_ms < self._newest_ms - self._bounds.lateness_ms
        self._newest_ms = max(self._newest_ms, line.when_ms)
        for index, (time_ms, value) in enumerate(records, 1):
            await out.add(value, time_ms, completes=index == len(records))
        return None

    def _out_of_range(self, line: RecordedOperations, pace: "_Pace") -> str | None:
        time_ms = line.when_ms + pace.moved_by_ms
        oldest_ms = min(line.times_ms or (line.when_ms,)) + pace.moved_by_ms
        if pace.moved_by_ms and oldest_ms < FIRST_MS:  # it would be read as a number of seconds
            return "it is so much older than the last operation that it cannot be moved"
        if (wait_s := pace.due_in_s(line.when_ms)) > _LONGEST_WAIT_S:
            return f"its turn would come in {wait_s / 86_400:,.0f} days (--speed max does not wait)"
        ahead_ms = time_ms - time.time() * 1000
        if self._plan.as_recorded and ahead_ms > self._bounds.ahead_ms:
            return f"it happens {ahead_ms / 1000:,.0f} s from now: Kafka refuses such times"
        return None


class _Pace:
    def __init__(self, plan: ReplayPlan, first_ms: int) -> None:
        self.moved_by_ms = plan.moved_by_ms(first_ms, int(time.time() * 1000))
        self._speed = plan.speed
        self._first_ms = first_ms
        self._began_s = time.monotonic()

    async def keep(self, when_ms: int, out: BatchPublisher) -> None:
        """Wait until an operation of that time is due; send what waits in the meantime."""
        wait_s = self.due_in_s(when_ms)
        if wait_s > _TICK_S:
            await out.send()
            await asyncio.sleep(wait_s)

    def due_in_s(self, when_ms: int) -> float:
        """Return in how many seconds an operation of that time is due; negative: it was."""
        due_s = self._began_s + (when_ms - self._first_ms) / 1000 / self._speed
        return due_s - time.monotonic()
