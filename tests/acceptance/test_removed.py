"""What Kafka removed before it was counted is said, and what is there is counted once."""

import json
import time
import urllib.request
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests import topics
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.test_codecs import operations
from tests.acceptance.test_poison import latest, total
from tests.ports import lasting_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


class Scene:
    """A worker with one partition, whose records are removed."""

    def __init__(self, kafka: str, prefix: str, folder: Any, eventually: Any) -> None:
        self.kafka, self.prefix, self.eventually = kafka, prefix, eventually
        self.topic = prefix + "operations"
        self.port = lasting_port()
        self.admin = AdminClient({"bootstrap.servers": kafka})
        topics.make(self.admin, NewTopic(self.topic, 1, 1))
        self.workers = Workers(
            kafka,
            prefix,
            1,
            folder,
            OPWATCH_SESSION_TIMEOUT_S="6",
            OPWATCH_HTTP_PORT=str(self.port),
        )
        self.sent = 0

    def send(self, count: int) -> None:
        self._produce(Producer({"bootstrap.servers": self.kafka, "linger.ms": 20}), count)

    def send_unread(self, count: int, *, remove_before: int) -> None:
        """Send records that nobody can read before they are removed."""
        producer = Producer({"bootstrap.servers": self.kafka, "transactional.id": self.prefix})
        producer.init_transactions(30)
        producer.begin_transaction()
        self._produce(producer, count)
        self.remove(remove_before)
        producer.commit_transaction(30)

    def _produce(self, producer: Producer, count: int) -> None:
        for value in operations(f"from-{self.sent}", count):
            producer.produce(self.topic, value)
        producer.flush(30)
        self.sent += count

    def remove(self, before: int, topic: str = "operations") -> None:
        place = TopicPartition(self.prefix + topic, 0, before)
        self.admin.delete_records([place])[place].result(30)

    def counted(self, count: int) -> dict[str, dict]:
        return self.eventually(
            lambda: found if total(found := latest(self.kafka, self.prefix)) == count else None
        )

    def lost(self) -> list[tuple[str, str]]:
        letters = oracle.read_topic(self.kafka, self.prefix + "dead-letters")
        found = [(one.key().decode(), dict(one.headers())) for one in letters]
        return [
            (key, headers["last_offset"].decode())
            for key, headers in found
            if headers["reason"] == b"lost"
        ]

    def page(self, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=5) as answer:
            return answer.read().decode()


@pytest.fixture
def scene(kafka, prefix, tmp_path, eventually):
    scene = Scene(kafka, prefix, tmp_path, eventually)
    scene.workers.start("w0")
    yield scene
    scene.workers.close()
    print((tmp_path / "w0.log").read_text()[-6000:])


def test_what_retention_took_while_no_worker_ran_is_said(scene):
    scene.send(10)
    scene.counted(10)
    time.sleep(2.5)  # it is committed how far that is
    scene.workers.end("w0", 15)
    scene.send(25)
    scene.remove(25)
    scene.workers.start("w0")
    aggregates = scene.counted(20)
    assert scene.lost() == [(f"{scene.topic}/0/10/lost", "24")]
    minutes = [one for key, one in aggregates.items() if key.startswith("*/1m/")]
    assert {one["missing"] for one in minutes} >= {15}
    hour = [one for key, one in aggregates.items() if key.startswith("*/1h/")]
    assert all(one["missing"] in (0, 15) for one in hour)
    assert "15 records" in scene.page("readyz")
    assert f'opwatch_lost_records_total{{partition="0",topic="{scene.topic}"}} 15.0' in scene.page(
        "metrics"
    )
    # Counted once, also when it begins again there.
    scene.workers.restart("w0")
    scene.send(5)
    aggregates = scene.counted(25)
    assert {key for key, _ in scene.lost()} == {f"{scene.topic}/0/10/lost"}


def test_what_was_counted_before_it_was_removed_is_not_lost_and_counts_once(scene):
    scene.send(10)
    scene.counted(10)
    time.sleep(2.5)
    scene.workers.end("w0", 15)
    scene.remove(5)
    scene.workers.start("w0")
    scene.send(10)
    scene.counted(20)
    scene.workers.restart("w0")
    scene.send(1)
    scene.counted(21)
    assert scene.lost() == []


def test_what_retention_took_under_a_slow_worker_is_said(scene):
    scene.send(10)
    scene.counted(10)
    scene.send_unread(20, remove_before=25)
    scene.counted(15)
    scene.eventually(scene.lost)
    assert scene.lost() == [(f"{scene.topic}/0/10/lost", "24")]
    assert scene.workers.ended == []
    scene.send(5)
    aggregates = scene.counted(20)
    assert max(one["missing"] for one in aggregates.values()) == 15


def test_all_that_was_left_removed_under_a_worker_is_said_without_a_new_record(scene):
    scene.send(10)
    scene.counted(10)
    scene.send_unread(20, remove_before=30)
    scene.eventually(scene.lost)
    assert scene.lost() == [(f"{scene.topic}/0/10/lost", "29")]
    scene.send(5)
    scene.counted(15)
    assert scene.workers.ended == []


@pytest.mark.parametrize("topic", ["heartbeats", "partials", "aggregates"])
def test_records_removed_from_other_topics_are_said(scene, topic):
    scene.send(10)
    scene.counted(10)
    time.sleep(20)  # committed everywhere
    scene.workers.end("w0", 15)
    name = scene.prefix + topic
    producer = Producer({"bootstrap.servers": scene.kafka})
    producer.produce(name, json.dumps({"no": "record"}).encode(), key=b"k")
    producer.flush(10)
    scene.remove(-1, topic)
    scene.workers.start("w0")
    (key, _), *_ = scene.eventually(scene.lost)
    assert key.startswith(f"{name}/0/")
    scene.send(5)
    scene.counted(15)
    assert scene.workers.ended == []
