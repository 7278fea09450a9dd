"""Run a role: a Faust app with its agents and tables, its health, its watchdog, and its end."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from functools import partial
from typing import Any

import structlog
from faust.types import TP

from agents.kafka import consumer_group, faust_app
from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.offset_gaps import ChunkSequence
from agents.kafka.poison import PoisonFilter, Read, RehearseOf
from agents.kafka.producer import Producer
from agents.kafka.role_topics import changelog
from agents.kafka.skipped_records import SkippedRecords
from agents.kafka.table import TableRows, VersionedTable
from agents.kafka.topic_watch import TopicWatch
from agents.kafka.transport import use_chunks
from agents.runtime.health import Health
from agents.runtime.settings import Settings
from agents.runtime.tasks import start_task
from agents.runtime.watchdog import Watchdog
from agents.worker.assignment import Lost, PartitionAssignment
from agents.worker.readiness import LOOK_S, Readiness
from schemas.topics import Topic

log = structlog.get_logger()

#: A process ends if waiting work is not done for this long.
_STUCK_S = 60.0
#: The longest time for stopping; the next worker does again what is not done.
_STOP_S = 8.0
#: Rows are many small, lasting objects: Python's own thresholds cost a fifth of the time.
_COLLECTED = (20_000, 20, 50)
#: Chunks of the changelog that are applied together; Faust's default, 1,000, is for records.
_RESTORED_TOGETHER = 4

Tables = Mapping[str, Callable[[bytes], Any]]
"""A role's tables, each with the function that returns a packed row's version."""


class Role:
    """Runs a role's parts: passes them chunks, losses of partitions and the clock."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        partitions: int,
        reads: Collection[Topic],
        tables: Tables,
    ) -> None:
        """Make the app; nothing runs yet.

        Args:
            settings: the worker's.
            name: the role's.
            partitions: of the measuring plane.
            reads: the topics that its agents read.
            tables: its tables.
        """
        self.app = app = faust_app.make(settings, name, partitions)
        self.producer = Producer(settings)
        self._settings = settings
        self._changelogs = {table: changelog(settings, name, table).name for table in tables}
        self._skipped = SkippedRecords(settings, self.producer)
        self._chunks = ChunkSequence(app, self._missing)
        self._assignment = PartitionAssignment(app, self._chunks, self._skipped, self.fail)
        self._topics = TopicWatch(settings, name, self._held_at)
        chunked = [*(settings.topic(topic) for topic in reads), *self._changelogs.values()]
        use_chunks(app, chunked, self._assignment.lost, self._topics.topic_ids)
        loop = asyncio.get_running_loop()
        consumer_group.use(lambda why: loop.call_soon_threadsafe(self.fail, why))
        self._poison = PoisonFilter(settings, self.producer, lambda: app.consumer)
        self.watchdog = Watchdog(settings.session_timeout_s, _STUCK_S)
        parts = self._assignment, self._chunks, self._poison, self.producer, self._topics
        self._readiness = Readiness(app, *parts, self.watchdog)
        self._readiness.remark(self._skipped.remarks)
        self.health = Health(
            settings.http_host,
            settings.http_port,
            self._readiness.unready,
            self._readiness.remarks,
        )
        self._raw = faust_app.raw_schema()
        self._tables = {}
        for table, version_of in tables.items():
            self._tables[table] = app.tables.add(
                VersionedTable(
                    app,
                    name=table,
                    partitions=partitions,
                    schema=self._raw,
                    recovery_buffer_size=_RESTORED_TOGETHER,
                    version_of=version_of,
                )
            )
            self._assignment.add(self._changelogs[table], self._tables[table])
        self._on_gap: dict[str, Callable[[TP, Gap], Awaitable[None]]] = {}
        self._work: list[Coroutine[Any, Any, None]] = []
        self._before_end: list[Callable[[], Awaitable[None]]] = []
        self._after_end: list[Callable[[], None]] = []
        self._failed: asyncio.Future[None] = loop.create_future()

    # ------------------------------------------------------------------ putting it together

    def agent(
        self,
        topic: Topic,
        name: str,
        read: Read,
        rehearse: RehearseOf,
        missing: Callable[[TP, Gap], Awaitable[None]] | None = None,
    ) -> None:
        """Read a topic's chunks, each once and in order.

        Args:
            topic: to read.
            name: the agent's.
            read: takes a chunk.
            rehearse: does with records what `read` does but for what leaves the process, and
                yields after each. Called in a child where one of them may end the worker.
            missing: takes what Kafka removed before it was read; else that is an empty chunk.
        """
        compacted = "compact" in topic.config["cleanup.policy"]

        async def empty(tp: TP, gap: Gap) -> None:
            await read(tp, Chunk(gap.start, gap.end, []))

        self._on_gap[self._settings.topic(topic)] = missing or empty

        async def body(stream: Any) -> None:
            try:
                async for event in stream.noack().events():
                    self.watchdog.turned()
                    generation = event.message.generation_id
                    losses = await self._assignment.restored_since(generation)
                    if losses is None:
                        continue
                    tp, is_lost = event.message.tp, partial(self._assignment.is_lost, losses)
                    async with self._chunks.turn(tp):
                        chunk = None if is_lost() else await self._chunks.accept(event.message)
                        if chunk is not None:
                            await self._skipped.unreadable(tp, chunk.unreadable)
                            if not compacted:
                                await self._skipped.compacted(tp, chunk)
                        if chunk is not None and not is_lost():
                            await self._poison.read(tp, chunk, read, rehearse, is_lost)
            except Exception as error:
                self.fail(error)
                raise

        kafka_topic = self.app.topic(self._settings.topic(topic), schema=self._raw)
        self.app.agent(kafka_topic, name=name)(body)

    def rows(self, table: str) -> TableRows:
        """Return this worker's rows of a table."""
        return TableRows(self._tables[table], self._changelogs[table], self.producer)

    def when_lost(self, lost: Lost) -> None:
        """Call a function with partitions as soon as they are lost."""
        self._assignment.when_lost(lost)

    def when_restored(self, restored: Callable[[], None]) -> None:
        """Call a function when an assignment's tables are restored, before anything is read."""
        self._assignment.when_restored(restored)

    def every(self, seconds: float, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Call a function by the clock, except while partitions are assigned or rows restored."""
        self._work.append(self._every(seconds, do))

    def before_end(self, do: Callable[[], Awaitable[None]]) -> None:
        """Call a function when the worker stops, while it still has its partitions."""
        self._before_end.append(do)

    def after_end(self, do: Callable[[], None]) -> None:
        """Call a function when the worker has left its group, before the last records are sent."""
        self._after_end.append(do)

    def remark(self, remarks: Callable[[], list[str]]) -> None:
        """Add sentences to /readyz."""
        self._readiness.remark(remarks)

    def waits_for(self, trouble: Callable[[], str | None]) -> None:
        """Add what else it may wait for: `trouble` says why it does, and it is not ended for it."""
        self._readiness.trouble = trouble

    def topic_ids(self) -> dict[str, str]:
        """Return the ids of the topics that are read, by their names without prefix."""
        return self._topics.topic_ids()

    def fail(self, error: BaseException) -> None:
        """End the worker: it cannot go on."""
        if not self._failed.done():
            self._failed.set_exception(error)

    # ------------------------------------------------------------------ running

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until the event is set.

        Raises:
            Exception: whatever ended it.
        """
        await self._topics.begin()
        await self.producer.start()
        await self.health.start()
        self.watchdog.start()
        asked = asyncio.create_task(stopped.wait())
        ends: list[asyncio.Future[Any]] = [asked, self._failed]
        loops = [start_task(self._topics.run(), self.fail)]
        if await self._started(ends):
            self._readiness.joined = True
            _collect_seldom()
            self.every(LOOK_S, self._chunks.look)
            loops += [start_task(work, self.fail) for work in self._work]
            loops.append(asyncio.create_task(self._ended()))
            ends.append(loops[-1])
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self.watchdog.stop()
        for loop in loops:
            loop.cancel()
        if asked.done():
            await self._stop()
            return
        for end in ends:
            if end.done():
                end.result()

    async def _started(self, ends: Collection[asyncio.Future[Any]]) -> bool:
        """Join the consumer group; return False if the worker ends before."""
        starting = asyncio.create_task(self.app.start())
        while not starting.done():
            await asyncio.wait(
                [starting, *ends], timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED
            )
            if any(end.done() for end in ends):
                return False
            self._readiness.look_while_joining()
        starting.result()
        return True

    async def _stop(self) -> None:
        log.info("stopping")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                for do in self._before_end:
                    await do()
                if self._readiness.joined:
                    await self.app.consumer.end_well(self.app.consumer.assignment())
                await self.app.stop()
                for finish in self._after_end:
                    finish()
                await self.producer.stop()
                await self.health.stop()

    async def _ended(self) -> None:
        """Raise when Faust has ended by itself, which it does only after an error."""
        while not self.app.should_stop:  # noqa: ASYNC110 - Faust has no event for both its ends
            await asyncio.sleep(0.5)
        message = "the Faust app ended"
        raise RuntimeError(message) from self.app.crash_reason

    async def _every(self, seconds: float, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            began = time.monotonic()
            self.watchdog.turned()
            self._readiness.look()
            app = self.app
            if self._assignment.restored and not app.rebalancing and not app.in_recovery:
                await do()
            await asyncio.sleep(max(0.01, began + seconds - time.monotonic()))

    def _held_at(self) -> dict[TP, int]:
        held: dict[TP, int] = self.app.consumer.held_at() if self._readiness.joined else {}
        return held

    async def _missing(self, tp: TP, gap: Gap) -> None:
        await self._skipped.lost(tp, gap)
        await self._on_gap[tp.topic](tp, gap)


def _collect_seldom() -> None:
    """Let the garbage collector skip what exists now, and run less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED)
