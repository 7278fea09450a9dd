"""The client publishes analyses and labels to a real Kafka, and reads scores and requests."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import opwatch_client as opwatch
from opwatch_client import current, remediation_calls
from schemas.analyses import Analysis
from schemas.labels import Label
from tests import topics
from tests.unit.client.test_remediation import request
from tests.unit.client.test_score import quality_score

PARTITIONS = 3
TOPICS = ("analyses", "labels", "quality-scores", "remediations")


@pytest.fixture
def prefix(kafka: str) -> Iterator[str]:
    """Return a prefix of our own to which this process is configured."""
    prefix = f"clq-{uuid.uuid4().hex[:8]}."

    counts = {name: 1 if name == "remediations" else PARTITIONS for name in TOPICS}
    admin = AdminClient({"bootstrap.servers": kafka})
    topics.make(admin, *(NewTopic(prefix + name, count, 1) for name, count in counts.items()))
    opwatch.configure(
        bootstrap=kafka,
        topic=prefix + "operations",
        analyses=prefix + "analyses",
        labels=prefix + "labels",
        quality_scores=prefix + "quality-scores",
        remediations=prefix + "remediations",
        service="integration",
    )
    yield prefix
    opwatch.close()
    current._publisher = None


def read(bootstrap: str, topic: str) -> list[Any]:
    """Return the messages of a topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "clq-oracle"})
    messages = []
    try:
        for partition in range(PARTITIONS):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
            consumer.assign([TopicPartition(topic, partition, 0)])
            while low < high:
                message = consumer.poll(30)
                assert message is not None
                assert message.error() is None
                low = message.offset() + 1
                messages.append(message)
    finally:
        consumer.close()
    return messages


def test_analyses_and_labels_arrive_under_their_keys(kafka: str, prefix: str):
    ids = [
        opwatch.analysis(operation="analyze_job", duration_ms=1, text=f"post {number % 7}")
        for number in range(1_000)
    ]
    for identity in ids[:10]:
        opwatch.label(identity, truth="likely_real")

    assert opwatch.flush(20)

    messages = read(kafka, prefix + "analyses")
    found = [Analysis.model_validate_json(it.value()) for it in messages]
    assert sorted(analysis.id for analysis in found) == sorted(ids)
    partitions: dict[bytes, set[int]] = {}
    for message, analysis in zip(messages, found, strict=True):
        assert message.key() == analysis.input.hash.encode()
        partitions.setdefault(message.key(), set()).add(message.partition())
    assert len(partitions) == 7
    assert all(len(where) == 1 for where in partitions.values())
    labels = read(kafka, prefix + "labels")
    assert sorted(it.key().decode() for it in labels) == sorted(ids[:10])
    assert {Label.model_validate_json(it.value()).source for it in labels} == {"unknown"}
    assert opwatch.stats().analyses == opwatch.Outcomes(published=1_000)


def test_an_analysis_larger_than_the_topic_takes_is_dropped_alone(kafka: str, prefix: str):
    opwatch.configure(
        bootstrap=kafka, analyses=f"{prefix}small", labels=f"{prefix}labels", service="integration"
    )
    small = NewTopic(f"{prefix}small", 3, 1, config={"max.message.bytes": "20000"})
    topics.make(AdminClient({"bootstrap.servers": kafka}), small)
    for length in (10, 50_000, 10, 10):
        opwatch.analysis(operation="a", duration_ms=1, text="x" * length, input_hash="h")

    assert opwatch.flush(20)

    assert len(read(kafka, f"{prefix}small")) == 3
    assert opwatch.stats().analyses == opwatch.Outcomes(published=3, dropped=1)


def publish(bootstrap: str, topic: str, key: str, value: dict[str, Any]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, json.dumps(value).encode(), key.encode())
    assert producer.flush(20) == 0


async def test_a_score_is_found_that_was_there_before_anybody_asked(kafka: str, prefix: str):
    ids = [opwatch.analysis(operation="a", duration_ms=1, text=f"{n}") for n in range(20)]
    assert await opwatch.aflush(20)
    for identity in ids[:-1]:
        publish(kafka, prefix + "quality-scores", identity, quality_score(identity))

    scores = [await opwatch.score(identity, within=20) for identity in ids[:-1]]
    assert [score.analysis for score in scores if score] == ids[:-1]
    assert await opwatch.score(ids[-1], within=0.2) is None
    publish(kafka, prefix + "quality-scores", ids[-1], quality_score(ids[-1]))
    assert await opwatch.score(ids[-1], within=20) is not None


def test_requests_are_handled_once_by_all_processes_of_a_service_together(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remediation_calls, "_handlers", {})
    got: list[str] = []

    @opwatch.remediation("reanalyse")
    def again(it: opwatch.RemediationRequest) -> None:
        got.append(it.id)

    def settle(count: int) -> None:
        deadline = time.monotonic() + 60
        while opwatch.stats().remedied < count:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def send(first: int, last: int) -> None:
        for number in range(first, last):
            body = request(f"r{number}", service="integration")
            publish(kafka, prefix + "remediations", "integration", body)

    send(0, 6)
    settle(6)
    opwatch.close()  # the offsets are committed: another process goes on from there
    opwatch.configure(bootstrap=kafka, remediations=prefix + "remediations", service="integration")
    send(6, 8)
    settle(2)

    assert sorted(got) == [f"r{number}" for number in range(8)]
