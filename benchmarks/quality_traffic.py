"""Publish analyses to a quality worker, and note when each comes on `scored-analyses`."""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from benchmarks import race
from benchmarks.places import Place
from benchmarks.quality_inputs import makers
from benchmarks.worker import Worker, started

PARTITIONS = 8
_READY_S = 120.0
#: Topics of a million analyses would fill a disk.
_KEPT_BYTES = 200_000_000
_STILL_S = 60.0


class Scored(threading.Thread):
    """Reads `scored-analyses`: when each analysis came, by its number."""

    def __init__(self, place: Place, most: int) -> None:
        super().__init__(daemon=True)
        self.count = 0
        self.came_s = np.full(most, np.nan)
        self._place = place
        self._ended = threading.Event()

    def run(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._place.bootstrap,
                "group.id": f"{self._place.prefix}check",
                "fetch.wait.max.ms": 5,
            }
        )
        topic = f"{self._place.prefix}scored-analyses"
        consumer.assign([TopicPartition(topic, it, 0) for it in range(self._place.partitions)])
        while not self._ended.is_set():
            for message in consumer.consume(500, timeout=0.05):
                if message.error() or not message.key():
                    continue
                number = int(message.key().rsplit(b"-", 1)[1])
                if np.isnan(self.came_s[number]):
                    self.came_s[number] = time.time()
                    self.count += 1
        consumer.close()

    def end(self) -> None:
        self._ended.set()
        self.join()


class Sender:
    """Publishes different analyses, each of an input of its own."""

    def __init__(self, place: Place, most: int) -> None:
        self.sent_s = np.full(most, np.nan)
        self.count = 0
        self._topic = f"{place.prefix}analyses"
        self._make = makers()
        self._producer = Producer(
            {
                "bootstrap.servers": place.bootstrap,
                "linger.ms": 2,
                "partitioner": "murmur2_random",
                "queue.buffering.max.kbytes": 200_000,
            }
        )

    def send(self, number: int) -> None:
        """Publish an analysis."""
        now_s = time.time()
        key, value = self.value_of(number, int(now_s * 1000))
        while True:
            try:
                self._producer.produce(self._topic, value, key)
                break
            except BufferError:
                self._producer.poll(0.1)
        self.sent_s[number] = now_s
        self.count = number + 1
        self._producer.poll(0)

    def value_of(self, number: int, now_ms: int) -> tuple[bytes, bytes]:
        """Return the key and the value of an analysis."""
        return self._make[number % len(self._make)](number, now_ms)

    def at_rate(self, first: int, count: int, a_second: float) -> None:
        """Publish analyses at a rate (analyses a second)."""
        begun = time.monotonic()
        for place in range(count):
            wait = begun + place / a_second - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self.send(first + place)
        self._producer.flush(60)


def prepare(place: Place) -> None:
    """Wait for the worker's topics, and let them keep little."""
    admin = AdminClient({"bootstrap.servers": place.bootstrap, "log_level": 3})
    wanted = [f"{place.prefix}{name}" for name in ("analyses", "scored-analyses", "quality-scores")]
    give_up = time.monotonic() + _READY_S
    while not set(wanted) <= admin.list_topics(timeout=10).topics.keys():
        if time.monotonic() > give_up:
            raise race.Failed("the worker made no topics")
        time.sleep(0.2)
    resources = [
        ConfigResource(
            ConfigResource.Type.TOPIC,
            topic,
            incremental_configs=[
                ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET)
                for name, value in (
                    ("retention.bytes", _KEPT_BYTES),
                    ("segment.bytes", _KEPT_BYTES // 4),
                )
            ],
        )
        for topic in wanted
    ]
    for future in admin.incremental_alter_configs(resources).values():
        future.result(30)


@contextlib.contextmanager
def scoring(place: Place, **settings: str) -> Iterator[Worker]:
    """Run a quality worker that has its partitions."""
    with started(place, role="quality", **settings) as worker:
        prepare(place)
        give_up = time.monotonic() + _READY_S
        while not worker.is_ready():
            if time.monotonic() > give_up:
                raise race.Failed("the worker did not become ready")
            time.sleep(0.5)
        yield worker


def until(is_so: Callable[[], bool], progress: Callable[[], int]) -> None:
    """Wait until something is so, for as long as there is progress."""
    seen, moved = progress(), time.monotonic()
    while not is_so():
        if progress() != seen:
            seen, moved = progress(), time.monotonic()
        if time.monotonic() - moved > _STILL_S:
            raise race.Failed(f"no progress past {seen:,}")
        time.sleep(0.05)


def at(bootstrap: str) -> Place:
    """Return a new place for topics."""
    prefix = f"bench-{secrets.token_hex(4)}."
    return Place(bootstrap=bootstrap, prefix=prefix, partitions=PARTITIONS)
