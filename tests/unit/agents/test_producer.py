"""What many publish to one partition goes together, in order, until the broker has it."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from agents.kafka.producer import OutgoingRecord, Producer
from agents.runtime.settings import Settings

_ROOM = 4


class Batch:
    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, value: bytes, **_: Any) -> bool:
        if len(self.values) == _ROOM:
            return False
        self.values.append(value)
        return True


class BrokerClient:
    """A broker that takes batches when it is let, or refuses them."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, list[bytes]]] = []
        self.opened = asyncio.Event()
        self.refusals: list[Exception] = []

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, _topic: str, *, partition: int) -> Any:
        async def answer() -> None:
            await self.opened.wait()
            if self.refusals:
                raise self.refusals.pop(0)
            self.batches.append((partition, batch.values))

        return answer()


@pytest.fixture
async def client() -> BrokerClient:
    return BrokerClient()


@pytest.fixture
async def producer(client: BrokerClient) -> Producer:
    producer = Producer(Settings(_env_file=None))
    producer._producer = client  # type: ignore[assignment]
    return producer


def records(*values: bytes, partition: int = 0) -> list[OutgoingRecord]:
    return [OutgoingRecord("topic", partition, b"key", value) for value in values]


async def test_what_many_publish_to_a_partition_goes_together_and_in_order(producer, client):
    publishing = [
        asyncio.create_task(producer.publish(records(b"%d-0" % i, b"%d-1" % i))) for i in range(5)
    ]
    await asyncio.sleep(0.01)
    client.opened.set()
    await asyncio.gather(*publishing)
    assert [len(values) for _, values in client.batches] == [4, 4, 2]
    sent = [value for _, values in client.batches for value in values]
    assert sent == [b"%d-%d" % (i, j) for i in range(5) for j in range(2)]


async def test_the_requests_follow_the_partitions_not_the_pairs(producer, client):
    client.opened.set()
    targets = [one for target in range(20) for one in records(b"v", partition=target)]
    await asyncio.gather(*(producer.publish(targets) for _ in range(4)))
    assert len(client.batches) <= 2 * 20
    assert sum(len(values) for _, values in client.batches) == 4 * 20


async def test_it_tries_again_while_the_broker_is_away(producer, client, monkeypatch):
    monkeypatch.setattr("agents.kafka.producer._RETRY_S", 0.01)
    client.opened.set()
    client.refusals = [KafkaConnectionError(), KafkaConnectionError()]
    await producer.publish(records(b"a", b"b"))
    assert client.batches == [(0, [b"a", b"b"])]
    assert not producer.away


async def test_a_refusal_for_good_is_told_to_whoever_waits_and_the_next_is_tried(producer, client):
    client.opened.set()
    client.refusals = [TopicAuthorizationFailedError()]
    with pytest.raises(TopicAuthorizationFailedError):
        await producer.publish(records(b"a"))
    await producer.publish(records(b"b"))
    assert client.batches == [(0, [b"b"])]


async def test_what_nobody_waits_for_any_more_is_not_sent(producer, client):
    first = asyncio.create_task(producer.publish(records(b"a")))
    await asyncio.sleep(0.01)
    lost = asyncio.create_task(producer.publish(records(b"b")))
    await asyncio.sleep(0.01)
    lost.cancel()
    client.opened.set()
    await first
    await producer.publish(records(b"c"))
    assert client.batches == [(0, [b"a"]), (0, [b"c"])]
