"""Our unpacking of a fetch yields what aiokafka's own does, in an unbroken run of chunks."""

import asyncio
import gzip
import itertools
import time

import aiokafka.consumer.fetcher as fetcher
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.record.memory_records import MemoryRecords
from confluent_kafka.admin import AdminClient, NewTopic

from agents.kafka import fetch_unpacking as chunks_module
from agents.kafka.batches import FetchedBytes
from agents.kafka.fetch_unpacking import Chunk, ChunkedRecords
from tests import topics


@pytest.fixture
def topic(kafka: str) -> str:
    name = f"transport-{time.time_ns()}"
    config = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}
    admin = AdminClient({"bootstrap.servers": kafka})
    topics.make(admin, NewTopic(name, 1, 1, config=config))
    return name


@pytest.fixture
def chunked(topic: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(ChunkedRecords, "chunked_topics", frozenset({topic}))
    monkeypatch.setattr(chunks_module, "CHUNK_RECORDS", 700)
    return topic


async def publish(kafka: str, topic: str) -> None:
    """Publish batches of many kinds: compressed, transactional, aborted, alone."""
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        producer = AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=5, compression_type=codec)
        await producer.start()
        sent = [
            await producer.send(topic, gzip.compress(b"%d" % i), b"%d" % (i % 900), 0)
            for i in range(1_000)
        ]
        await asyncio.gather(*sent)
        await producer.stop()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=topic)
    await producer.start()
    for i in range(6):
        await producer.begin_transaction()
        for j in range(20):
            await producer.send(topic, b"%d of transaction %d" % (j, i), b"t%d" % j, 0)
        await (producer.abort_transaction() if i % 2 else producer.commit_transaction())
    await producer.stop()


async def read(kafka: str, topic: str, start: int) -> list:
    """Return what a consumer gets from an offset to the end."""
    tp = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([tp])
        consumer.seek(tp, start)
        end = (await consumer.end_offsets([tp]))[tp]
        got: list = []
        while await consumer.position(tp) < end:
            got += (await consumer.getmany(tp, timeout_ms=500)).get(tp, [])
        return got
    finally:
        await consumer.stop()


def as_records(records: list) -> list[tuple]:
    return [(one.offset, one.timestamp, one.key, one.value) for one in records]


@pytest.mark.parametrize("start", [0, 1_234, 5_001])
async def test_chunks_hold_what_aiokafka_reads(kafka, chunked, monkeypatch, start):
    await publish(kafka, chunked)
    # A test before this one may have let all consumers of this process read as ours do.
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    monkeypatch.setattr(fetcher, "PartitionRecords", ChunkedRecords.__base__)
    plain = await read(kafka, chunked, start)
    chunked_topics, ChunkedRecords.chunked_topics = ChunkedRecords.chunked_topics, frozenset()
    monkeypatch.setattr(fetcher, "MemoryRecords", FetchedBytes)
    monkeypatch.setattr(fetcher, "PartitionRecords", ChunkedRecords)
    assert await read(kafka, chunked, start) == plain
    ChunkedRecords.chunked_topics = chunked_topics

    chunks: list[Chunk] = [message.value for message in await read(kafka, chunked, start)]

    assert [one for chunk in chunks for one in as_records(chunk.records)] == as_records(plain)
    assert len(plain) > 0
    assert chunks[0].start == start
    assert all(before.end == after.start for before, after in itertools.pairwise(chunks))
    for chunk in chunks:
        assert all(chunk.start <= record.offset < chunk.end for record in chunk.records)


async def test_large_records_make_small_chunks_and_a_poll_takes_few_of_them(
    kafka, chunked, monkeypatch
):
    monkeypatch.setattr(chunks_module, "CHUNK_BYTES", 300_000)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, compression_type="gzip")
    await producer.start()
    for i in range(40):
        await producer.send_and_wait(chunked, b" " * 100_000, b"%d" % i, 0)
    await producer.stop()
    tp = TopicPartition(chunked, 0)
    monkeypatch.setattr(fetcher, "MemoryRecords", FetchedBytes)
    monkeypatch.setattr(fetcher, "PartitionRecords", ChunkedRecords)
    monkeypatch.setattr(fetcher, "FetchResult", chunks_module.ChunkedFetch)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([tp])
    consumer.seek(tp, 0)
    chunks: list[Chunk] = []
    while sum(len(chunk.records) for chunk in chunks) < 40:
        some = [one.value for one in (await consumer.getmany(tp, timeout_ms=500)).get(tp, [])]
        assert sum(len(chunk.records) for chunk in some) <= 4
        chunks += some
    await consumer.stop()
    assert [chunk.start for chunk in chunks[1:]] == [chunk.end for chunk in chunks[:-1]]
    assert (chunks[0].start, chunks[-1].end) == (0, 40)
