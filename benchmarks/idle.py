"""Measure what an idle worker costs, and how soon it counts new operations, by partitions.

python -m benchmarks.idle --partitions 8 24 64 256
"""

import argparse
import json
import os
import secrets
import time

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks import race
from benchmarks.environment import say
from benchmarks.worker import Place, Worker, started

#: Operations to count, over all partitions.
OPERATIONS = 2_000
#: After an assignment rows are restored, topics fetched for the first time, modules imported.
_SETTLE_S = 20.0
_DEADLINE_S = 120.0


def idle_share(worker: Worker, seconds: float) -> float:
    """Return the share of a core that the worker uses."""
    process = psutil.Process(worker.pid)
    before = race.sample(process, 0)
    time.sleep(seconds)
    after = race.sample(process, 0)
    return (after.cpu_s - before.cpu_s) / (after.at - before.at)


def counted_after(place: Place, operations: int = OPERATIONS) -> float:
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
            raise race.Failed(f"{sum(counts.values())} of {operations} counted")
    reader.close()
    return time.monotonic() - began


def measure(bootstrap: str, partitions: int, seconds: float) -> dict[str, float]:
    """Return what an idle worker with these partitions costs, and how soon it counts."""
    place = Place(
        bootstrap=bootstrap, prefix=f"idle-{secrets.token_hex(4)}.", partitions=partitions
    )
    try:
        with started(place) as worker:
            _ready(worker)
            time.sleep(_SETTLE_S)
            share = idle_share(worker, seconds)
            counted_s = counted_after(place)
    finally:
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 4})
        topics = [name for name in admin.list_topics(timeout=10).topics if place.prefix in name]
        for deletion in admin.delete_topics(topics).values():
            deletion.result(60)
    return {"partitions": partitions, "idle": share, "counted_s": counted_s}


def _ready(worker: Worker) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not worker.is_ready():
        if time.monotonic() > deadline:
            raise race.Failed("the worker did not become ready")
        time.sleep(0.5)


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--partitions", nargs="+", type=int, default=[8, 24, 64, 256])
    parser.add_argument("--seconds", type=float, default=30.0, help="of idling")
    options = parser.parse_args()
    bootstrap = os.environ["OPWATCH_KAFKA_BOOTSTRAP"]
    print("| partitions | idle, of a core | 2,000 operations counted after |")
    print("|-----------:|----------------:|-------------------------------:|")
    for partitions in options.partitions:
        say(f"{partitions} partitions …")
        found = measure(bootstrap, partitions, options.seconds)
        print(f"| {partitions} | {found['idle']:.1%} | {found['counted_s']:.1f} s |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
