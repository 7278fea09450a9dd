"""A measure worker, and producers whose clocks are right or not."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests import topics
from tests.acceptance import oracle
from tests.acceptance.running import Running
from tests.acceptance.test_poison import latest, total

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
RULES = """
version: 1
rules:
  - {name: errors, kind: metric_threshold, metric: error_rate, operator: greater_than,
     threshold: 50, window: 1m, severity: high, each: platform}
  - {name: silent, kind: no_data, each: platform, after: 1m, severity: critical}
"""

Eventually = Callable[..., Any]


def now_ms() -> int:
    return int(time.time() * 1000)


class Scene:
    """A measure worker of one prefix, and what its topics were given."""

    def __init__(
        self, kafka: str, prefix: str, folder: Path, partitions: int, ahead_ms: int = 5 * MINUTE_MS
    ) -> None:
        self.kafka, self.prefix = kafka, prefix
        self.topic = f"{prefix}operations"
        self.partitions = partitions
        self.sent: Counter[str] = Counter()
        """How many operations, by series."""
        self.admin = AdminClient({"bootstrap.servers": kafka})
        config = {"message.timestamp.after.max.ms": str(ahead_ms), "retention.ms": "-1"}
        topic = NewTopic(self.topic, partitions, 1, config=config)
        topics.make(self.admin, topic)
        self._producer = self.new_producer()
        folder.mkdir()
        self.running = Running(kafka, prefix, folder)
        rules = folder / "some-rules.yaml"
        rules.write_text(RULES)
        self.settings = {
            "OPWATCH_PARTITIONS": str(partitions),
            "OPWATCH_GRACE_S": "2",
            "OPWATCH_RULE_FILE": str(rules),
        }
        self.number = -1

    def new_producer(self) -> Producer:
        return Producer({"bootstrap.servers": self.kafka, "linger.ms": 5})

    def start(self) -> None:
        self.number = self.running.start("measure", **self.settings)

    def kill(self) -> None:
        """End the worker without a word, and start another."""
        self.running.processes[self.number].kill()
        self.running.processes[self.number].wait()
        self.start()

    def send(self, platform: str, at_ms: int, partition: int, *, success: bool = True) -> None:
        self.sent["*"] += 1
        self.sent[f'*{{platform="{platform}"}}'] += 1
        event = {
            "id": f"{platform}-{self.sent['*']}",
            "operation": "parse",
            "platform": platform,
            "occurred_at": at_ms,
            "success": success,
            "duration_ms": 5,
        }
        value = json.dumps(event).encode()
        self._producer.produce(self.topic, value, partition=partition, timestamp=at_ms)

    def flush(self) -> None:
        assert self._producer.flush(20) == 0

    def see_more_partitions(self) -> None:
        self.flush()
        self._producer = self.new_producer()

    def counted(self) -> Counter[str]:
        """Return what the minutes count, for each series that was sent."""
        aggregates = latest(self.kafka, self.prefix)
        return Counter({series: total(aggregates, series) for series in self.sent})

    def is_counted(self) -> bool:
        return self.counted() == self.sent

    def finals(self, series: str) -> dict[int, tuple[int, int]]:
        """Return when each minute became final, and what it counted then."""
        found: dict[int, tuple[int, int]] = {}
        for record in oracle.read_topic(self.kafka, self.prefix + "aggregates"):
            key, _, start_ms = record.key().decode().rpartition("/1m/")
            one = json.loads(record.value())
            if key == series and one["final"]:
                found.setdefault(int(start_ms), (record.timestamp()[1], one["count"]))
        return found

    def breaches(self) -> set[tuple[str, str, str]]:
        """Return rule, series and state of what was said."""
        records = oracle.read_topic(self.kafka, self.prefix + "breaches")
        breaches = [json.loads(record.value()) for record in records]
        return {(each["rule"], each["series"], each["state"]) for each in breaches}

    def dead(self) -> Counter[bytes]:
        letters = oracle.read_topic(self.kafka, self.prefix + "dead-letters")
        return Counter(dict(one.headers())["reason"] for one in letters)

    def get(self, path: str) -> tuple[int, str]:
        return self.running.get(self.number, path)


class Traffic(threading.Thread):
    """Two platforms whose clocks are right, and one whose clock is not, on each partition."""

    def __init__(self, scene: Scene, ahead_ms: int) -> None:
        super().__init__(daemon=True)
        self.scene, self._ahead_ms = scene, ahead_ms
        self._over = threading.Event()
        self.is_fast = False

    def run(self) -> None:
        while not self._over.wait(0.5):
            at_ms = now_ms()
            for partition in range(self.scene.partitions):
                self.scene.send("well", at_ms, partition)
                self.scene.send("ill", at_ms, partition, success=False)
                if self.is_fast:
                    self.scene.send("fast-clock", at_ms + self._ahead_ms, partition)
            self.scene.flush()

    def end(self) -> None:
        self._over.set()
        self.join()


class Live(Traffic):
    """One platform whose clock is right, on one partition."""

    def __init__(self, scene: Scene, partition: int) -> None:
        super().__init__(scene, 0)
        self._partition = partition

    def run(self) -> None:
        while not self._over.wait(0.5):
            self.scene.send("live", now_ms(), self._partition)
            self.scene.flush()
