"""Run `opwatch worker store` on a PostgreSQL of its own, and compare its rows with the topics.

What is expected is calculated from the records themselves, in plain Python and nothing of ours.
"""

import asyncio
import json
import random
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import asyncpg
from confluent_kafka import Producer

from agents.database import migrate
from agents.kafka import topic_creation
from agents.kafka.role_topics import everything
from agents.runtime.settings import Settings
from stack.postgres import LocalPostgres
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.tcp_proxy import TcpProxy
from tests.databases import settings_of
from tests.history_records import START_MS, breach, window

PARTITIONS = 2
SIZES = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000}
#: By another name than in the code that writes them.
FIGURES = {
    "success_rate": ("success_rate", 100),
    "error_rate": ("error_rate", 100),
    "response_time": ("duration_ms.mean", 1),
    "response_time_p50": ("duration_ms.p50", 1),
    "response_time_p95": ("duration_ms.p95", 1),
    "response_time_p99": ("duration_ms.p99", 1),
    "cache_hit_rate": ("cache.hit_rate", 100),
    "cache_miss_rate": ("cache.miss_rate", 100),
    "cache_eviction_rate": ("cache.eviction_rate", 100),
    "cache_average_ttl": ("cache.average_ttl_s", 1),
}


class StoreScene:
    """Topics, a database behind a proxy, and workers that store."""

    def __init__(self, kafka: str, prefix: str, folder: Path, seed: int = 0, **more: str) -> None:
        self.kafka, self.prefix = kafka, prefix
        self.random = random.Random(seed)
        self.postgres = LocalPostgres(folder / "postgres").start()
        assert self.postgres.port is not None
        self.proxy = TcpProxy("127.0.0.1", self.postgres.port)
        self.url = self.postgres.url
        with _migrates:
            asyncio.run(migrate.upgrade(settings_of(self.url)))
        chosen = Settings(
            _env_file=None, kafka_bootstrap=kafka, topic_prefix=prefix, partitions=PARTITIONS
        )
        asyncio.run(topic_creation.ensure(chosen, everything(chosen)))
        through = self.url.replace(str(self.postgres.port), str(self.proxy.port))
        self.workers = Workers(
            kafka,
            prefix,
            PARTITIONS,
            folder,
            role="store",
            METRICS_DATABASE_URL=through,
            OPWATCH_DB_INTERVAL_S="0.2",
            OPWATCH_DB_TIMEOUT_S="2",
            OPWATCH_SESSION_TIMEOUT_S="6",
            **more,
        )
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5})
        self._counts: dict[tuple[str, str, int], int] = {}
        self._serial = 0

    def publish(self, count: int) -> None:
        """Publish revisions of windows, some of them older ones, and records of other topics."""
        for _ in range(count):
            self._serial += 1
            match self.random.randrange(10):
                case 0:
                    self._publish_breach()
                case 1:
                    self._publish_decision()
                case _:
                    self._publish_window()
        assert self._producer.flush(30) == 0

    def _publish_window(self) -> None:
        draw = self.random
        size = draw.choice(list(SIZES))
        start_ms = START_MS + SIZES[size] * draw.randrange(3)
        operation = f"op{draw.randrange(12)}"
        series = operation if draw.random() < 0.5 else f'{operation}{{platform="lever"}}'
        key = series, size, start_ms
        count = self._counts[key] = self._counts.get(key, 0) + draw.randrange(1, 20)
        if draw.random() < 0.2:  # a former owner writes late
            count = draw.randrange(1, count + 1)
        durations = [round(draw.lognormvariate(3, 1), 3) for _ in range(count)]
        failures = draw.randrange(count + 1)
        record = window(series, size, start_ms, durations, failures, final=draw.random() < 0.7)
        self._send("aggregates", *record, partition=zlib.crc32(series.encode()) % PARTITIONS)

    def _publish_breach(self) -> None:
        number = self._serial // 20
        fields = breach(f"episode-{number}", revision=self.random.randrange(1, 9))
        self._send("breaches", b"f1", json.dumps(fields).encode())

    def _publish_decision(self) -> None:
        decision = {
            "id": f"decision-{self._serial}",
            "fingerprint": "f1",
            "breach_id": f"episode-{self._serial // 20}",
            "rule": "parse-errors",
            "series": "parse",
            "severity": "high",
            "channel": "slack",
            "event": "opened",
            "reason": "sent",
            "sentence": "Sent.",
            "now_ms": START_MS + self._serial,
            "cause": {"kind": "tick"},
        }
        self._send("notifications", b"f1", json.dumps(decision).encode())

    def _send(self, topic: str, key: bytes, value: bytes, partition: int = 0) -> None:
        self._producer.produce(self.prefix + topic, value, key=key, partition=partition)
        self._producer.poll(0)

    def send(self, topic: str, record: tuple[bytes, bytes]) -> None:
        """Publish a record as it is."""
        self._send(topic, *record)
        assert self._producer.flush(30) == 0

    def query(self, statement: str) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.url, timeout=5)
            try:
                return list(await connection.fetch(statement))
            finally:
                await connection.close()

        return asyncio.run(ask())

    def execute(self, statement: str) -> None:
        self.query(statement)

    def catches_up(self, within_s: float = 60.0) -> None:
        """Wait until the database says that it has all records, then compare every row."""
        until = time.monotonic() + within_s
        while self._stored() != self.ends():
            assert time.monotonic() < until, (self._stored(), self.ends())
            self.workers.supervise()
            time.sleep(0.2)
        self.compare()

    def _stored(self) -> dict[str, int]:
        rows = self.query("SELECT topic, next_offset FROM opwatch.consumed_offsets")
        found = dict.fromkeys(TOPICS, 0)
        for topic, offset in rows:
            name = topic.removeprefix(self.prefix)
            found[name] = found.get(name, 0) + offset
        return {name: found[name] for name in TOPICS}

    def ends(self) -> dict[str, int]:
        return {name: len(self._records(name)) for name in TOPICS}

    def _records(self, topic: str) -> list[Any]:
        return list(oracle.read_topic(self.kafka, self.prefix + topic))

    def latest(self, topic: str) -> set[bytes]:
        """Return the keys of a topic that are aggregates."""
        return {record.key() for record in self._records(topic) if record.key() != b"x"}

    def compare(self) -> None:
        """Compare every row with the records."""
        windows: dict[tuple[str, str, int], dict[str, Any]] = {}
        finals: dict[tuple[str, str, int], dict[str, Any]] = {}
        for record in self._records("aggregates"):
            value = json.loads(record.value())
            key = _series(value["series"]), value["window"]["size"], value["window"]["start_ms"]
            rank = value["revision"], value["final"]
            for of, counts in ((windows, True), (finals, value["final"])):
                held = of.get(key)
                if counts and (held is None or rank >= (held["revision"], held["final"])):
                    of[key] = value
        self._compare_windows(windows)
        self._compare_figures(finals)
        breaches: dict[str, dict[str, Any]] = {}
        for record in self._records("breaches"):
            value = json.loads(record.value())
            if value["revision"] >= breaches.get(value["id"], {"revision": 0})["revision"]:
                breaches[value["id"]] = value
        rows = self.query("SELECT id, revision FROM opwatch.alerts")
        assert {row["id"]: row["revision"] for row in rows} == {
            name: value["revision"] for name, value in breaches.items()
        }
        decisions = [json.loads(record.value())["id"] for record in self._records("notifications")]
        rows = self.query("SELECT id FROM opwatch.notifications")
        assert sorted(row["id"] for row in rows) == sorted(decisions)

    def _compare_windows(self, expected: dict[tuple[str, str, int], dict[str, Any]]) -> None:
        rows = self.query("SELECT * FROM opwatch.windows")
        assert len(rows) == len(expected)
        for row in rows:
            value = expected[row["series"], row["size"], round(row["start_at"].timestamp() * 1000)]
            stored = {
                "revision": row["revision"],
                "final": row["final"],
                "count": row["count"],
                "failures": row["failures"],
                "success_rate": row["success_rate"],
                "p95": row["p95_ms"],
                "sum": row["duration_sum_ms"],
                "hits": row["cache_hits"],
                "digest": _digest(row["digest"]),
                "exemplars": json.loads(row["exemplars"]),
            }
            assert stored == {
                "revision": value["revision"],
                "final": value["final"],
                "count": value["count"],
                "failures": value["failures"],
                "success_rate": value["success_rate"],
                "p95": value["duration_ms"]["p95"],
                "sum": value["duration_ms"]["sum"],
                "hits": value["cache"]["hits"],
                "digest": [
                    (_float32(each["m"]), each["c"]) for each in value["digest"]["centroids"]
                ],
                "exemplars": value["exemplars"],
            }

    def _compare_figures(self, finals: dict[tuple[str, str, int], dict[str, Any]]) -> None:
        expected = {}
        for (_, size, start_ms), value in finals.items():
            if size == "1m":
                continue
            series = value["series"]
            end = datetime(1970, 1, 1) + timedelta(milliseconds=start_ms + SIZES[size])  # noqa: DTZ001
            place = series["operation"], series["platform"], size, end
            expected[("throughput", *place)] = _four(value["count"] / (SIZES[size] / 1000))
            for metric, (path, times) in FIGURES.items():
                figure: Any = value
                for name in path.split("."):
                    figure = figure[name]
                if figure is not None:
                    expected[(metric, *place)] = _four(times * figure)
        rows = self.query(
            "SELECT metric_type, additional_data->>'operation' AS operation, platform,"
            " measurement_window, measured_at, metric_value FROM opwatch.performance_metrics"
        )
        assert len(rows) == len(expected)
        assert {tuple(row)[:5]: row["metric_value"] for row in rows} == expected

    def close(self) -> None:
        self.workers.close()
        self.proxy.close()
        self.postgres.stop()


TOPICS = ("aggregates", "breaches", "notifications")
#: Alembic has one context for all threads.
_migrates = threading.Lock()


@contextmanager
def store_scene(kafka: str, prefix: str, folder: Path, seed: int = 0) -> Iterator[StoreScene]:
    scene = StoreScene(kafka, prefix, folder, seed)
    try:
        yield scene
    finally:
        scene.close()
        for name in ("s0", "s1"):
            log = folder / f"{name}.log"
            if log.exists():
                print(name, log.read_text()[-3000:])


def _series(series: dict[str, Any]) -> str:
    if series["platform"] is None:
        return str(series["operation"])
    return f'{series["operation"]}{{platform="{series["platform"]}"}}'


def _digest(packed: bytes) -> list[tuple[float, int]]:
    width = {0: 0, 1: 2, 2: 4, 3: 8}[packed[0]]
    count = (len(packed) - 1) // (4 + width)
    means = struct.unpack_from(f"<{count}f", packed, 1)
    kind = {0: "", 1: "H", 2: "I", 3: "d"}[packed[0]]
    weights = struct.unpack_from(f"<{count}{kind}", packed, 1 + 4 * count) if kind else [1] * count
    return list(zip(means, (int(weight) for weight in weights), strict=True))


def _float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _four(value: float) -> Decimal:
    return Decimal(value).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
