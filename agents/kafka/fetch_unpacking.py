"""Unpack fetches for all aiokafka consumers of this process, so that nothing in a log ends one.

For the topics named a message is a Chunk, the records of a fetch, with where their reading began;
for others it is a record. This leans on internals of aiokafka, whose version is pinned;
tests/contract/test_transport.py compares the unpacking with aiokafka's own.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import aiokafka.consumer.consumer as consumer
import aiokafka.consumer.fetcher as fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import ConsumerRecord

from agents.kafka.batches import (
    BatchHeader,
    FetchedBytes,
    Hole,
    PlainRecord,
    ReadBatch,
    UnreadableBatch,
    read_batches,
)

#: Records in a chunk: it ends with the Kafka batch that reaches this number, …
CHUNK_RECORDS = 5_000
#: … unless that batch has more than a chunk may have.
MAX_CHUNK_RECORDS = 20_000
#: A chunk also ends with the batch that reaches this size; a poll takes this size a partition.
CHUNK_BYTES = 8 * 1024 * 1024
#: Fetches from a broker begin at least this much apart.
FETCHES_APART_S = 0.01

Report = Callable[[str, int, UnreadableBatch], None]
"""Takes a batch that cannot be read, with its topic and partition."""


#: Records, or bytes, that are read without a pause: valid ones take 20 ms.
_PART_RECORDS = 10_000
_PART_BYTES = 2 * 1024 * 1024


class Chunk(NamedTuple):
    """Part of a partition's log: all there is from `start` on and before `end`."""

    start: int
    end: int
    records: list[Any]
    """Each has offset, timestamp, key and value; fewer than end - start where offsets are empty."""
    unreadable: tuple[UnreadableBatch, ...] = ()
    """The batches of it that cannot be read."""
    holes: tuple[Hole, ...] = ()
    """The offsets of it that compaction has emptied."""
    epochs: tuple[tuple[int, int], ...] = ()
    """Pairs of an offset and the epoch of the leader that took the records from it on."""

    def moved(self, by: int) -> "Chunk":
        """Return the chunk with a number added to its offsets."""
        if not by:
            return self
        return self._replace(
            start=self.start + by,
            end=self.end + by,
            records=[PlainRecord.of(record, record.offset + by) for record in self.records],
            unreadable=tuple(
                batch._replace(start=batch.start + by, end=batch.end + by)
                for batch in self.unreadable
            ),
            holes=tuple(
                hole._replace(start=hole.start + by, end=hole.end + by) for hole in self.holes
            ),
            epochs=tuple((offset + by, epoch) for offset, epoch in self.epochs),
        )


class Gap(NamedTuple):
    """Offsets of a partition's log whose records cannot be read any more."""

    start: int
    end: int
    since_ms: int | None = None
    """The timestamp of the last record before them, if it is known."""
    cut_at: int | None = None
    """Kafka's offset where the log was cut, if it was."""
    is_corrupt: bool = False
    """Whether the broker answers that it cannot read them."""


def parts_of(chunk: Chunk) -> Iterator[Chunk]:
    """Yield parts of a chunk that can be read without a pause."""
    records = chunk.records
    sizes = [len(record.value or b"") for record in records]
    if len(records) <= _PART_RECORDS and sum(sizes) <= _PART_BYTES:
        yield chunk
        return
    start, first, size = chunk.start, 0, 0
    for place, record_size in enumerate(sizes):
        size += record_size
        last = place + 1 == len(records)
        if last or size >= _PART_BYTES or place + 1 - first >= _PART_RECORDS:
            end = chunk.end if last else records[place + 1].offset
            yield Chunk(start, end, records[first : place + 1])
            start, first, size = end, place + 1, 0


class ChunkedRecords(fetcher.PartitionRecords):
    """Unpacks a fetch: into chunks for the chunked topics, into records for the others.

    In aiokafka's place, so that what cannot be read does not end a consumer, nor is read for ever.
    """

    chunked_topics: frozenset[str] = frozenset()
    report: Report = staticmethod(lambda _topic, _partition, _unreadable: None)
    """Takes unreadable batches of topics that are not chunked; a chunk has its own."""
    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Any]:
        if self._tp.topic in self.chunked_topics:
            yield from self._chunks()
            return
        for batch in self._batches():
            if batch.unreadable:
                self.report(self._tp.topic, self._tp.partition, batch.unreadable)
            for record in batch.records:
                self.next_fetch_offset = record.offset + 1
                yield self._consumer_record(self._tp, record)
            self.next_fetch_offset = batch.end

    def _chunks(self) -> Iterator[Any]:
        start = self.next_fetch_offset
        records: list[Any] = []
        unreadable: list[UnreadableBatch] = []
        epochs: list[tuple[int, int]] = []
        holes: list[Hole] = []
        size = 0

        def message(end: int) -> ConsumerRecord:
            chunk = Chunk(start, end, records, tuple(unreadable), tuple(holes), tuple(epochs))
            return self._message(chunk, size)

        for batch in self._batches():
            if batch.epoch >= 0 and (not epochs or batch.epoch != epochs[-1][1]):
                epochs.append((self.next_fetch_offset, batch.epoch))
            records += batch.records
            holes += batch.holes
            size += sum(len(record.value or b"") for record in batch.records)
            if batch.unreadable:
                unreadable.append(batch.unreadable)
            while len(records) > MAX_CHUNK_RECORDS:
                part, records = records[:CHUNK_RECORDS], records[CHUNK_RECORDS:]
                end = self.next_fetch_offset = records[0].offset
                yield self._message(Chunk(start, end, part, epochs=tuple(epochs)))
                start, epochs = end, epochs[-1:]
            self.next_fetch_offset = batch.end
            if len(records) >= CHUNK_RECORDS or size >= CHUNK_BYTES:
                yield message(batch.end)
                start, size = batch.end, 0
                records, unreadable, holes, epochs = [], [], [], []
        if self.next_fetch_offset > start:
            yield message(self.next_fetch_offset)

    def _batches(self) -> Iterator[ReadBatch]:
        return read_batches(self._records.data, self.next_fetch_offset, self._is_skipped)

    def _is_skipped(self, head: BatchHeader) -> bool:
        """Return whether a batch is a control batch, or of an aborted transaction."""
        if self._isolation_level == fetcher.READ_COMMITTED:
            self._consume_aborted_up_to(head.base_offset)
            if head.is_control:  # of either kind: it ends its producer's transaction
                self._aborted_producers.discard(head.producer_id)
            elif head.is_transactional and head.producer_id in self._aborted_producers:
                return True
        return head.is_control

    def _message(self, chunk: Chunk, size: int = 0) -> ConsumerRecord:
        topic, partition = self._tp
        last = chunk.end - 1
        return ConsumerRecord(topic, partition, last, 0, 0, None, chunk, None, -1, size, ())


class ChunkedFetch(fetcher.FetchResult):
    """A fetch, unpacked only as far as polls take it."""

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Return the next chunks, or all records where the topic has none."""
        if self._topic_partition.topic not in ChunkedRecords.chunked_topics:
            found: list[Any] = super().getall(max_records)
            return found
        chunks: list[Any] = []
        size = 0
        while size < CHUNK_BYTES and (chunk := super().getall(1)):
            chunks += chunk
            size += chunk[0].serialized_value_size
        return chunks


class _FetchClient:
    """A Kafka client whose fetches begin a little apart, and that notes what cannot be read.

    Where records come one by one, each fetch would bring one: it costs a millisecond, for the
    broker answers for every partition. A fetch that comes after a pause is sent at once.
    """

    def __init__(self, client: Any, corrupt_since: dict[tuple[str, int], float]) -> None:
        self._client = client
        self._corrupt_since = corrupt_since
        self._fetched_s: dict[Any, float] = {}
        """When the last fetch from each broker began, by the monotonic clock."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: Any, request: Any, **options: Any) -> Any:
        if isinstance(request, FetchRequest):
            begins_s = self._fetched_s.get(node_id, 0.0) + FETCHES_APART_S
            if (wait_s := begins_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            self._fetched_s[node_id] = time.monotonic()
        response = await self._client.send(node_id, request, **options)
        if isinstance(request, FetchRequest):
            for topic, partitions in response.topics:
                for partition, code, *_ in partitions:
                    if code == CorruptRecordException.errno:
                        self._corrupt_since.setdefault((topic, partition), time.monotonic())
                    elif not code:
                        self._corrupt_since.pop((topic, partition), None)
        return response


class NotingFetcher(fetcher.Fetcher):
    """A fetcher that knows which partitions the broker answers CORRUPT_MESSAGE for."""

    def __init__(self, client: Any, *args: Any, **options: Any) -> None:
        """See aiokafka.consumer.fetcher.Fetcher."""
        self.corrupt_since: dict[tuple[str, int], float] = {}
        """Since when, by the monotonic clock, of each topic and partition."""
        super().__init__(_FetchClient(client, self.corrupt_since), *args, **options)


def read_all(report: Report | None = None) -> None:
    """Let every aiokafka consumer of this process read what a log may hold.

    Args:
        report: takes batches that are passed over, of topics that are not chunked.
    """
    if report is not None:
        ChunkedRecords.report = staticmethod(report)
    fetcher.MemoryRecords = FetchedBytes
    fetcher.PartitionRecords = ChunkedRecords
    fetcher.FetchResult = ChunkedFetch
    consumer.Fetcher = NotingFetcher
