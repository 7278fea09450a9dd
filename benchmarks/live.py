"""Measure what live traffic costs: processor time, bytes on Kafka, and how late minutes are."""

import json
import secrets
import time
from collections import defaultdict

import numpy as np
from confluent_kafka import Producer

from benchmarks.load import MINUTE_MS, operation_name, platform_name
from benchmarks.places import Place, bytes_on_kafka, ends, records
from benchmarks.publishing import Publishing
from benchmarks.worker import SERIES_LIMIT, Worker, started

#: After an assignment, and until the first minutes are full of traffic.
_WARM_S = 20.0
#: What waits is published within this time after the last operation.
_AFTER_S = 10.0
_BATCHES_A_SECOND = 20
_SERVICES = 20
_SERVICE_EVERY_S = 5
#: Each operation of this name and of these first platforms is compared with what is published.
_WATCHED_OPERATION, _WATCHED_PLATFORMS = 1, 50
#: The topics whose bytes are prices in scale.md, and what a record of each is.
_TOPICS = {"aggregates": "aggregate", "partials": "partial", "measure-windows-changelog": "row"}


class Traffic(Publishing):
    """Publishes operations as they happen, at a fixed rate; a platform's to one partition."""

    def __init__(self, place: Place, a_second: int, operations: int, platforms: int) -> None:
        super().__init__()
        self.sent = 0
        self.watched: dict[tuple[str, int], list[int]] = defaultdict(list)
        """When the operations of a watched series happened, by its name and minute."""
        self._place = place
        self._batch = a_second // _BATCHES_A_SECOND
        self._operations = [operation_name(i) for i in range(operations)]
        self._platforms = [platform_name(i) for i in range(platforms)]

    def run(self) -> None:
        producer = Producer({"bootstrap.servers": self._place.bootstrap, "linger.ms": 5})
        rng = np.random.default_rng(1)
        begun = time.monotonic()
        while not self.ended.is_set():
            for platform, value in self._values(rng):
                partition = platform % self._place.partitions
                producer.produce(self._place.operations, value, partition=partition)
            producer.poll(0)
            self.sent += self._batch
            due = begun + self.sent / (self._batch * _BATCHES_A_SECOND)
            time.sleep(max(0.0, due - time.monotonic()))
        producer.flush()

    def _values(self, rng: np.random.Generator) -> list[tuple[int, bytes]]:
        now_ms, size = int(time.time() * 1000), self._batch
        drawn = zip(
            rng.integers(len(self._operations), size=size).tolist(),
            rng.integers(len(self._platforms), size=size).tolist(),
            rng.random(size).round(3).tolist(),
            rng.lognormal(5.0, 0.6, size).round(3).tolist(),
            (rng.random(size) < 0.93).tolist(),
            strict=True,
        )
        values = []
        for operation, platform, confidence, duration_ms, success in drawn:
            fields = {
                "id": secrets.token_hex(8),
                "operation": self._operations[operation],
                "platform": self._platforms[platform],
                "occurred_at": now_ms,
                "success": success,
                "duration_ms": duration_ms,
                "confidence": confidence,
            } | ({} if success else {"error_type": "TimeoutError"})
            values.append((platform, json.dumps(fields).encode()))
            if operation == _WATCHED_OPERATION and platform < _WATCHED_PLATFORMS:
                series = f'{fields["operation"]}{{platform="{fields["platform"]}"}}'
                self.watched[series, now_ms // MINUTE_MS * MINUTE_MS].append(now_ms)
        return values


class Heartbeats(Publishing):
    """Publishes heartbeats of services as they are due."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def run(self) -> None:
        producer = Producer({"bootstrap.servers": self._place.bootstrap})
        while not self.ended.wait(_SERVICE_EVERY_S):
            for number in range(_SERVICES):
                service = f"service-{number}"
                beat = {
                    "service": service,
                    "sent_at": int(time.time() * 1000),
                    "every_s": _SERVICE_EVERY_S,
                }
                producer.produce(f"{self._place.prefix}heartbeats", json.dumps(beat), service)
            producer.flush()


def live(place: Place, seconds: float) -> dict[str, float]:
    """Measure 1,000 operations/s over 500 series: the worker's processor time, bytes written."""
    traffic = Traffic(place, 1_000, operations=9, platforms=46)
    with started(place) as worker:
        start_s = worker.ready_after()
        with traffic:
            time.sleep(_WARM_S)
            sizes, counts = bytes_on_kafka(place), _counts(place)
            core, rate = _cost(worker, seconds)
            sizes_after, counts_after = bytes_on_kafka(place), _counts(place)
    written = {topic: size - sizes.get(topic, 0) for topic, size in sizes_after.items()}
    read = written.pop("operations")
    figures = {
        "live_start_s": start_s,
        "live_core": core,
        "live_rate": rate,
        "live_bytes_ratio": sum(written.values()) / read,
        "live_operation_bytes": read / (rate * seconds),
    }
    for topic, what in _TOPICS.items():
        share = written.get(topic, 0)
        figures[f"live_{what}_bytes"] = share / max(counts_after[topic] - counts[topic], 1)
        figures[f"live_{what}s_per_s"] = (counts_after[topic] - counts[topic]) / seconds
        figures[f"live_{what}_ratio"] = share / read
    return figures


def live_many(place: Place, seconds: float, rules: str) -> dict[str, float]:
    """Measure 10,000 operations/s over 10,000 series: processor time, and how late minutes are."""
    traffic, heartbeats = Traffic(place, 10_000, operations=9, platforms=996), Heartbeats(place)
    with started(place, OPWATCH_RULE_FILE=rules, OPWATCH_SERIES_LIMIT=SERIES_LIMIT) as worker:
        worker.ready_after()
        with heartbeats, traffic:
            time.sleep(_WARM_S)
            begun_ms = int(time.time() * 1000)
            revisions = worker.metric("opwatch_aggregates_total")
            core, rate = _cost(worker, seconds)
            revisions = worker.metric("opwatch_aggregates_total") - revisions
            memory_mb, series = worker.used().rss_mb, worker.metric("opwatch_series")
        time.sleep(_AFTER_S)
    delays = sorted(_delays(place, traffic, begun_ms))
    return {
        "many_core": core,
        "many_rate": rate,
        "many_series": series,
        "many_aggregates_per_s": revisions / seconds,
        "many_rss_mb": memory_mb,
        "many_delay_s": delays[-1],
        "many_delay_p99_s": delays[int(0.99 * (len(delays) - 1))],
        "many_delay_median_s": delays[len(delays) // 2],
    }


def _cost(worker: Worker, seconds: float) -> tuple[float, float]:
    """Return the share of a core that a worker uses, and the operations that it counts a second."""
    before = worker.used()
    time.sleep(seconds)
    after = worker.used()
    passed_s = after.at - before.at
    return (after.cpu_s - before.cpu_s) / passed_s, (after.counted - before.counted) / passed_s


def _counts(place: Place) -> dict[str, int]:
    return {topic: sum(ends(place, topic).values()) for topic in _TOPICS}


def _delays(place: Place, traffic: Traffic, begun_ms: int) -> list[float]:
    """Return the seconds from each watched operation to the aggregate that counts it; inf: none.

    A series' operations are in one partition: the first aggregate with a count of n has the n-th.
    """
    published: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    watched = {
        f"{series}/1m/{minute}".encode(): (series, minute) for series, minute in traffic.watched
    }
    for message in records(place, "aggregates"):
        if (key := watched.get(message.key())) and message.value():
            count = json.loads(message.value())["count"]
            published[key].append((message.timestamp()[1], count))
    delays = []
    for key, happened in traffic.watched.items():
        revisions = sorted(published[key])
        at = 0
        for number, happened_ms in enumerate(happened, 1):
            while at < len(revisions) and revisions[at][1] < number:
                at += 1
            if happened_ms >= begun_ms:
                seen_ms = revisions[at][0] if at < len(revisions) else float("inf")
                delays.append((seen_ms - happened_ms) / 1000)
    return delays
