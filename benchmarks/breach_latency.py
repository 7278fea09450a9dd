"""Measure how soon a breach is on its topic, from the event that crosses the threshold.

Beside 20,000 operations a second, one platform after the other fails: 30 operations, all of them
failures, against a rule that asks for 20. The clock starts when the broker has the twentieth.
"""

import json
import secrets
import statistics
import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.places import Place
from benchmarks.publishing import Publishing
from benchmarks.worker import started

_RULES = """
version: 1
rules:
  - name: high_error_rate
    kind: metric_threshold
    metric: error_rate
    each: platform
    operator: greater_than
    threshold: 5
    window: 5m
    min_samples: 20
"""
_FAILING, _CROSSES = 30, 20
_PAUSE_S = 0.5
_BATCH = 200
_WAIT_S = 30.0
_WARM_S = 5.0


def operation(platform: str, *, success: bool) -> bytes:
    """Return an operation that happened now."""
    fields = {
        "id": secrets.token_hex(8),
        "operation": "parse",
        "platform": platform,
        "occurred_at": int(time.time() * 1000),
        "success": success,
        "duration_ms": 12.5,
    }
    return json.dumps(fields).encode()


class Traffic(Publishing):
    """Publishes successful operations at a fixed rate."""

    def __init__(self, place: Place, a_second: int) -> None:
        super().__init__()
        self.sent = 0
        self.seconds = 0.0
        self._place = place
        self._a_second = a_second

    def run(self) -> None:
        producer = Producer({"bootstrap.servers": self._place.bootstrap, "linger.ms": 5})
        begun = time.monotonic()
        while not self.ended.is_set():
            value = operation(f"board-{self.sent // _BATCH % 8}", success=True)
            for _ in range(_BATCH):
                producer.produce(self._place.operations, value)
            self.sent += _BATCH
            producer.poll(0)
            time.sleep(max(0.0, begun + self.sent / self._a_second - time.monotonic()))
        producer.flush()
        self.seconds = time.monotonic() - begun


def latencies(place: Place, breaches: int) -> list[float]:
    """Return the seconds from the crossing event to each breach; inf if it never came."""
    crossed: dict[str, int] = {}

    def delivered(platform: str):
        return lambda _, message: crossed.__setitem__(platform, message.timestamp()[1])

    producer = Producer({"bootstrap.servers": place.bootstrap, "linger.ms": 0})
    for number in range(breaches):
        platform = f"failing-{number}"
        for event in range(1, _FAILING + 1):
            on_delivery = delivered(platform) if event == _CROSSES else None
            value = operation(platform, success=False)
            producer.produce(place.operations, value, partition=0, on_delivery=on_delivery)
        producer.flush()
        time.sleep(_PAUSE_S)
    opened = _opened(place, set(crossed))
    return [(opened.get(name, float("inf")) - at) / 1000 for name, at in crossed.items()]


def _opened(place: Place, wanted: set[str]) -> dict[str, float]:
    consumer = Consumer({"bootstrap.servers": place.bootstrap, "group.id": f"{place.prefix}bench"})
    consumer.assign([TopicPartition(f"{place.prefix}breaches", 0, 0)])
    opened: dict[str, float] = {}
    give_up = time.monotonic() + _WAIT_S
    while wanted - opened.keys() and time.monotonic() < give_up:
        for message in consumer.consume(1000, timeout=0.5):
            breach = json.loads(message.value())
            if breach["state"] == "opened":
                opened.setdefault(breach["labels"].get("platform", ""), message.timestamp()[1])
    consumer.close()
    return opened


def breach_latency(place: Place, breaches: int, beside: int) -> dict[str, float]:
    """Return the seconds to a breach beside other operations; inf: one never came."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.yaml"
        rules.write_text(_RULES)
        with started(place, OPWATCH_RULE_FILE=str(rules)) as worker:
            worker.ready_after()
            with Traffic(place, beside) as traffic:
                while not worker.counted():
                    time.sleep(0.5)
                time.sleep(_WARM_S)
                before = worker.used()
                found = sorted(latencies(place, breaches))
                after = worker.used()
    return {
        "breach_median_s": statistics.median(found),
        "breach_p99_s": found[int(0.99 * (len(found) - 1))],
        "breach_worst_s": found[-1],
        "breach_beside_per_s": traffic.sent / traffic.seconds,
        "breach_core": (after.cpu_s - before.cpu_s) / (after.at - before.at),
    }
