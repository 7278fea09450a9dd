"""Compute every window from the records on `operations`, in plain Python and nothing of ours."""

import bisect
import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

SIZES = {"1m": 60, "5m": 300, "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800}
LATENESS_MS, FUTURE_MS = 3_600_000, 60_000


@dataclass
class Truth:
    count: int = 0
    successes: int = 0
    duration_us: int = 0
    hits: int = 0
    misses: int = 0
    failures_by_type: Counter = field(default_factory=Counter)
    durations: list[float] = field(default_factory=list)
    late: bool = False


class Reader:
    """Reads a topic from its start, and at each call what has come since the last."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "oracle",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        partitions = self._consumer.list_topics(topic, timeout=30).topics[topic].partitions
        self._partitions = [TopicPartition(topic, p) for p in partitions]
        self._consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])

    def read(self) -> list[Any]:
        """Return the records up to the topic's end as it is now."""
        ends = {at.partition: _end(self._consumer, at) for at in self._partitions}
        records: list[Any] = []
        while any(
            at.offset < ends[at.partition] and ends[at.partition] > 0
            for at in self._consumer.position(self._partitions)
        ):
            records += [r for r in self._consumer.consume(10_000, 0.2) if not r.error()]
        return records

    def close(self) -> None:
        self._consumer.close()

    @property
    def exists(self) -> bool:
        return bool(self._partitions)


class Standing:
    """The aggregates that stand, by key; each record is read once, however often it is asked."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._where = bootstrap, prefix + "aggregates"
        self._reader: Reader | None = None
        self._found: dict[str, dict[str, Any]] = {}

    def read(self) -> dict[str, dict[str, Any]]:
        """Return them as they are now."""
        if self._reader is None:
            self._reader = Reader(*self._where)
        for record in self._reader.read():
            aggregate = orjson.loads(record.value())
            known = self._found.get(key := record.key().decode())
            if known is None or aggregate["revision"] >= known["revision"]:
                self._found[key] = aggregate
        if not self._reader.exists:
            self._reader = None
        return self._found

    def total(self, series: str = "*") -> int:
        """Return how many operations the minutes of a series count."""
        return sum(
            aggregate["count"]
            for key, aggregate in self.read().items()
            if key.startswith(f"{series}/1m/")
        )


def read_topic(bootstrap: str, topic: str) -> list[Any]:
    """Return all records of a topic."""
    reader = Reader(bootstrap, topic)
    records = reader.read()
    reader.close()
    return records


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """Return where a partition ends; a broker that has just come back needs a moment to know."""
    give_up_s = time.monotonic() + 30
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=30)[1]
        except KafkaException:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.5)


def window_start(size: str, when_ms: int) -> int:
    if size == "7d":
        day = datetime.fromtimestamp(when_ms / 1000, UTC).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        return int((day - timedelta(days=day.weekday())).timestamp()) * 1000
    span = SIZES[size] * 1000
    return when_ms - when_ms % span


def series_of(event: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    platform, confidence = event.get("platform", "generic"), event.get("confidence")
    series: list[tuple[str, str | None, str | None]] = []
    for operation in ("*", event["operation"]):
        series += [(operation, None, None), (operation, platform, None)]
        if confidence is not None:
            level = "low" if confidence < 0.5 else "medium" if confidence < 0.8 else "high"
            series.append((operation, None, level))
    return series


def judge(value: bytes | None, stamp_ms: int) -> list[tuple[int | None, dict[str, Any] | None]]:
    """Return (index, operation, or None where it is bad) for each that a record holds."""

    def good(event: Any) -> bool:
        try:
            age = stamp_ms - event["occurred_at"]
            return (
                {"id", "operation", "success", "duration_ms"} <= event.keys()
                and 0 <= event["duration_ms"] < float("inf")
                and -FUTURE_MS <= age <= LATENESS_MS
            )
        except (TypeError, KeyError, AttributeError):
            return False

    try:
        told = json.loads(value or b"")
    except ValueError:
        return [(None, None)]
    if not isinstance(told, list):
        return [(None, told if good(told) else None)]
    return [(i, one if good(one) else None) for i, one in enumerate(told)] or [(None, None)]


def compute(records: list[Any], grace_ms: int) -> tuple[dict[tuple, Truth], set[str]]:
    """Return the truth by (series, size, start), and the keys that dead letters must have."""
    windows: dict[tuple, Truth] = defaultdict(Truth)
    dead: set[str] = set()
    newest_ms = 0
    reached_ms: dict[int, int] = defaultdict(int)
    for record in records:
        _, stamp_ms = record.timestamp()
        where = f"{record.topic()}/{record.partition()}/{record.offset()}"
        for index, event in judge(record.value(), stamp_ms):
            if event is None:
                dead.add(f"{where}/{'-' if index is None else index}")
                continue
            when_ms = event["occurred_at"]
            newest_ms = max(newest_ms, when_ms)
            # A batch that its producer sent again may stand behind later ones of its partition.
            reached_ms[record.partition()] = max(reached_ms[record.partition()], when_ms)
            behind_ms = reached_ms[record.partition()] - when_ms
            starts = [(size, window_start(size, when_ms)) for size in SIZES]
            for series in series_of(event):
                for start in starts:
                    truth = windows[(*series, *start)]
                    truth.count += 1
                    truth.successes += event["success"]
                    truth.duration_us += round(event["duration_ms"] * 1000)
                    truth.hits += event.get("cache") == "hit"
                    truth.misses += event.get("cache") == "miss"
                    if not event["success"]:
                        truth.failures_by_type[event.get("error_type")] += 1
                    truth.durations.append(event["duration_ms"])
                    truth.late |= behind_ms > grace_ms / 2
    return windows, dead


def disordered(records: list[Any]) -> int:
    """Return how many records stand behind later ones of their partition."""
    reached_ms: dict[int, int] = defaultdict(int)
    count = 0
    for record in records:
        _, stamp_ms = record.timestamp()
        count += stamp_ms < reached_ms[record.partition()]
        reached_ms[record.partition()] = max(reached_ms[record.partition()], stamp_ms)
    return count


def percentile_holds(ordered: list[float], rank: float, value: float) -> bool:
    """Return whether a percentile keeps the promise: 0.5 % in value, or 0.1 point in rank."""
    place = rank * (len(ordered) - 1)
    low = ordered[int(place)]
    high = ordered[min(int(place) + 1, len(ordered) - 1)]
    exact = low + (high - low) * (place - int(place))
    if abs(value - exact) <= 0.005 * exact:
        return True
    # Between two neighbours every value is as good: up to a sample, or 0.1 point, either side.
    slack = max(1.0, 0.001 * len(ordered))
    at_least, at_most = bisect.bisect_left(ordered, value), bisect.bisect_right(ordered, value)
    return at_least <= place + slack and at_most >= place - slack
