"""Measure what an idle worker costs, and how soon it counts."""

import json
import time

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.places import Place
from benchmarks.race import Failed
from benchmarks.worker import Worker, started

#: Operations to count, over all partitions.
OPERATIONS = 2_000
#: After an assignment rows are restored, topics fetched for the first time, modules imported.
_SETTLE_S = 15.0
_DEADLINE_S = 120.0


def idle(place: Place, seconds: float) -> dict[str, float]:
    """Return the share of a core that an idle worker uses, and how soon it counts."""
    with started(place) as worker:
        worker.ready_after()
        time.sleep(_SETTLE_S)
        return {"idle": _share(worker, seconds), "counted_s": _counted_after(place)}


def _share(worker: Worker, seconds: float) -> float:
    before = worker.used()
    time.sleep(seconds)
    after = worker.used()
    return (after.cpu_s - before.cpu_s) / (after.at - before.at)


def _counted_after(place: Place, operations: int = OPERATIONS) -> float:
    """Publish operations to all partitions; return the seconds until aggregates count all."""
    reader = Consumer({"bootstrap.servers": place.bootstrap, "group.id": f"{place.prefix}check"})
    topic = f"{place.prefix}aggregates"
    reader.assign([TopicPartition(topic, number, 0) for number in range(place.partitions)])
    reader.consume(1, timeout=1.0)
    producer = Producer({"bootstrap.servers": place.bootstrap, "linger.ms": 5})
    began, now_ms = time.monotonic(), int(time.time() * 1000)
    for number in range(operations):
        body = {
            "id": f"{now_ms}-{number}",
            "operation": "parse",
            "platform": f"board-{number % 20}",
            "occurred_at": now_ms,
            "success": True,
            "duration_ms": 5,
        }
        producer.produce(
            place.operations, json.dumps(body).encode(), partition=number % place.partitions
        )
    producer.flush(30)
    counts: dict[int, int] = {}
    while sum(counts.values()) < operations:
        for message in reader.consume(1000, timeout=0.1):
            if message.error() or not message.value():
                continue
            aggregate = json.loads(message.value())
            series = aggregate["series"]
            if aggregate["window"]["size"] != "1m" or series.pop("operation") != "*":
                continue
            if not any(series.values()):
                start_ms = aggregate["window"]["start_ms"]
                counts[start_ms] = max(counts.get(start_ms, 0), aggregate["count"])
        if time.monotonic() - began > _DEADLINE_S:
            raise Failed(f"{sum(counts.values())} of {operations} counted")
    reader.close()
    return time.monotonic() - began
