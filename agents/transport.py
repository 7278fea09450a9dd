"""Hand an agent whole batches of a Kafka partition, and commit exactly what it says is done.

Faust's own road is one message a record, acks that commit too far, and fetched batches that a
rebalance drops without a trace (design/faust-facts.md: traps 11, 12, 14). Here, for the topics
named, a message is a Chunk: the records of a fetch, with where their reading began. An agent
takes chunks through `Continuity`, which refuses one that does not begin where the last one ended
and reads again from there; it never acks: it says `done(partition, offset)`.

This leans on internals of aiokafka and Faust, whose versions are pinned;
tests/contract/test_transport.py compares the fast unpacking with aiokafka's own.
"""

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import aiokafka.consumer.fetcher as fetcher
import faust
import structlog
from aiokafka.errors import CorruptRecordException, KafkaError
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.outbox import may_pass

log = structlog.get_logger()

#: Records in a chunk, about: a chunk ends with the Kafka batch that fills it.
CHUNK_RECORDS = 5_000
#: Chunks waiting in agents' queues before fetching pauses.
MAX_WAITING_CHUNKS = 16
#: A seek that was not obeyed is repeated after this long.
_SEEK_AGAIN_S = 3.0
_ASK_AGAIN_S = 0.5


class Chunk(NamedTuple):
    """Part of a partition's log: all there is from `start` on and before `end`."""

    start: int
    end: int
    records: list[Any]
    """With offset, timestamp, key and value; fewer than end - start where the log has holes."""


class _ChunkedRecords(fetcher.PartitionRecords):
    """Unpacks a fetch into chunks for the chunked topics, into records for the others."""

    chunked_topics: frozenset[str] = frozenset()
    fast = True
    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Any]:
        if self._tp.topic not in self.chunked_topics:
            yield from super()._unpack_records()
            return
        start = self.next_fetch_offset
        records: list[Any] = []
        unpacked = self._unpack_fast() if self.fast else super()._unpack_records()
        for some in unpacked:
            if self.fast:
                records.extend(some)
            else:
                records.append(some)
            if len(records) >= CHUNK_RECORDS:
                yield self._message(Chunk(start, self.next_fetch_offset, records))
                start, records = self.next_fetch_offset, []
        if self.next_fetch_offset > start:
            yield self._message(Chunk(start, self.next_fetch_offset, records))

    def _unpack_fast(self) -> Iterator[Any]:
        """Yield each batch's records, without making a ConsumerRecord of each."""
        batches = self._records
        while batches.has_next():
            batch = batches.next_batch()
            if self._check_crcs and not batch.validate_crc():
                message = f"Invalid CRC - {self._tp}"
                raise CorruptRecordException(message)
            position = self.next_fetch_offset
            skipped = self._is_skipped(batch)
            self.next_fetch_offset = batch.next_offset
            if skipped:
                continue
            if batch.base_offset >= position:
                yield batch
            else:
                yield [record for record in batch if record.offset >= position]

    def _is_skipped(self, batch: Any) -> bool:
        """Return whether a batch is a control batch, or of an aborted transaction."""
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

    def _message(self, chunk: Chunk) -> ConsumerRecord:
        topic, partition = self._tp
        return ConsumerRecord(topic, partition, chunk.end - 1, 0, 0, None, chunk, None, -1, -1, ())


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - Faust has no setting for it
        return consumer


class ChunkConsumer(driver.Consumer):
    """A Faust consumer that reads chunks and commits what is said to be done."""

    chunked_topics: frozenset[str] = frozenset()
    on_lost: Callable[[Collection[TP]], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See faust.transport.consumer.Consumer."""
        super().__init__(*args, **kwargs)
        self._done: dict[TP, int] = {}
        self._begins: dict[TP, int] = {}

    def _new_consumer_thread(self) -> Any:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def done(self, tp: TP, offset: int) -> None:
        """Say that everything before an offset is done with: the next commit says so too."""
        self._done[tp] = offset

    async def committed(self, tp: TP) -> int:
        """Return where reading of a partition begins: its commit, else its log's start.

        All who ask during an assignment hear the same: its last owner may commit late, in between.
        """
        begins = self._begins
        if tp not in begins:
            begins.setdefault(tp, await self._ask_committed(tp))
        return begins[tp]

    async def _ask_committed(self, tp: TP) -> int:
        aiokafka_consumer = self._thread._ensure_consumer()  # noqa: SLF001 - see above
        while True:
            try:
                committed = await self._thread.call_thread(aiokafka_consumer.committed, tp)
                earliest = (await self.earliest_offsets(tp))[tp]
                break
            except KafkaError as error:
                if not may_pass(error):
                    raise
                log.warning("kafka does not say where reading began", error=repr(error))
                await self.sleep(_ASK_AGAIN_S)
        if committed is not None and committed < earliest:
            log.error(
                "records were deleted by retention before they were read",
                topic=tp.topic,
                partition=tp.partition,
                records=earliest - committed,
            )
        return max(int(committed or 0), int(earliest))

    def end_of(self, tp: TP) -> tuple[int | None, int | None]:
        """Return the last known end of a partition's log, and when the broker told (epoch ms)."""
        aiokafka_consumer = self._thread._ensure_consumer()  # noqa: SLF001 - see above
        if tp not in aiokafka_consumer.assignment():
            return None, None
        end = aiokafka_consumer.last_stable_offset(tp)
        return end, aiokafka_consumer.last_poll_timestamp(tp)

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

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget the lost partitions before anything else is done."""
        self.on_lost(revoked)
        self._begins = {}
        for tp in revoked:
            self._done.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Forget what came between the loss and this: it belongs to the assignment before."""
        self.on_lost(assigned)
        self._begins = {}
        await super().on_partitions_assigned(assigned, generation_id)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Leave it to agents/watchdog.py: commits are rare here on purpose."""


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
    _ChunkedRecords.chunked_topics |= chunked
    fetcher.PartitionRecords = _ChunkedRecords
    app.transport = transport(app.conf.broker_consumer, app)


class Continuity:
    """Lets through, of each partition, an unbroken sequence of chunks."""

    def __init__(self, app: faust.App) -> None:
        """Begin with nothing read."""
        self._app = app
        self._next: dict[TP, int] = {}
        self._generation: dict[TP, int] = {}
        self._sought: dict[TP, float] = {}
        self._suspect: dict[TP, int] = {}

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions."""
        for tp in tps:
            self._next.pop(tp, None)
            self._sought.pop(tp, None)

    def behind(self) -> dict[TP, int]:
        """Return where reading stands of each partition that is not read to its end."""
        consumer: ChunkConsumer = self._app.consumer
        behind = {}
        for tp in self._partitions():
            end, _ = consumer.end_of(tp)
            at = self._next.get(tp, 0)
            if end is not None and end > at:
                behind[tp] = at
        return behind

    def _partitions(self) -> list[TP]:
        """Return the partitions of ours that agents read: not the changelogs."""
        consumer: ChunkConsumer = self._app.consumer
        topics = consumer.chunked_topics.difference(self._app.tables.changelog_topics)
        return [tp for tp in consumer.assignment() if tp.topic in topics]

    async def look(self) -> None:
        """Go back to what a rebalance dropped where nothing came after it that would tell.

        The consumer has read past what was accepted, and nothing waits to be: seen twice, that is
        no chunk on its way. Call it about once a second.
        """
        consumer: ChunkConsumer = self._app.consumer
        suspect, self._suspect = self._suspect, {}
        if consumer.waiting:
            return
        generation = self._app.consumer_generation_id
        for tp in self._partitions():
            expected = await self._expected(tp, generation)
            try:
                position = await consumer.position(tp)
            except KafkaError:  # not ours any more, or the broker is away
                return
            if expected is None or self._app.rebalancing:
                return
            if position is not None and position > self._next.get(tp, expected):
                if suspect.get(tp) == expected:
                    await self._go_back(tp, expected, position)
                self._suspect[tp] = expected

    async def accept(self, message: Any) -> Chunk | None:
        """Return the part of a message's chunk that continues what was read, or None.

        None: it was fetched for an earlier assignment, is known, or something before it is
        missing; then reading goes back to what is missing.
        """
        tp: TP = message.tp
        chunk: Chunk = message.value
        generation = self._app.consumer_generation_id
        if message.generation_id != generation or self._app.rebalancing:
            return None  # after a rebalance all is read again from the commit
        expected = await self._expected(tp, generation)
        if expected is None:
            return None
        if chunk.start > expected:
            await self._go_back(tp, expected, chunk.start)
            return None
        if chunk.end <= expected:
            return None
        self._sought.pop(tp, None)
        self._next[tp] = chunk.end
        if chunk.start == expected:
            return chunk
        records = [record for record in chunk.records if record.offset >= expected]
        return Chunk(expected, chunk.end, records)

    async def _expected(self, tp: TP, generation: int) -> int | None:
        """Return where reading of a partition stands; None when another assignment came."""
        if tp not in self._next or self._generation.get(tp) != generation:
            committed = await self._app.consumer.committed(tp)
            if self._app.consumer_generation_id != generation:
                return None
            if tp not in self._next or self._generation.get(tp) != generation:
                self._generation[tp] = generation  # nobody else asked meanwhile and read on
                self._next[tp] = committed
        return self._next[tp]

    async def _go_back(self, tp: TP, expected: int, start: int) -> None:
        now = time.monotonic()
        if now - self._sought.get(tp, -_SEEK_AGAIN_S) < _SEEK_AGAIN_S:
            return
        self._sought[tp] = now
        log.info(
            "read again what a rebalance dropped",
            topic=tp.topic,
            partition=tp.partition,
            from_offset=expected,
            instead_of=start,
        )
        await self._app.consumer.seek(tp, expected)
