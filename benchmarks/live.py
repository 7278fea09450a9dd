"""Measure what live traffic costs: processor time, bytes on Kafka, and the restart after it.

python -m stack run -- python -m benchmarks.live --seconds 90
"""

import argparse
import json
import os
import secrets
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from benchmarks import race
from benchmarks.environment import say
from benchmarks.load import operation_name, platform_name
from benchmarks.worker import Place, Worker, started

#: After an assignment, and until the first minutes are full of traffic.
_WARM_S = 20.0
_BATCHES_A_SECOND = 20
_READY_DEADLINE_S = 120.0


class Traffic(threading.Thread):
    """Publishes operations as they happen, at a fixed rate, to random partitions."""

    def __init__(self, place: Place, a_second: int, operations: int, platforms: int) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._place = place
        self._batch = a_second // _BATCHES_A_SECOND
        self._operations = [operation_name(i) for i in range(operations)]
        self._platforms = [platform_name(i) for i in range(platforms)]
        self._ended = threading.Event()

    def run(self) -> None:
        producer = Producer({"bootstrap.servers": self._place.bootstrap, "linger.ms": 5})
        rng = np.random.default_rng(1)
        begun = time.monotonic()
        while not self._ended.is_set():
            for value in self._values(rng):
                partition = int(rng.integers(self._place.partitions))
                producer.produce(self._place.operations, value, partition=partition)
            producer.poll(0)
            self.sent += self._batch
            due = begun + self.sent / (self._batch * _BATCHES_A_SECOND)
            time.sleep(max(0.0, due - time.monotonic()))
        producer.flush()

    def _values(self, rng: np.random.Generator) -> list[bytes]:
        now_ms, size = int(time.time() * 1000), self._batch
        drawn = zip(
            rng.integers(len(self._operations), size=size).tolist(),
            rng.integers(len(self._platforms), size=size).tolist(),
            rng.random(size).round(3).tolist(),
            rng.lognormal(5.0, 0.6, size).round(3).tolist(),
            (rng.random(size) < 0.93).tolist(),
            strict=True,
        )
        return [
            json.dumps(
                {
                    "id": secrets.token_hex(8),
                    "operation": self._operations[operation],
                    "platform": self._platforms[platform],
                    "occurred_at": now_ms,
                    "success": success,
                    "duration_ms": duration_ms,
                    "confidence": confidence,
                }
                | ({} if success else {"error_type": "TimeoutError"})
            ).encode()
            for operation, platform, confidence, duration_ms, success in drawn
        ]

    def end(self) -> None:
        self._ended.set()
        self.join()


def bytes_on_kafka(folder: Path, prefix: str) -> dict[str, int]:
    """Return the bytes of each topic's log on the broker's disk, as it is compressed there."""
    sizes: dict[str, int] = defaultdict(int)
    for log in folder.rglob(f"{prefix}*/*.log"):
        topic = log.parent.name.removeprefix(prefix).rpartition("-")[0]
        sizes[topic] += log.stat().st_size
    if not sizes:
        raise race.Failed(f"no logs of the broker are below {folder}: name its folder with --logs")
    return dict(sizes)


def ready_after(worker: Worker) -> float:
    """Return the seconds until the worker has restored its rows."""
    began = time.monotonic()
    while not worker.is_ready():
        if time.monotonic() - began > _READY_DEADLINE_S:
            raise race.Failed("the worker did not become ready")
        time.sleep(0.1)
    return time.monotonic() - began


def measure(place: Place, options: argparse.Namespace) -> None:
    """Print what the traffic costs, and how soon a killed worker counts again."""
    traffic = Traffic(place, options.rate, options.operations, options.platforms)
    folder = Path(options.logs)
    with started(place) as worker:
        ready_after(worker)
        traffic.start()
        time.sleep(_WARM_S)
        process = psutil.Process(worker.pid)
        say(f"worker {worker.pid}")
        before, sizes = race.sample(process, worker.counted()), bytes_on_kafka(folder, place.prefix)
        time.sleep(options.seconds)
        after, ends = race.sample(process, worker.counted()), bytes_on_kafka(folder, place.prefix)
        if not options.restart:
            traffic.end()
        else:
            worker.kill()
    seconds, events = after.at - before.at, after.counted - before.counted
    written = {topic: size - sizes.get(topic, 0) for topic, size in ends.items()}
    read = written.pop("operations")
    core = (after.cpu_s - before.cpu_s) / seconds
    ratios = {topic: size / read for topic, size in written.items() if size}
    print(
        f"{events / seconds:,.0f} operations/s: {core:.2f} core, {after.rss_mb:,.0f} MB resident;"
        f" {read / seconds / 1e3:,.0f} KB/s read, for each byte {sum(ratios.values()):.1f} written:"
        + ",".join(f" {topic} {share:.2f}" for topic, share in sorted(ratios.items()))
    )
    if options.restart:
        killed = time.monotonic()
        with started(place) as worker:
            while not worker.counted():
                time.sleep(0.05)
            counting = time.monotonic() - killed
            ready_after(worker)
            print(
                f"after SIGKILL: counting again after {counting:.1f} s, ready after"
                f" {time.monotonic() - killed:.1f} s; changelog of"
                f" {ends.get('measure-windows-changelog', 0) / 1e6:,.0f} MB"
            )
            traffic.end()


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--operations", type=int, default=9)
    parser.add_argument("--platforms", type=int, default=46)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--restart", action="store_true", help="kill it, and time its successor")
    parser.add_argument("--logs", default=".stack", help="the broker's logs are below it")
    options = parser.parse_args()
    bootstrap = os.environ["OPWATCH_KAFKA_BOOTSTRAP"]
    prefix = f"live-{secrets.token_hex(4)}."
    place = Place(bootstrap=bootstrap, prefix=prefix, partitions=options.partitions)
    try:
        measure(place, options)
    finally:
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 4})
        topics = [name for name in admin.list_topics(timeout=10).topics if prefix in name]
        for deletion in admin.delete_topics(topics).values():
            deletion.result(60)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
