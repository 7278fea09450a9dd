"""A service beats, dies and is down; what happens to us meanwhile is never held against it."""

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from tests import topics
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.conftest import PARTITIONS

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

EVERY_S = 1.0


class Beats:
    """Services that beat from a thread, until they are killed."""

    def __init__(self, kafka: str, prefix: str) -> None:
        refreshed = {"topic.metadata.refresh.interval.ms": 500}
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5} | refreshed)
        self._topic = prefix + "heartbeats"
        self.alive: set[str] = set()
        self.partitions: range | None = None
        """Beats go to one after the other; None: by their key."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._ended.wait(EVERY_S):
            for service in list(self.alive):
                self.say(service)

    def say(self, service: str, key: bytes | None = None, **changed: Any) -> None:
        said = {
            "service": service,
            "status": "up",
            "sent_at": int(time.time() * 1000),
            "every_s": EVERY_S,
        }
        value = json.dumps(said | changed).encode()
        to = {"partition": random.choice(self.partitions)} if self.partitions else {}
        self._producer.produce(self._topic, value, key or service.encode(), **to)
        self._producer.poll(0)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._producer.flush(10)


@pytest.fixture
def beats(kafka: str, prefix: str, worker: Workers, eventually: Callable) -> Iterator[Beats]:
    admin = Producer({"bootstrap.servers": kafka})
    eventually(lambda: prefix + "heartbeats" in admin.list_topics(timeout=10).topics)
    beats = Beats(kafka, prefix)
    yield beats
    beats.close()


class Said:
    """What was published of the services, in order."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": f"said-{time.time_ns()}",
                "auto.offset.reset": "earliest",
                "topic.metadata.refresh.interval.ms": 500,
            }
        )
        self._consumer.subscribe([prefix + "aggregates"])
        self.all: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        for record in self._consumer.consume(1_000, 0.3):
            if not record.error():
                one = json.loads(record.value())
                if one["kind"] == "service":
                    self.all.append(one)
        return self.all

    def status(self, service: str) -> str | None:
        """Return what the newest 1h window says."""
        newest = [
            one
            for one in self.read()
            if one["window"]["size"] == "1h" and one["series"]["service"] == service
        ]
        return max(newest, key=lambda one: one["revision"])["status"] if newest else None

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def said(kafka: str, prefix: str, beats: Beats) -> Iterator[Said]:
    said = Said(kafka, prefix)
    yield said
    said.close()


def test_a_killed_service_is_down_and_a_killed_worker_takes_nobody_with_it(
    beats: Beats, said: Said, worker: Workers, eventually: Callable, kafka: str, prefix: str
):
    beats.alive |= {"dies", "lives", "steady"}
    for service in beats.alive:
        eventually(lambda service=service: said.status(service) == "up")
    # Partitions may be added to `heartbeats`, and a service's beats go to any of them.
    topics.grow(AdminClient({"bootstrap.servers": kafka}), prefix + "heartbeats", 5)
    time.sleep(2)
    beats.partitions = range(5)

    time.sleep(12)  # it judges nobody before it has listened for ten seconds
    beats.alive.remove("dies")

    eventually(lambda: said.status("dies") == "down")
    down = [one for one in said.all if one["status"] == "down"]
    assert {one["series"]["service"] for one in down} == {"dies"}
    assert all(one["silent"] for one in down)

    worker.signal("w0", signal.SIGKILL)
    time.sleep(6)  # longer than three of their intervals
    beats.alive.add("dies")
    time.sleep(6)
    worker.supervise()
    eventually(lambda: said.status("dies") == "up")
    time.sleep(15)

    said.read()
    down = [one for one in said.all if one["status"] == "down" or one["down_ms"]]
    assert {one["series"]["service"] for one in down} == {"dies"}
    hours = [one for one in said.all if one["window"]["size"] == "1h"]
    newest = {one["series"]["service"]: one for one in hours}
    # What they said while nobody read it counts: nothing of their lives is unknown.
    lives = newest["lives"]
    elapsed_ms = lives["up_ms"] + lives["unknown_ms"]
    first_ms = min(one["last_beat_ms"] for one in said.all)
    before_ms = max(0, first_ms - lives["window"]["start_ms"])
    assert lives["up_ms"] > 20_000
    assert elapsed_ms - before_ms - lives["up_ms"] < 500


def test_a_worker_killed_at_any_place_repeats_itself_and_invents_nothing(
    kafka: str, prefix: str, tmp_path: Path, eventually: Callable
):
    workers = Workers(kafka, prefix, PARTITIONS, tmp_path, OPWATCH_SESSION_TIMEOUT_S="6")
    workers.start("w0")
    admin = Producer({"bootstrap.servers": kafka})
    eventually(lambda: prefix + "heartbeats" in admin.list_topics(timeout=10).topics)
    beats, said = Beats(kafka, prefix), Said(kafka, prefix)
    try:
        beats.alive |= {f"service-{i}" for i in range(8)}
        eventually(lambda: said.status("service-0") == "up")
        for place in ("services_after_publish", "services_after_rows"):
            workers.signal("w0", signal.SIGKILL)
            time.sleep(1)
            workers._processes.pop("w0").wait()
            workers.start("w0", failpoint=f"{place}:4")
            eventually(lambda: workers.supervise() or workers.ended)
            workers.ended.clear()
        beats.alive.remove("service-7")
        eventually(lambda: said.status("service-7") == "down")
        time.sleep(5)
    finally:
        beats.close()
        workers.close()
        print((tmp_path / "w0.log").read_text()[-4000:])
    down = {one["series"]["service"] for one in said.read() if one["status"] == "down"}
    said.close()
    assert down == {"service-7"}


def test_each_bad_heartbeat_is_one_dead_letter(
    kafka: str, prefix: str, beats: Beats, said: Said, eventually: Callable
):
    beats.say("good")
    beats.say("bad", key=b"another")
    beats.say("bad", status="fine")
    beats.say("bad", sent_at=17)
    beats.say("bad", sent_at=int(time.time() * 1000) + 3_600_000)

    letters = eventually(
        lambda: (
            found if len(found := oracle.read_topic(kafka, prefix + "dead-letters")) >= 4 else None
        ),
        60,
    )

    reasons = sorted(dict(letter.headers())["reason"] for letter in letters)
    assert reasons == [b"from_future", b"invalid_heartbeat", b"too_old", b"wrong_key"]
    eventually(lambda: [one for one in said.read() if one["up_ms"]])  # silent again by now
    assert {one["series"]["service"] for one in said.read()} == {"good"}
