"""Pass whole batches of a Kafka partition to an agent, and commit exactly what it has done.

Faust's own road is one message a record, acks that commit too far, and fetched batches that a
rebalance drops without a trace (docs/faust.md, Consuming). Here, for the topics
named, a message is a Chunk: the records of a fetch, with where their reading began. An agent
takes chunks through agents/kafka/offset_gaps.py, which refuses one that does not begin where the
last one ended; it never acks: it says `done(partition, offset)`.

This leans on internals of Faust, whose version is pinned.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.kafka.commit_metadata import CommitProgress
from agents.kafka.fetch_unpacking import ChunkedRecords, read_all
from agents.kafka.log_positions import LogPositions
from agents.kafka.producer import may_pass
from agents.kafka.restart_count import Begin, Starts, begin_of

log = structlog.get_logger()

#: Chunks waiting in agents' queues before fetching pauses.
MAX_WAITING_CHUNKS = 16
_ASK_AGAIN_S = 0.5
#: A rebalance waits this long for the commit that reading ended normally.
_END_WELL_S = 2.0


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    _assigned: tuple[Any, frozenset[TP]] = (None, frozenset())

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - Faust has no setting for it
        self.consumer.starts.watch(consumer)
        return consumer

    def assignment(self) -> Any:
        """Return our partitions; cached, since Faust asks for each offset that it commits."""
        assigned = self._ensure_consumer().assignment()
        before, tps = self._assigned
        if before is not assigned:
            tps = frozenset(TP(*tp) for tp in assigned)
            self._assigned = assigned, tps
        return tps


class ChunkConsumer(LogPositions, driver.Consumer):
    """A Faust consumer that reads chunks and commits what agents have done."""

    chunked_topics: frozenset[str] = frozenset()
    on_lost: Callable[[Collection[TP]], None]
    topic_ids: Callable[[], Mapping[str, str]] = dict

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See faust.transport.consumer.Consumer."""
        super().__init__(*args, **kwargs)
        self._done: dict[TP, int] = {}
        self._begins: dict[TP, Begin] = {}
        self._ours: set[TP] = set()
        """The last assignment: some of it may go to others, and was read until now."""
        self._committed_last: dict[TP, tuple[int, CommitProgress | None]] = {}
        """The last commit of each partition."""
        self.starts = Starts(self.topic_ids)

    @cached_property
    def _asking(self) -> asyncio.Lock:
        return asyncio.Lock()

    def _new_consumer_thread(self) -> Any:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def done(self, tp: TP, offset: int, progress: CommitProgress | None = None) -> None:
        """Set the next commit: everything before the offset is done.

        Args:
            tp: the partition.
            offset: where a restart is to begin.
            progress: how far it is counted, if that is further.
        """
        self._done[tp] = offset
        if progress is not None:
            self.starts.of(tp).progress = progress

    async def begin_of(self, tp: TP) -> Begin:
        """Return where reading of a partition begins: its commit, else its log's start.

        All who ask during an assignment get the same: its last owner may commit late, in between.
        """
        begins = self._begins
        if tp not in begins:
            async with self._asking:
                if tp not in begins:
                    # All at once: each request waits up to half a second behind a fetch.
                    tables = self.app.tables.changelog_topics
                    topics = self.chunked_topics.difference(tables)
                    places = {place for topic in topics for place in self.assigned(topic)}
                    asked = await self._ask_begins({tp, *places.difference(begins)})
                    for place, begin in asked.items():
                        begins.setdefault(place, begin)
        return begins[tp]

    async def begins(self, topic: str) -> dict[TP, int]:
        """Return where reading of our partitions of a topic begins; empty after a rebalance."""
        begins = self._begins
        found = {tp: (await self.begin_of(tp)).offset for tp in self.assigned(topic)}
        return found if self._begins is begins and not self.app.rebalancing else {}

    async def _ask_begins(self, tps: Collection[TP]) -> dict[TP, Begin]:
        aiokafka_consumer = self._thread._ensure_consumer()  # noqa: SLF001 - see above
        ask = aiokafka_consumer._coordinator.fetch_committed_offsets  # noqa: SLF001 - as above
        while True:
            try:
                committed, earliest, ends = await asyncio.gather(
                    self._thread.call_thread(ask, list(tps)),
                    self.earliest_offsets(*tps),
                    self.highwaters(*tps),
                )
                begins = {
                    tp: begin_of(committed.get(tp), int(earliest[tp]), int(ends[tp])) for tp in tps
                }
                changelogs = self.app.tables.changelog_topics
                read = {tp: begin for tp, begin in begins.items() if tp.topic not in changelogs}
                if read:
                    await self._thread.call_thread(self.starts.begin, read, committed, ends)
                break
            except KafkaError as error:
                if not may_pass(error):
                    raise
                log.warning("kafka does not answer where reading begins", error=repr(error))
                await self.sleep(_ASK_AGAIN_S)
        return begins

    async def isolate(self, tp: TP, offset: int) -> None:
        """Commit that the record at an offset ends a worker that reads it."""
        await self._thread.call_thread(self.starts.isolate, tp, offset)

    async def end_well(self, tps: Collection[TP]) -> None:
        """Commit that reading of partitions ended normally."""
        ended = self.starts.end(tps)
        if ended:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_WELL_S):
                    await self._thread.call_thread(self.starts.take_back, ended)

    async def _seek(self, partition: TP, offset: int) -> None:
        """Seek in the consumer's thread.

        Faust seeks in its own, where the other may be taking the same partition's records: that
        ended the worker with a KeyError.
        """
        seek = self._thread._ensure_consumer().seek  # noqa: SLF001 - see above
        await self._thread.call_thread(seek, partition, offset)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's
        while self.flow_active and not self.should_stop and self.waiting >= MAX_WAITING_CHUNKS:
            await self.sleep(0.002)
        return await super()._getmany(active_partitions, timeout)

    @property
    def waiting(self) -> int:
        """How many chunks wait in agents' queues."""
        return sum(
            channel.queue.qsize()
            for channel in self.app.topics
            if channel._queue is not None  # noqa: SLF001 - see above
            and self.chunked_topics.intersection(channel.topics)
        )

    # Commits: only what agents have done, and nothing for gaps.

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.chunked_topics:
            await super()._add_gap(tp, offset_from, offset_to)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self._done if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.pop(tp, None)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        commit = offset, self.starts.of(tp).progress
        if self._committed_last.get(tp) == commit:
            return False
        self._committed_last[tp] = commit
        return True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget the lost partitions before anything else is done."""
        self.on_lost(revoked | self._ours)
        self._begins = {}
        for tp in revoked:
            self._done.pop(tp, None)
            self._committed_last.pop(tp, None)
        await self.end_well(revoked)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Forget what arrived since the revocation: it belongs to the assignment before."""
        self.on_lost(assigned | self._ours)
        self._ours = set(assigned)
        self._begins = {}
        await super().on_partitions_assigned(assigned, generation_id)

    async def verify_all_partitions_active(self) -> None:
        """Do nothing: commits are rare here, and agents/runtime/watchdog.py finds what is stuck."""


class ChunkTransport(driver.Transport):
    """Makes ChunkConsumers."""

    Consumer = ChunkConsumer


def use_chunks(
    app: faust.App,
    topics: Collection[str],
    on_lost: Callable[[Any], None],
    topic_ids: Callable[[], Mapping[str, str]],
) -> None:
    """Make an app read the named topics in chunks. Call it right after the app was made.

    Args:
        app: the role's.
        topics: their full names.
        on_lost: is called with partitions that are not ours any more.
        topic_ids: what each commit carries, so that a topic made again is noticed.
    """
    chunked = frozenset(topics)
    consumer = type(
        "Consumer",
        (ChunkConsumer,),
        {
            "chunked_topics": chunked,
            "on_lost": staticmethod(on_lost),
            "topic_ids": staticmethod(topic_ids),
        },
    )
    transport = type("Transport", (ChunkTransport,), {"Consumer": consumer})
    ChunkedRecords.chunked_topics |= chunked
    read_all()
    app.transport = transport(app.conf.broker_consumer, app)
