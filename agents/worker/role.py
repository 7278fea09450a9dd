"""Run a role: a Faust app with its agents and tables, its health, its watchdog, and its end."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any

import structlog
from faust.types import TP

from agents.kafka import consumer_group, faust_app
from agents.kafka.changelog_recovery import ChangelogRecovery
from agents.kafka.chunks import Chunk, Gap
from agents.kafka.offset_gaps import ChunkSequence
from agents.kafka.poison import PoisonFilter, Read, RehearseOf
from agents.kafka.producer import Producer
from agents.kafka.role_topics import changelog
from agents.kafka.skipped_records import SkippedRecords
from agents.kafka.table import TableRows, VersionedTable
from agents.kafka.topic_watch import TopicWatch
from agents.kafka.transport import use_chunks
from agents.runtime import metrics
from agents.runtime.health import Health
from agents.runtime.settings import Settings
from agents.runtime.watchdog import Watchdog
from schemas.topics import Topic

log = structlog.get_logger()

#: Work that waits and is not done for so long ends the process.
_STUCK_S = 60.0
#: /readyz says so long before that.
_UNREADY_S = 15.0
#: Stopping takes at most this long; what is left is done again by whoever comes next.
_STOP_S = 8.0
#: How often what waits is shown to the watchdog, and what a rebalance dropped is looked for.
_LOOK_S = 1.0
#: Rows are many small objects that stay: by Python's own thresholds a fifth of the time went there.
_COLLECTED = (20_000, 20, 50)
#: How often it is looked whether reading may begin.
_RESUMES_S = 0.01
#: Chunks of the changelog that wait to be taken in: Faust's default, 1,000 records, means records.
_RESTORED_TOGETHER = 4

Tables = Mapping[str, Callable[[bytes], Any]]
"""A role's tables, and what reads a packed row's version."""
Lost = Callable[[Collection[TP]], None]


class Role:
    """What a role's parts share; they are told of chunks, of losses and of the clock."""

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
            partitions: of every topic that it reads, and of its tables.
            reads: the topics that its agents read.
            tables: its tables.
        """
        self.app = app = faust_app.make(settings, name, partitions)
        self.producer = Producer(settings)
        self.watchdog = Watchdog(settings.session_timeout_s, _STUCK_S)
        self.health = Health(
            settings.http_host, settings.http_port, self.unready, self._all_remarks
        )
        self.restored = False
        """Whether the tables of this assignment are restored."""
        self._settings = settings
        self._changelogs = {table: changelog(settings, name, table).name for table in tables}
        chunked = [*(settings.topic(topic) for topic in reads), *self._changelogs.values()]
        loop = asyncio.get_running_loop()
        self._watch = TopicWatch(settings, name, self._held_at)
        use_chunks(app, chunked, self._lost, self._watch.topic_ids)
        consumer_group.use(lambda why: loop.call_soon_threadsafe(self.fail, why))
        self._continuity = ChunkSequence(app, self._missing)
        self._skipped = SkippedRecords(settings, self.producer)
        self._isolating = PoisonFilter(settings, self.producer, lambda: app.consumer)
        self._raw = faust_app.raw_schema()
        self._tables = {
            table: app.tables.add(
                VersionedTable(
                    app,
                    name=table,
                    partitions=partitions,
                    schema=self._raw,
                    recovery_buffer_size=_RESTORED_TOGETHER,
                    version_of=version_of,
                )
            )
            for table, version_of in tables.items()
        }
        self._table_of = {self._changelogs[table]: one for table, one in self._tables.items()}
        self._rows_missing: dict[TP, int] = {}
        self._told_of_gaps: dict[str, Callable[[TP, Gap], Awaitable[None]]] = {}
        self._losses = 0
        self._joined = False
        """Whether the worker is a member of its group."""
        self._looked = 0.0
        self._resuming: asyncio.Task[None] | None = None
        self._told_of_loss: list[Lost] = []
        self._told_of_rows: list[Callable[[], None]] = []
        self._work: list[Coroutine[Any, Any, None]] = []
        self._remarks: list[Callable[[], list[str]]] = []
        self._farewells: list[Callable[[], Awaitable[None]]] = []
        self._ends: list[Callable[[], None]] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for table in self._tables.values():
            table.on_recover(self._recovered)
        self._restoring = ChangelogRecovery(app, self._rows_unreadable, self._skipped.lost)

    # ------------------------------------------------------------------ putting it together

    def agent(
        self,
        topic: Topic,
        name: str,
        read: Read,
        rehearse: RehearseOf,
        missing: Callable[[TP, Gap], Awaitable[None]] | None = None,
    ) -> None:
        """Let a topic's chunks be read, each once and in order.

        Args:
            topic: to read.
            name: the agent's.
            read: takes a chunk.
            rehearse: does with records what `read` does but for what leaves the process, and
                yields after each. Called in a child where one of them may end the worker.
            missing: is told of what Kafka removed before it was read; else that is an empty chunk.
        """
        compacted = "compact" in topic.config["cleanup.policy"]

        async def empty(tp: TP, gap: Gap) -> None:
            await read(tp, Chunk(gap.start, gap.end, []))

        self._told_of_gaps[self._settings.topic(topic)] = missing or empty

        async def body(stream: Any) -> None:
            try:
                async for event in stream.noack().events():
                    self.watchdog.turned()
                    if not await self._rows_are_there(event.message.generation_id):
                        continue
                    tp = event.message.tp
                    async with self._continuity.turn(tp):
                        chunk = await self._continuity.accept(event.message)
                        if chunk is not None:
                            await self._skipped.unreadable(tp, chunk.unreadable)
                            if not compacted:
                                await self._skipped.compacted(tp, chunk)
                            await self._isolating.read(tp, chunk, read, rehearse)
            except Exception as error:
                self.fail(error)
                raise

        kafka_topic = self.app.topic(self._settings.topic(topic), schema=self._raw)
        self.app.agent(kafka_topic, name=name)(body)

    def rows(self, table: str) -> TableRows:
        """Return the rows of a table that are this worker's."""
        return TableRows(self._tables[table], self._changelogs[table], self.producer)

    def when_lost(self, lost: Lost) -> None:
        """Tell of partitions that are lost, at once."""
        self._told_of_loss.append(lost)

    def when_restored(self, restored: Callable[[], None]) -> None:
        """Tell that the tables of an assignment are restored, before anything is read."""
        self._told_of_rows.append(restored)

    def every(self, seconds: float, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something by the clock, except while partitions are assigned and rows restored."""
        self._work.append(self._every(seconds, do))

    def before_end(self, do: Callable[[], Awaitable[None]]) -> None:
        """Do something when told to stop, while the partitions are still ours."""
        self._farewells.append(do)

    def after_end(self, do: Callable[[], None]) -> None:
        """Do something when the partitions are given back, before the last is sent."""
        self._ends.append(do)

    def remark(self, remarks: Callable[[], list[str]]) -> None:
        """Let /readyz say, in sentences, what an operator should know."""
        self._remarks.append(remarks)

    def fail(self, error: BaseException) -> None:
        """End the worker: it cannot go on."""
        if not self._failed.done():
            self._failed.set_exception(error)

    # ------------------------------------------------------------------ running

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until told to stop.

        Raises:
            Exception: whatever ended it.
        """
        await self._watch.begin()
        await self.producer.start()
        await self.health.start()
        self.watchdog.start()
        told = asyncio.create_task(stopped.wait())
        ends: list[asyncio.Future[Any]] = [told, self._failed]
        loops: list[asyncio.Future[Any]] = [asyncio.create_task(self._watched())]
        if await self._started(ends):
            self._joined = True
            _collect_seldom()
            self.every(_LOOK_S, self._continuity.look)
            loops += [asyncio.create_task(work) for work in self._work]
            ends.append(asyncio.create_task(self._ended()))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self.watchdog.stop()
        for loop in loops:
            loop.cancel()
        if told.done():
            await self._stop()
            return
        for end in ends:
            if end.done():
                end.result()

    async def _started(self, ends: Collection[asyncio.Future[Any]]) -> bool:
        """Return whether the app is a member of its group; not where an end comes before."""
        starting = asyncio.create_task(self.app.start())
        while not starting.done():
            await asyncio.wait(
                [starting, *ends], timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
            )
            if any(end.done() for end in ends):
                return False
            self.watchdog.turned()
            self.watchdog.waits({} if self._watch.is_away() else {"joining the consumer group": 0})
        starting.result()
        return True

    async def _stop(self) -> None:
        log.info("stopping")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                for farewell in self._farewells:
                    await farewell()
                if self._joined:
                    await self.app.consumer.end_well(self.app.consumer.assignment())
                await self.app.stop()
                for end in self._ends:
                    end()
                await self.producer.stop()
                await self.health.stop()

    async def _ended(self) -> None:
        """Return when Faust ended by itself, which it only does on an error."""
        while not self.app.should_stop:  # noqa: ASYNC110 - Faust has no event for both its ends
            await asyncio.sleep(0.5)
        message = "the Faust app ended"
        raise RuntimeError(message) from self.app.crash_reason

    async def _every(self, seconds: float, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            while True:
                began = time.monotonic()
                self.watchdog.turned()
                self._look()
                app = self.app
                if self.restored and not app.rebalancing and not app.in_recovery:
                    await do()
                await asyncio.sleep(max(0.01, began + seconds - time.monotonic()))
        except Exception as error:  # noqa: BLE001 - a task's edge: the worker ends by it
            self.fail(error)

    def _held_at(self) -> dict[TP, int]:
        held: dict[TP, int] = self.app.consumer.held_at() if self._joined else {}
        return held

    async def _watched(self) -> None:
        try:
            await self._watch.run()
        except Exception as error:  # noqa: BLE001 - a task's edge: the worker ends by it
            self.fail(error)

    # ------------------------------------------------------------------ assignments

    def _lost(self, tps: Collection[TP]) -> None:
        self.restored = False
        self._losses += 1
        self._continuity.lost(tps)
        for tell in self._told_of_loss:
            tell(tps)
        # Faust reads on where it stood in the changelog of a partition that stays: the rows it
        # read before are gone, so it must begin anew.
        recovery = self.app.tables.recovery
        recovery.flush_buffers()
        for tp in tps:
            self._rows_missing.pop(tp, None)
            if table := self._table_of.get(tp.topic):
                recovery.revoke(tp)
                table.lost(tp.partition)

    async def _recovered(self) -> None:
        """Wait for what Faust does after it restored the tables, the last of which this ends."""
        if self._resuming is not None:
            self._resuming.cancel()
        self._resuming = asyncio.create_task(self._resume(self._losses))

    async def _resume(self, losses: int) -> None:
        """Tell the parts that the tables are restored, once reading may begin.

        Faust says so too early: its callbacks come while it still counts as rebalancing, and may
        be those of an assignment that is void. One that is has another loss before reading begins.
        """
        app, recovery = self.app, self.app.tables.recovery
        while (  # noqa: ASYNC110 - Faust has no event for it
            app.rebalancing
            or app.in_recovery
            or recovery.signal_recovery_start.is_set()
            or not self._restoring.is_whole()
        ):
            await asyncio.sleep(_RESUMES_S)
        if self.restored or losses != self._losses:
            return
        recovery.flush_buffers()
        self.restored = True
        try:
            for tell in self._told_of_rows:
                tell()
            await self._continuity.begin()
        except Exception as error:  # noqa: BLE001 - a task's edge: the worker ends by it
            self.fail(error)

    async def _missing(self, tp: TP, gap: Gap) -> None:
        await self._skipped.lost(tp, gap)
        await self._told_of_gaps[tp.topic](tp, gap)

    async def _rows_unreadable(self, tp: TP, chunk: Chunk) -> None:
        """Go on without rows that cannot be read: to stop would help nobody, and say so."""
        self._rows_missing[tp] = sum(one.end - one.start for one in chunk.unreadable)
        await self._skipped.unreadable(tp, chunk.unreadable)

    async def _rows_are_there(self, generation: int) -> bool:
        """Wait for the rows of an assignment; return whether it is still the one.

        Faust may hand records on in the moment between two recoveries: what is made of them would
        not know the rows that come after.
        """
        while not self.restored:
            if self.app.consumer_generation_id != generation:
                return False
            await asyncio.sleep(_RESUMES_S)
        return True

    # ------------------------------------------------------------------ health

    def unready(self) -> str | None:
        """Return why the worker is not ready, None if it is."""
        app = self.app
        if why := self._watch.unready():
            return why
        if self._joined and (why := self._continuity.unready()):
            return why
        if app.in_recovery:
            return f"restoring the tables: {self._remaining()} records to go"
        if app.rebalancing or not self._joined:
            return "waiting for Kafka to assign partitions"
        if not self.restored:
            return "the tables are restored, reading is about to begin"
        if self.producer.away and time.monotonic() - self.producer.away_since > _UNREADY_S:
            return "Kafka takes no records, they are sent again and again"
        if name := self.watchdog.stuck(_UNREADY_S):
            return f"work waits and none is done for {_UNREADY_S:.0f} s: {name}"
        return None

    def _all_remarks(self) -> list[str]:
        remarks = [
            f"up to {count} rows of {tp.topic}/{tp.partition} cannot be read: what they held is"
            " missing (see the dead letters, reason unreadable_batch)"
            for tp, count in self._rows_missing.items()
        ]
        remarks += self._watch.remarks() + self._skipped.remarks()
        return remarks + [remark for more in self._remarks for remark in more()]

    def _remaining(self) -> int:
        return int(self.app.tables.recovery.active_remaining_total())

    def _look(self) -> None:
        """Show the watchdog what waits: it ends a process that does not get on with it."""
        if time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked = time.monotonic()
        app = self.app
        metrics.recovering.set(app.in_recovery)
        tried = self._isolating.tried
        waits = {
            f"{tp.topic}/{tp.partition}": at + tried for tp, at in self._continuity.behind().items()
        }
        if app.in_recovery:
            waits = {"restoring the tables": self._remaining()}
        elif app.rebalancing:
            waits = {"an assignment of partitions": 0}
        away = self.producer.away or self._watch.is_away()
        self.watchdog.waits({} if away else waits)


def _collect_seldom() -> None:
    """Let the garbage collector leave alone what stays, and look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED)
