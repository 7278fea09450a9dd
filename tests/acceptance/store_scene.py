"""Run `opwatch worker store` on a PostgreSQL of its own, and compare its rows with the topics."""

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
from confluent_kafka import Producer

from agents.database import migrate
from agents.kafka import topic_creation
from agents.kafka.role_topics import everything
from agents.runtime.settings import Settings
from stack.postgres import LocalPostgres
from tests.acceptance import oracle, store_comparison
from tests.acceptance.cluster import Workers
from tests.acceptance.pgbouncer import Pgbouncer
from tests.acceptance.store_comparison import TABLES, TOPICS
from tests.acceptance.tcp_proxy import TcpProxy
from tests.databases import settings_of
from tests.drawn_records import Records, partition_of

PARTITIONS = 2


class StoreScene:
    """Topics, a database behind a proxy, and workers that store."""

    def __init__(
        self, kafka: str, prefix: str, folder: Path, seed: int = 0, *, pgbouncer: bool = False
    ) -> None:
        self.kafka, self.prefix, self._folder = kafka, prefix, folder
        self.random = random.Random(seed)
        self.postgres = LocalPostgres(folder / "postgres").start()
        assert self.postgres.port is not None
        self._pgbouncer = Pgbouncer(folder, self.postgres.port) if pgbouncer else None
        before = self._pgbouncer or self.postgres
        self.proxy = TcpProxy("127.0.0.1", before.port)
        # Nobody else gets its port before it starts.
        self._reserved = socket.socket()
        self._reserved.bind(("127.0.0.1", 0))
        self.standby = LocalPostgres(folder / "standby", port=self._reserved.getsockname()[1])
        self._retired: list[LocalPostgres] = []
        with _migrates:
            asyncio.run(migrate.upgrade(settings_of(self.url)))
        chosen = Settings(
            _env_file=None, kafka_bootstrap=kafka, topic_prefix=prefix, partitions=PARTITIONS
        )
        asyncio.run(topic_creation.ensure(chosen, everything(chosen)))
        through = f"postgresql://opwatch@127.0.0.1:{self.proxy.port},127.0.0.1:{self.standby.port}"
        self.workers = Workers(
            kafka,
            prefix,
            PARTITIONS,
            folder,
            role="store",
            METRICS_DATABASE_URL=f"{through}/opwatch",
            OPWATCH_DB_INTERVAL_S="0.2",
            OPWATCH_DB_TIMEOUT_S="2",
            OPWATCH_SESSION_TIMEOUT_S="6",
            OPWATCH_DB_PREPARED_STATEMENTS=str(not pgbouncer),
        )
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5})
        self._records_drawn = Records(self.random)

    @property
    def url(self) -> str:
        """The address of the server that takes writes, past the proxy."""
        return self.postgres.url

    def follow(self) -> None:
        """Start a standby that has each transaction before `store` knows that it ended."""
        self._reserved.close()
        self.standby.start_standby_of(self.postgres)
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.execute("SELECT pg_reload_conf()")
        until = time.monotonic() + 30
        while not self.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"):
            assert time.monotonic() < until
            time.sleep(0.1)

    def promote(self) -> None:
        """Let the standby take writes; the server before it is gone."""
        self.postgres.kill()
        self._retired.append(self.postgres)
        self.postgres, self.standby = self.standby, LocalPostgres(self._folder / "none")
        self.execute("SELECT pg_promote()")
        self.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self.execute("SELECT pg_reload_conf()")

    def publish(self, count: int) -> None:
        """Publish revisions of windows, some of them older ones, and records of other topics."""
        for _ in range(count):
            drawn = self._records_drawn.next()
            self._producer.produce(
                self.prefix + drawn.topic,
                drawn.value,
                key=drawn.key,
                partition=partition_of(drawn, PARTITIONS),
            )
            self._producer.poll(0)
        assert self._producer.flush(30) == 0

    def send(self, topic: str, record: tuple[bytes, bytes]) -> None:
        """Publish a record as it is."""
        self._producer.produce(self.prefix + topic, record[1], key=record[0], partition=0)
        assert self._producer.flush(30) == 0

    def query(self, statement: str) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.url, timeout=30)
            await connection.set_type_codec(
                "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
            )
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

    def window_count(self) -> int:
        """Return how many windows of operations the topic has."""
        values = (json.loads(record.value()) for record in self._records("aggregates"))
        windows = [value for value in values if value.get("kind") == "operations"]
        return len(store_comparison.latest(TABLES["windows"], windows))

    def compare(self) -> None:
        """Compare every row with the records."""
        records = {topic: [each.value() for each in self._records(topic)] for topic in TOPICS}
        store_comparison.compare(self.query, records)

    def close(self) -> None:
        self.workers.close()
        self.proxy.close()
        self._reserved.close()
        if self._pgbouncer is not None:
            self._pgbouncer.close()
        for server in (self.postgres, self.standby, *self._retired):
            server.stop()


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
