"""Unpack fetches for every aiokafka consumer of this process: nothing in a log ends one.

For the topics named a message is a Chunk, the records of a fetch, with where their reading began;
for others it is a record. This leans on internals of aiokafka, whose version is pinned;
tests/contract/test_transport.py compares the unpacking with aiokafka's own.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import aiokafka.consumer.fetcher as fetcher
from aiokafka.structs import ConsumerRecord

from agents.kafka.batches import BatchHeader, FetchedBytes, ReadBatch, UnreadableBatch, read_batches

#: Records in a chunk, about: a chunk ends with the Kafka batch that fills it...
CHUNK_RECORDS = 5_000
#: ...unless that holds more than a chunk may.
MAX_CHUNK_RECORDS = 20_000
#: Or so many bytes: those of a batch that is larger, at most. A poll takes as many of a partition.
CHUNK_BYTES = 8 * 1024 * 1024

Tell = Callable[[str, int, UnreadableBatch], None]
"""Is told of a topic's and partition's batch that is passed over."""


class Chunk(NamedTuple):
    """Part of a partition's log: all there is from `start` on and before `end`."""

    start: int
    end: int
    records: list[Any]
    """With offset, timestamp, key and value; fewer than end - start where the log has holes."""
    unreadable: tuple[UnreadableBatch, ...] = ()
    """What lies in it and cannot be read."""
    removed: int = 0
    """How many of its offsets compaction has left empty."""


class Gap(NamedTuple):
    """Records of a partition's log that Kafka removed before they were read."""

    start: int
    end: int
    since_ms: int | None = None
    """The timestamp of the last record before them, if it is known."""


class ChunkedRecords(fetcher.PartitionRecords):
    """Unpacks a fetch: into chunks for the chunked topics, into records for the others.

    In aiokafka's place, so that what cannot be read does not end a consumer, nor is read for ever.
    """

    chunked_topics: frozenset[str] = frozenset()
    tell: Tell = staticmethod(lambda _topic, _partition, _unreadable: None)
    """Of topics that are not chunked: a chunk says it itself."""
    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Any]:
        if self._tp.topic in self.chunked_topics:
            yield from self._chunks()
            return
        for batch in self._batches():
            if batch.unreadable:
                self.tell(self._tp.topic, self._tp.partition, batch.unreadable)
            for record in batch.records:
                self.next_fetch_offset = record.offset + 1
                yield self._consumer_record(self._tp, record)
            self.next_fetch_offset = batch.end

    def _chunks(self) -> Iterator[Any]:
        start = self.next_fetch_offset
        records: list[Any] = []
        unreadable: list[UnreadableBatch] = []
        size = removed = 0
        for batch in self._batches():
            records += batch.records
            removed += batch.removed
            size += sum(len(record.value or b"") for record in batch.records)
            if batch.unreadable:
                unreadable.append(batch.unreadable)
            while len(records) > MAX_CHUNK_RECORDS:
                some, records = records[:CHUNK_RECORDS], records[CHUNK_RECORDS:]
                self.next_fetch_offset = records[0].offset
                yield self._message(Chunk(start, self.next_fetch_offset, some))
                start = self.next_fetch_offset
            self.next_fetch_offset = batch.end
            if len(records) >= CHUNK_RECORDS or size >= CHUNK_BYTES:
                chunk = Chunk(start, batch.end, records, tuple(unreadable), removed)
                yield self._message(chunk, size)
                start, records, unreadable, size, removed = batch.end, [], [], 0, 0
        if self.next_fetch_offset > start:
            last = Chunk(start, self.next_fetch_offset, records, tuple(unreadable), removed)
            yield self._message(last, size)

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
    """A fetch: what a poll does not take of it stays packed, as Kafka sent it."""

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Return the next chunks, or all records where the topic has none."""
        if self._topic_partition.topic not in ChunkedRecords.chunked_topics:
            found: list[Any] = super().getall(max_records)
            return found
        chunks: list[Any] = []
        size = 0
        while size < CHUNK_BYTES and (one := super().getall(1)):
            chunks += one
            size += one[0].serialized_value_size
        return chunks


def read_all(tell: Tell | None = None) -> None:
    """Let every aiokafka consumer of this process read what a log may hold.

    Args:
        tell: is told of batches that are passed over, of topics that are not chunked.
    """
    if tell is not None:
        ChunkedRecords.tell = staticmethod(tell)
    fetcher.MemoryRecords = FetchedBytes
    fetcher.PartitionRecords = ChunkedRecords
    fetcher.FetchResult = ChunkedFetch
