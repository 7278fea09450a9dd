"""Restore each assignment's tables from complete changelogs: from the start, and without a gap.

All rows are dropped with an assignment, but Faust goes on at the offset it saw last, so a record of
the assignment before, taken in late, made it skip all before that one. And what it fetched while
partitions came and went it drops, here as elsewhere (docs/faust.md, Recovery), and takes the next
for all that there is: rows were missing, and their windows were published anew with less.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.offset_gaps import CORRUPT_OFFSETS, CORRUPT_PATIENCE_S

log = structlog.get_logger()

#: A seek that had no effect is repeated after this time. If nothing has come for this time, the end
#: of each changelog is checked.
_PATIENCE_S = 2.0


class ChangelogRecovery:
    """Passes an unbroken sequence of each changelog's chunks to Faust's recovery."""

    def __init__(
        self,
        app: faust.App,
        unreadable: Callable[[TP, Chunk], Awaitable[None]],
        missing: Callable[[TP, Gap], Awaitable[None]],
    ) -> None:
        """Replace the queue of changelog records that an app's recovery reads.

        Args:
            app: the role's.
            unreadable: takes a chunk with batches that cannot be read.
            missing: takes what Kafka removed: a changelog is only to be compacted.
        """
        self._app = app
        self._unreadable = unreadable
        self._missing = missing
        self._next: dict[TP, int] = {}
        self._last: dict[TP, int] = {}
        """The last offset of each changelog when reading began."""
        self._begun: dict[TP, int] = {}
        """The generation of the assignment for which reading began."""
        self._losses = 0
        self._begun_after = -1
        """The number of losses before reading began last."""
        self._sought: dict[TP, float] = {}
        self._corrupt: dict[TP, int] = {}
        """The number of offsets passed over last, for each one that the broker cannot read."""
        recovery, queue = app.tables.recovery, app.tables.changelog_queue
        self._build, self._get = recovery._build_offsets, queue.get  # noqa: SLF001 - no other way
        recovery._build_offsets, queue.get = self._begin, self._next_event  # noqa: SLF001 - as above

    async def _begin(
        self, consumer: Any, tps: Collection[TP], offsets: MutableMapping[TP, int], title: str
    ) -> None:
        """Let reading begin at the start of the changelogs."""
        generation, losses = self._app.consumer_generation_id, self._losses
        for tp in tps:
            offsets[tp] = -1
        await self._build(consumer, tps, offsets, title)
        if losses != self._losses:
            return  # these rows are dropped
        self._begun_after = losses
        self._sought.clear()
        self._corrupt.clear()
        ends = self._app.tables.recovery.active_highwaters
        for tp in tps:
            self._next[tp] = offsets[tp] + 1
            self._last[tp] = ends.get(tp, -1)
            self._begun[tp] = generation
            if self._next[tp] > 0:
                await self._missing(tp, Gap(0, self._next[tp]))

    def lost(self) -> None:
        """Note that all rows were dropped: what was read of the changelogs before is void."""
        self._losses += 1

    def is_whole(self) -> bool:
        """Return whether all changelogs of this assignment were read, from start to end.

        Faust may say that it restored the tables while it begins to restore those of the next
        assignment, when several follow one another, or while it has no partitions in between.
        """
        app = self._app
        if not app.tables.changelog_topics:
            return True
        ours = [tp for tp in app.consumer.assignment() if tp.topic in app.tables.changelog_topics]
        return self._begun_after == self._losses and all(
            self._begun.get(tp) == app.consumer_generation_id and self._next[tp] > self._last[tp]
            for tp in ours
        )

    async def _next_event(self) -> Any:
        """Return the next chunk that continues its changelog."""
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    event = await self._get()
            except TimeoutError:
                await self._look()
                continue
            if await self._continues(event.message):
                return event

    async def _continues(self, message: Any) -> bool:
        """Return whether a chunk is of this assignment, with nothing missing before it."""
        if message.generation_id != self._app.consumer_generation_id:
            return False
        tp, chunk = message.tp, message.value
        expected = self._next.get(tp, 0)
        if chunk.start > expected:
            await self._go_back(tp, expected, chunk.start)
            return False
        if chunk.unreadable and chunk.end > expected:
            await self._unreadable(tp, chunk)
        self._next[tp] = max(expected, chunk.end)
        return True

    async def _look(self) -> None:
        """Read the end of a changelog again where it was fetched, but did not arrive.

        Faust calls an app rebalancing until its tables are restored, so that says nothing here.
        """
        app = self._app
        if not app.in_recovery or self._begun_after != self._losses:
            return
        corrupt = app.consumer.corrupt_since()
        for tp, expected in list(self._next.items()):
            if expected > self._last[tp] or self._begun[tp] != app.consumer_generation_id:
                continue
            if time.monotonic() - corrupt.get(tp, math.inf) >= CORRUPT_PATIENCE_S:
                await self._pass_over(tp, expected)
                continue
            try:
                position = await app.consumer.position(tp)
            except KafkaError:  # not ours any more, or the broker is away
                return
            if position is not None and position > expected:
                await self._go_back(tp, expected, position)

    async def _pass_over(self, tp: TP, expected: int) -> None:
        """Skip rows that the broker cannot read, up to the changelog's end at most."""
        count = self._corrupt[tp] = 2 * self._corrupt.get(tp, CORRUPT_OFFSETS // 2)
        self._next[tp] = after = min(expected + count, self._last[tp] + 1)
        self._app.tables.recovery.active_offsets[tp] = after - 1
        await self._missing(tp, Gap(expected, after, is_corrupt=True))
        await self._app.consumer.seek(tp, after)

    async def _go_back(self, tp: TP, expected: int, start: int) -> None:
        now = time.monotonic()
        if now - self._sought.get(tp, -_PATIENCE_S) < _PATIENCE_S:
            return
        self._sought[tp] = now
        try:
            earliest: int = await self._app.consumer.earliest(tp)
        except KafkaError:  # not ours any more, or the broker is away
            return
        if earliest > expected:
            self._next[tp] = earliest
            await self._missing(tp, Gap(expected, earliest))
            return
        log.info(
            "restore again what a rebalance dropped",
            topic=tp.topic,
            partition=tp.partition,
            from_offset=expected,
            instead_of=start,
        )
        await self._app.consumer.seek(tp, expected)
