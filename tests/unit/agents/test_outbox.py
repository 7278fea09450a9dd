"""The outbox: what waits for one partition goes together, in order, and until the broker has it."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from agents.kafka.outbox import Outbox, Outgoing
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


class Producer:
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
async def producer() -> Producer:
    return Producer()


@pytest.fixture
async def outbox(producer: Producer) -> Outbox:
    outbox = Outbox(Settings(_env_file=None))
    outbox._producer = producer  # type: ignore[assignment]
    return outbox


def records(*values: bytes, partition: int = 0) -> list[Outgoing]:
    return [Outgoing("topic", partition, b"key", value) for value in values]


async def test_what_many_publish_to_a_partition_goes_together_and_in_order(outbox, producer):
    publishing = [
        asyncio.create_task(outbox.publish(records(b"%d-0" % i, b"%d-1" % i))) for i in range(5)
    ]
    await asyncio.sleep(0.01)
    producer.opened.set()
    await asyncio.gather(*publishing)
    assert [len(values) for _, values in producer.batches] == [4, 4, 2]
    sent = [value for _, values in producer.batches for value in values]
    assert sent == [b"%d-%d" % (i, j) for i in range(5) for j in range(2)]


async def test_the_requests_follow_the_partitions_not_the_pairs(outbox, producer):
    producer.opened.set()
    targets = [one for target in range(20) for one in records(b"v", partition=target)]
    await asyncio.gather(*(outbox.publish(targets) for _ in range(4)))
    assert len(producer.batches) <= 2 * 20
    assert sum(len(values) for _, values in producer.batches) == 4 * 20


async def test_it_tries_again_while_the_broker_is_away(outbox, producer, monkeypatch):
    monkeypatch.setattr("agents.kafka.outbox._RETRY_S", 0.01)
    producer.opened.set()
    producer.refusals = [KafkaConnectionError(), KafkaConnectionError()]
    await outbox.publish(records(b"a", b"b"))
    assert producer.batches == [(0, [b"a", b"b"])]
    assert not outbox.away


async def test_a_refusal_for_good_is_told_to_whoever_waits_and_the_next_is_tried(outbox, producer):
    producer.opened.set()
    producer.refusals = [TopicAuthorizationFailedError()]
    with pytest.raises(TopicAuthorizationFailedError):
        await outbox.publish(records(b"a"))
    await outbox.publish(records(b"b"))
    assert producer.batches == [(0, [b"b"])]


async def test_what_nobody_waits_for_any_more_is_not_sent(outbox, producer):
    first = asyncio.create_task(outbox.publish(records(b"a")))
    await asyncio.sleep(0.01)
    lost = asyncio.create_task(outbox.publish(records(b"b")))
    await asyncio.sleep(0.01)
    lost.cancel()
    producer.opened.set()
    await first
    await outbox.publish(records(b"c"))
    assert producer.batches == [(0, [b"a"]), (0, [b"c"])]
