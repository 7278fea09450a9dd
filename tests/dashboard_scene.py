"""Publish what workers leave on the topics, and run a dashboard that reads it."""

import asyncio
import json
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from agents.kafka import topic_creation
from agents.kafka.reader import topic_reader
from agents.kafka.role_topics import everything
from agents.runtime.settings import Settings
from schemas.dead_letters import DeadLetter, to_headers
from schemas.topics import (
    AGGREGATES,
    BREACHES,
    DEAD_LETTERS,
    NOTIFICATIONS,
    PARTIALS,
    Topic,
)
from streams.measure.series import partition_of
from tests import preloaded

ROOT = Path(__file__).parents[1]
PARTITIONS = 2
TOKEN, READ_TOKEN = "act-0123456789abcdef", "read-0123456789abcdef"
START_S = 30.0


class Scene:
    """Topics under a prefix of their own, and what is published on them."""

    def __init__(self, kafka: str) -> None:
        self.prefix = f"dash-{uuid.uuid4().hex[:8]}."
        self.settings = Settings(
            _env_file=None, kafka_bootstrap=kafka, topic_prefix=self.prefix, partitions=PARTITIONS
        )

    def make(self) -> None:
        _apart(topic_creation.ensure(self.settings, everything(self.settings)))

    def remove(self) -> None:
        async def remove() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap)
            await admin.start()
            ours = [name for name in await admin.list_topics() if name.startswith(self.prefix)]
            if ours:
                await admin.delete_topics(ours)
            await admin.close()

        _apart(remove())

    def publish(
        self, topic: Topic, *records: tuple[bytes, bytes, int] | tuple[bytes, bytes]
    ) -> None:
        """Publish (key, value) or (key, value, partition); return when the broker has them."""
        self.publish_with_headers(topic, *((*record, []) for record in records))

    def publish_with_headers(self, topic: Topic, *records: Any) -> None:
        async def publish() -> None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.settings.kafka_bootstrap, max_request_size=16_000_000
            )
            await producer.start()
            name = self.settings.topic(topic)
            for key, value, *place, headers in records:
                await producer.send(
                    name, value, key=key, partition=place[0] if place else 0, headers=headers
                )
            await producer.stop()

        _apart(publish())

    def aggregates(self, values: Iterable[bytes]) -> None:
        self.publish(AGGREGATES, *(_keyed(value) for value in values))

    def breaches(self, *breaches: Any) -> None:
        self.publish(
            BREACHES, *((it.fingerprint.encode(), it.model_dump_json().encode()) for it in breaches)
        )

    def decide(self, of: Any, reason: str, channel: str | None, **changed: Any) -> None:
        fields = {
            "version": 1,
            "id": uuid.uuid4().hex,
            "fingerprint": of.fingerprint,
            "breach_id": of.id,
            "rule": of.rule,
            "series": of.series,
            "severity": of.severity,
            "channel": channel,
            "event": "opened",
            "reason": reason,
            "sentence": f"{channel}: {reason}.",
            "now_ms": int(time.time() * 1000),
            "cause": {"kind": "breach", "topic": "breaches", "offset": 0},
        } | changed
        self.publish(NOTIFICATIONS, (of.fingerprint.encode(), json.dumps(fields).encode()))

    def refuse(self, value: bytes, detail: str = "It is none.") -> None:
        letter = DeadLetter(
            reason="invalid_json",
            detail=detail,
            topic=self.settings.topic_prefix + "operations",
            partition=0,
            offset=uuid.uuid4().int % 100_000,
            timestamp_ms=int(time.time() * 1000),
            size_bytes=len(value),
            sha256="0" * 64,
        )
        self.publish_with_headers(DEAD_LETTERS, (letter.key.encode(), value, 0, to_headers(letter)))

    def records(self, topic: Topic) -> list[bytes]:
        """Return the values of a topic."""

        async def read() -> list[bytes]:
            async with topic_reader(self.settings, self.settings.topic(topic)) as records:
                await records.from_time(None)
                return [record.value async for record in records.to_the_end()]

        found: list[bytes] = _apart(read())
        return found

    def progress(self) -> None:
        """Publish a sign that a measure worker is alive."""
        self.publish(PARTIALS, (b"0", b'{"kind":"progress"}'))


def _apart(work: Any) -> Any:
    """Run it in a thread of its own: Playwright's loop runs in the one of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _keyed(value: bytes) -> tuple[bytes, bytes, int]:
    fields = json.loads(value)
    name, window = json.dumps(fields["series"]), fields["window"]
    key = f"{fields['kind']}{name}/{window['size']}/{window['start_ms']}"
    return key.encode(), value, partition_of(name, PARTITIONS)


class Dashboard:
    """A dashboard in a process of its own."""

    def __init__(
        self, settings: Settings, folder: Path, *, before: Sequence[str] = (), **environment: str
    ) -> None:
        ours = {k: v for k, v in os.environ.items() if not k.startswith("OPWATCH_")}
        ours.pop("METRICS_DATABASE_URL", None)
        self.log = folder / f"dashboard-{uuid.uuid4().hex[:6]}.log"
        self.process = preloaded.start(
            ["dashboard"],
            ours
            | {
                "OPWATCH_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
                "OPWATCH_TOPIC_PREFIX": settings.topic_prefix,
                "OPWATCH_PARTITIONS": str(settings.partitions),
                "OPWATCH_DASHBOARD_PORT": "0",
                "OPWATCH_LOG_FORMAT": "json",
                "PYTHONPATH": str(ROOT),
            }
            | environment,
            ROOT,
            self.log,
            before=before,
        )
        self.url = self._url().rstrip("/")
        # Without certificates, which take longer to read than most answers.
        self.client = httpx.Client(base_url=self.url, timeout=10, verify=False)

    def _url(self) -> str:
        give_up_s = time.monotonic() + START_S
        while (found := re.search(r'"url": "(http[^"]+)"', self.log.read_text())) is None:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up_s, self.log.read_text()
            time.sleep(0.05)
        return found[1]

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def post(self, path: str, **fields: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return self.client.post(path, json=fields, headers=headers, timeout=30)

    def loaded(self) -> "Dashboard":
        """Wait until what was published is read."""
        self.until(lambda: not self.health()["loading"] and not self.health()["filling"])
        return self

    def health(self) -> dict[str, Any]:
        health: dict[str, Any] = self.get("/health", Accept="application/json").json()
        return health

    def until(self, probe: Any) -> None:
        give_up_s = time.monotonic() + START_S
        while not probe():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up_s, self.log.read_text()
            time.sleep(0.1)

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(15)


@contextmanager
def dashboard(
    settings: Settings, folder: Path, *, before: Sequence[str] = (), **environment: str
) -> Iterator[Dashboard]:
    """Run a dashboard; end it, if it did not end before."""
    running = Dashboard(settings, folder, before=before, **environment)
    try:
        yield running
    finally:
        running.client.close()
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait(10)
