"""Hand an agent whole batches of a Kafka partition, and commit exactly what it says is done.

Faust's own road is one message a record, acks that commit too far, and fetched batches that a
rebalance drops without a trace (docs/faust.md, Consuming). Here, for the topics
named, a message is a Chunk: the records of a fetch, with where their reading began. An agent
takes chunks through agents/kafka/offset_gaps.py, which refuses one that does not begin where the
last one ended; it never acks: it says `done(partition, offset)`.

This leans on internals of Faust, whose version is pinned.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.kafka.chunks import ChunkedRecords, read_all
from agents.kafka.producer import may_pass
from agents.kafka.starts import Begin, CommitProgress, Starts, begin_of

log = structlog.get_logger()

#: Chunks waiting in agents' queues before fetching pauses.
MAX_WAITING_CHUNKS = 16
_ASK_AGAIN_S = 0.5
#: To say that reading ended well, a rebalance waits so long.
_END_WELL_S = 2.0


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    _known: tuple[Any, frozenset[TP]] = (None, frozenset())

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - Faust has no setting for it
        self.consumer.starts.watch(consumer)
        return consumer

    def assignment(self) -> Any:
        """Return our partitions; Faust asks for each offset that it commits."""
        assigned = self._ensure_consumer().assignment()
        known, tps = self._known
        if known is not assigned:
            tps = frozenset(TP(*tp) for tp in assigned)
            self._known = assigned, tps
        return tps


class ChunkConsumer(driver.Consumer):
    """A Faust consumer that reads chunks and commits what is said to be done."""

    chunked_topics: frozenset[str] = frozenset()
    on_lost: Callable[[Collection[TP]], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See faust.transport.consumer.Consumer."""
        super().__init__(*args, **kwargs)
        self._done: dict[TP, int] = {}
        self._begins: dict[TP, Begin] = {}
        self._said: dict[TP, tuple[int, CommitProgress | None]] = {}
        """What the last commits said."""
        self.starts = Starts()
        self._assigned: tuple[Any, dict[str, list[TP]]] = (None, {})

    @cached_property
    def _asking(self) -> asyncio.Lock:
        return asyncio.Lock()

    def _new_consumer_thread(self) -> Any:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def done(self, tp: TP, offset: int, progress: CommitProgress | None = None) -> None:
        """Say that everything before an offset is done with: the next commit says so too.

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

        All who ask during an assignment hear the same: its last owner may commit late, in between.
        """
        begins = self._begins
        if tp not in begins:
            async with self._asking:
                if tp not in begins:
                    # All at once: each question waits up to half a second behind a fetch.
                    tables = self.app.tables.changelog_topics
                    topics = self.chunked_topics.difference(tables)
                    every = {
                        one for topic in topics for one in self.assigned(topic)
                    } - begins.keys()
                    for one, begin in (await self._ask_begins({tp, *every})).items():
                        begins.setdefault(one, begin)
        return begins[tp]

    async def begins(self, topic: str) -> dict[TP, int]:
        """Return where reading of each of our partitions of a topic begins; none after a loss."""
        begins = self._begins
        found = {tp: (await self.begin_of(tp)).offset for tp in self.assigned(topic)}
        return found if self._begins is begins and not self.app.rebalancing else {}

    async def _ask_begins(self, tps: Collection[TP]) -> dict[TP, Begin]:
        aiokafka_consumer = self._thread._ensure_consumer()  # noqa: SLF001 - see above
        ask = aiokafka_consumer._coordinator.fetch_committed_offsets  # noqa: SLF001 - as above
        while True:
            try:
                committed = await self._thread.call_thread(ask, list(tps))
                earliest = await self.earliest_offsets(*tps)
                begins = {tp: begin_of(committed.get(tp), int(earliest[tp])) for tp in tps}
                changelogs = self.app.tables.changelog_topics
                read = {}
                for tp, begin in begins.items():
                    commit = committed.get(tp)
                    if tp.topic not in changelogs:
                        known = commit is not None and commit.offset >= 0
                        read[tp] = commit.offset if known else begin.offset
                if read:
                    await self._thread.call_thread(self.starts.begin, aiokafka_consumer, read)
                break
            except KafkaError as error:
                if not may_pass(error):
                    raise
                log.warning("kafka does not say where reading began", error=repr(error))
                await self.sleep(_ASK_AGAIN_S)
        return begins

    async def earliest(self, tp: TP) -> int:
        """Return where a partition's log starts.

        Raises:
            KafkaError: the broker does not say.
        """
        return int((await self.earliest_offsets(tp))[tp])

    async def isolate(self, tp: TP, offset: int) -> None:
        """Note, beside the commit, that the record at an offset ends whoever reads it."""
        await self._thread.call_thread(self.starts.isolate, tp, offset)

    async def end_well(self, tps: Collection[TP]) -> None:
        """Note that reading of partitions ends, and that nothing they hold ended it."""
        ended = self.starts.end(tps)
        if ended:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_WELL_S):
                    await self._thread.call_thread(self.starts.take_back, ended)

    def _assignment(self) -> Any:
        """Return aiokafka's assignment; None while there is none."""
        aiokafka_consumer = self._thread._ensure_consumer()  # noqa: SLF001 - see above
        subscription = aiokafka_consumer._subscription.subscription  # noqa: SLF001 - as above
        return None if subscription is None else subscription.assignment

    def assigned(self, topic: str) -> list[TP]:
        """Return our partitions of a topic."""
        assignment = self._assignment()
        known, by_topic = self._assigned
        if known is not assignment:
            by_topic = {}
            for tp in sorted(assignment.tps if assignment else ()):
                by_topic.setdefault(tp.topic, []).append(TP(*tp))
            self._assigned = assignment, by_topic
        return by_topic.get(topic, [])

    def count_of(self, topic: str) -> int:
        """Return how many partitions a topic has, as Kafka last said; 0 while that is not known."""
        aiokafka_consumer = self._thread._ensure_consumer()  # noqa: SLF001 - see above
        cluster = aiokafka_consumer._client.cluster  # noqa: SLF001 - as above
        return len(cluster.partitions_for_topic(topic) or ())

    def _state_of(self, tp: TP) -> Any:
        assignment = self._assignment()
        return assignment and assignment.state_value(tp)

    def end_of(self, tp: TP) -> tuple[int | None, int | None]:
        """Return the last known end of a partition's log, and when the broker told (epoch ms).

        What an open transaction holds back is before the end, and not read.
        """
        state = self._state_of(tp)
        if state is None:
            return None, None
        told_at_ms = state.timestamp  # first: the other thread sets it last
        return state.highwater, told_at_ms

    def position_of(self, tp: TP) -> int | None:
        """Return which offset of a partition is fetched next; None while that is not known."""
        state = self._state_of(tp)
        return None if state is None else state._position  # noqa: SLF001 - once: it may go meanwhile

    def readable_end_of(self, tp: TP) -> int | None:
        """Return how far a partition can be read: an open transaction may hold the rest back."""
        state = self._state_of(tp)
        return None if state is None else state.lso

    def held_at(self) -> dict[TP, int]:
        """Return the offsets where open transactions hold partitions of ours back."""
        held = {}
        for tp in self.assignment():
            stable, (end, _) = self.readable_end_of(tp), self.end_of(tp)
            if stable is not None and end is not None and 0 <= stable < end:
                held[tp] = stable
        return held

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

    # Commits: only what is done, and never for gaps.

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.chunked_topics:
            await super()._add_gap(tp, offset_from, offset_to)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self._done if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.pop(tp, None)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        said = offset, self.starts.of(tp).progress
        if self._said.get(tp) == said:
            return False
        self._said[tp] = said
        return True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget the lost partitions before anything else is done."""
        self.on_lost(revoked)
        self._begins = {}
        for tp in revoked:
            self._done.pop(tp, None)
            self._said.pop(tp, None)
        await self.end_well(revoked)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Forget what came between the loss and this: it belongs to the assignment before."""
        self.on_lost(assigned)
        self._begins = {}
        await super().on_partitions_assigned(assigned, generation_id)

    async def verify_all_partitions_active(self) -> None:
        """Leave it to agents/runtime/watchdog.py: commits are rare here on purpose."""


class ChunkTransport(driver.Transport):
    """Makes ChunkConsumers."""

    Consumer = ChunkConsumer


def use_chunks(app: faust.App, topics: Collection[str], on_lost: Callable[[Any], None]) -> None:
    """Make an app read the named topics in chunks. Call it right after the app was made."""
    chunked = frozenset(topics)
    consumer = type(
        "Consumer", (ChunkConsumer,), {"chunked_topics": chunked, "on_lost": staticmethod(on_lost)}
    )
    transport = type("Transport", (ChunkTransport,), {"Consumer": consumer})
    ChunkedRecords.chunked_topics |= chunked
    read_all()
    app.transport = transport(app.conf.broker_consumer, app)
