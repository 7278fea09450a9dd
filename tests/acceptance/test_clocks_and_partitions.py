"""No producer's clock moves everybody's time, and partitions that are added are counted."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests import topics
from tests.acceptance import oracle
from tests.acceptance.running import Running
from tests.acceptance.test_poison import latest, total
from tests.integration.command_line import Cli

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

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
        told = [json.loads(record.value()) for record in records]
        return {(one["rule"], one["series"], one["state"]) for one in told}

    def dead(self) -> Counter[bytes]:
        letters = oracle.read_topic(self.kafka, self.prefix + "dead-letters")
        return Counter(dict(one.headers())["reason"] for one in letters)

    def get(self, path: str) -> tuple[int, str]:
        return self.running.get(self.number, path)


@pytest.fixture
def scene(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    scenes: list[Scene] = []

    def made(name: str, *about: int) -> Scene:
        scenes.append(Scene(kafka, f"{prefix}{name}.", tmp_path / name, *about))
        return scenes[-1]

    yield made
    for one in scenes:
        one.running.close()
        for number in range(len(one.running.processes)):
            print(one.prefix, number, one.running.log(number)[-3000:])


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


FIRES = ("errors", '*{platform="ill"}')
AHEAD = "operation parse of platform fast-clock"


@pytest.fixture
def ahead(scene: Callable[..., Scene], eventually: Eventually) -> Iterator[list[Traffic]]:
    """Return traffic with clocks that are 55 minutes and a day ahead, while an alert is open."""
    found = [
        Traffic(scene(f"ahead-{each}", 2, 10 * DAY_MS), each * MINUTE_MS) for each in (55, 1440)
    ]
    begin_ms = now_ms()
    for one in (traffic.scene for traffic in found):
        one.start()
        for ago_s in range(180, 0, -5):
            for partition in range(one.partitions):
                one.send("well", begin_ms - ago_s * 1000, partition)
                one.send("ill", begin_ms - ago_s * 1000, partition, success=False)
        one.flush()
    for traffic in found:
        traffic.start()
    for traffic in found:
        eventually(lambda one=traffic.scene: (*FIRES, "opened") in one.breaches())
        traffic.is_fast = True
    yield found
    for traffic in found:
        traffic.end()


def test_a_clock_that_is_ahead_moves_nobodys_time(
    ahead: list[Traffic], eventually: Eventually
) -> None:
    scenes = [traffic.scene for traffic in ahead]
    named = r"opwatch_operations_ahead_total\{.*fast-clock.*\} [1-9]"
    for one in scenes:
        eventually(lambda one=one: AHEAD in one.get("/readyz")[1])
        assert one.get("/readyz")[0] == 200
        assert re.search(named, one.get("/metrics")[1])
        one.kill()
    for one in scenes:
        eventually(lambda one=one: one.running.is_ready(one.number))
    ends_ms = -(-now_ms() // MINUTE_MS) * MINUTE_MS
    time.sleep(max(0.0, ends_ms / 1000 - time.time()))
    for one in scenes:
        for series in ("*", '*{platform="well"}'):
            eventually(lambda one=one, s=series: ends_ms - MINUTE_MS in one.finals(s))
    for traffic in ahead:
        traffic.end()
        one = traffic.scene
        eventually(one.is_counted)
        assert AHEAD in one.get("/readyz")[1]
        finals = one.finals("*")
        assert max(finals) < now_ms()
        assert all(at_ms >= start_ms + MINUTE_MS for start_ms, (at_ms, _) in finals.items())
        said = one.breaches()
        assert {(rule, series) for rule, series, _ in said} == {FIRES}
        assert "resolved" not in {state for _, _, state in said}
        assert one.dead() == {}


def test_partitions_that_are_added_are_counted_and_nothing_is_final_before(
    scene: Callable[..., Scene], eventually: Eventually, tmp_path: Path
) -> None:
    one = scene("added", 3)
    one.start()
    # Half an hour of the log, as fast as it is written: a false final is not waited for.
    minute_ms = (now_ms() // MINUTE_MS - 30) * MINUTE_MS

    def send(partitions: range, *minutes: int) -> None:
        for minute in minutes:
            for partition in partitions:
                for second in range(0, 60, 20):
                    one.send("lever", minute_ms + minute * MINUTE_MS + second * 1000, partition)
        one.flush()

    send(range(3), *range(5))
    eventually(one.is_counted)
    eventually(lambda: len(one.finals("*")) == 4)
    topics.grow(one.admin, one.topic, 6)
    eventually(lambda: 'opwatch_unheard_sources{partition="0"} 3.0' in one.get("/metrics")[1])
    one.see_more_partitions()
    send(range(3), *range(5, 12))
    eventually(one.is_counted)
    time.sleep(3)
    assert len(one.finals("*")) == 4
    send(range(3, 6), *range(4, 9))
    eventually(one.is_counted)
    eventually(lambda: len(one.finals("*")) == 8)
    assert one.get("/readyz") == (200, "ok\n")

    one.kill()
    send(range(3), *range(12, 15))
    send(range(3, 6), *range(9, 15))
    eventually(one.is_counted)
    eventually(lambda: len(one.finals("*")) == 14)
    time.sleep(2)
    assert one.is_counted()
    # What each minute counted when it became final: all of it, at once.
    finals = [count for _, (_, count) in sorted(one.finals("*").items())]
    assert finals == [9] * 4 + [18] * 10
    assert one.dead() == {}
    assert one.running.ended() == [0]
    cli = Cli(one.kafka, tmp_path)
    answer = cli("topics", "check", OPWATCH_TOPIC_PREFIX=one.prefix)
    assert answer.returncode == 0, answer.stderr
    assert not re.search(r"has \d+ partition", answer.stderr)


def test_history_on_one_partition_beside_live_on_another_counts(
    scene: Callable[..., Scene], eventually: Eventually
) -> None:
    one = scene("history", 2)
    begin_ms = (now_ms() // MINUTE_MS) * MINUTE_MS - 5 * DAY_MS
    for minute in range(600):
        one.send("history", begin_ms + minute * MINUTE_MS, 0)
    one.flush()
    traffic = Live(one, 1)
    traffic.start()
    one.start()
    series = '*{platform="history"}'
    eventually(lambda: one.counted()[series] == 600)
    for minute in range(600, 1200):
        one.send("history", begin_ms + minute * MINUTE_MS, 0)
    one.flush()
    eventually(lambda: one.counted()[series] == 1200)
    eventually(lambda: len(one.finals(series)) >= 1198)
    one.kill()
    for minute in range(1200, 1300):
        one.send("history", begin_ms + minute * MINUTE_MS, 0)
    one.flush()
    eventually(lambda: len(one.finals(series)) >= 1298)
    traffic.end()
    eventually(one.is_counted)
    assert {count for _, count in one.finals(series).values()} == {1}
    assert max(one.finals("*")) < begin_ms + DAY_MS
    assert one.dead() == {}


class Live(Traffic):
    """One platform whose clock is right, on one partition."""

    def __init__(self, scene: Scene, partition: int) -> None:
        super().__init__(scene, 0)
        self._partition = partition

    def run(self) -> None:
        while not self._over.wait(0.5):
            self.scene.send("live", now_ms(), self._partition)
            self.scene.flush()
