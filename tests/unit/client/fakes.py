"""Stand in for Kafka at the client's own port."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

from opwatch_client.consumer import Incoming
from opwatch_client.kafka import RecordRefused, Unreachable
from opwatch_client.publisher import Publisher
from opwatch_client.records import Lane, Record
from opwatch_client.settings import Settings


class FakeKafka:
    """Keeps records; `away` holds them back, `largest` refuses longer ones."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.beats: list[tuple[bytes, dict[str, Any]]] = []
        self.lanes: dict[str, list[tuple[bytes, dict[str, Any]]]] = {"analyses": [], "labels": []}
        self.missing_lanes: set[str] = set()
        self.largest = 10**9
        self.takes_beats = True
        self.threads: set[int] = set()
        self.connections = 0
        self.closed = 0
        self._there = threading.Event()
        self._there.set()
        self._hurried = False

    def __call__(self, complain: Callable[[str], None]) -> "FakeKafka":
        self.connections += 1
        self._complain = complain
        return self

    def go_away(self) -> None:
        self._there.clear()

    def come_back(self) -> None:
        self._there.set()

    async def send(self, record: bytes) -> None:
        await self._take(record)
        self.records.append(record)

    async def send_beat(self, service: bytes, record: bytes) -> None:
        while not self.takes_beats:  # noqa: ASYNC110 - as where Kafka is away, below
            await asyncio.sleep(0.005)
        await self._take(record)
        self.beats.append((service, json.loads(record)))

    async def send_records(self, lane: Lane, records: list[Record]) -> None:
        while lane in self.missing_lanes:  # noqa: ASYNC110 - as where Kafka is away, below
            await asyncio.sleep(0.005)
        while records:
            await self._take(records[0].value)
            record = records.pop(0)
            self.lanes[lane].append((record.key, json.loads(record.value)))

    async def _take(self, record: bytes) -> None:
        self.threads.add(threading.get_ident())
        while not self._there.is_set():
            self._complain("nobody there")
            if self._hurried:
                raise Unreachable
            await asyncio.sleep(0.005)
        if len(record) > self.largest:
            raise RecordRefused("too large")

    def hurry(self) -> None:
        self._hurried = True

    async def close(self) -> None:
        self.closed += 1

    @property
    def analyses(self) -> list[dict[str, Any]]:
        return [analysis for _, analysis in self.lanes["analyses"]]

    @property
    def labels(self) -> list[dict[str, Any]]:
        return [label for _, label in self.lanes["labels"]]

    @property
    def operations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for record in self.records:
            content = json.loads(record)
            found += content if isinstance(content, list) else [content]
        return found


class FakeTopics:
    """Topics to read; `broken` makes the next connections fail."""

    def __init__(self) -> None:
        self.records: dict[str, list[Incoming]] = {}
        self.begun: list[tuple[str, str | None]] = []
        self.committed: dict[str, int] = {}
        self.broken = 0

    def __call__(self, topic: str, *, group: str | None, since_ms: int = 0) -> "FakeConsumer":
        self.begun.append((topic, group))
        return FakeConsumer(self, topic)

    def put(self, topic: str, key: str, value: Any) -> None:
        raw = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
        self.records.setdefault(topic, []).append(Incoming(key.encode(), raw))


class FakeConsumer:
    def __init__(self, topics: FakeTopics, topic: str) -> None:
        self._topics, self._topic, self._at = topics, topic, 0

    async def start(self) -> None:
        if self._topics.broken:
            self._topics.broken -= 1
            raise OSError("nobody there")

    async def read(self, most: int) -> list[Incoming]:
        while not (found := self._topics.records.get(self._topic, [])[self._at :][:most]):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self._at += len(found)
        return found

    async def commit(self) -> None:
        self._topics.committed[self._topic] = self._at

    async def stop(self) -> None: ...


def publisher(kafka: FakeKafka, topics: FakeTopics | None = None, **settings: Any) -> Publisher:
    return Publisher(Settings(**settings), kafka, topics or FakeTopics())
