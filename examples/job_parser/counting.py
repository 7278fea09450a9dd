"""Add up the aggregates: the newest revision of each minute, in whatever order they arrive.

All numbers here come from what opwatch published, none from the service.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.runtime.settings import Settings
from examples.job_parser.quality_counting import QualityCounts
from schemas.aggregates import Aggregate
from schemas.breaches import Breach
from schemas.dead_letters import from_headers
from schemas.fast_structs import struct_of
from schemas.topics import (
    AGGREGATES,
    ANALYSES,
    BREACHES,
    DEAD_LETTERS,
    QUALITY_SCORES,
    REMEDIATIONS,
)
from streams.measure import digests
from streams.measure.centroids import STORED_LIMIT
from streams.measure.digest_wire import packed_digest

#: A revision of fewer operations is not considered for the extremes.
ENOUGH = 20
_READ = (AGGREGATES, BREACHES, QUALITY_SCORES, REMEDIATIONS, DEAD_LETTERS)
#: What the windows of scores have, and no other.
_QUALITY = b'"kind":"quality"'
_POLL_MS = 200
_MINUTE = "1m"
_RANKS = (0.5, 0.95, 0.99)


class Key(NamedTuple):
    """A series by operation and platform; None is all platforms together."""

    operation: str
    platform: str | None


ALL = Key("*", None)


class Sum(NamedTuple):
    """Several windows of a series together."""

    operations: int
    successes: int
    lookups: int
    hits: int
    p50: float
    p95: float
    p99: float


class Extremes(NamedTuple):
    """The lowest success rate and the highest p95 (ms) of any window."""

    success_rate: float
    p95: float


class Counts:
    """The newest revision of each minute, and the extremes while they are watched."""

    def __init__(self) -> None:
        """Start without aggregates."""
        self.before: dict[Key, Extremes] = {}
        self.worst: dict[Key, Extremes] = {}
        self._minutes: dict[Key, dict[int, Any]] = {}
        self._watching = False

    def update(self, aggregate: Any) -> None:
        """Add an aggregate."""
        series, window = aggregate.series, aggregate.window
        if window.size != _MINUTE or series.confidence is not None:
            return
        key = Key(series.operation, series.platform)
        minutes = self._minutes.setdefault(key, {})
        previous = minutes.get(window.start_ms)
        if previous is not None and previous.revision > aggregate.revision:
            return
        minutes[window.start_ms] = aggregate
        if self._watching and aggregate.count >= ENOUGH:
            now = _extremes(aggregate)
            worst = self.worst.get(key, now)
            self.worst[key] = Extremes(
                min(worst.success_rate, now.success_rate), max(worst.p95, now.p95)
            )

    def watch(self, *, on: bool) -> None:
        """Start or stop watching the extremes; `before` keeps the values at the start."""
        if on:
            self.before = {
                key: _extremes(minutes[max(minutes)]) for key, minutes in self._minutes.items()
            }
            self.worst = dict(self.before)
        self._watching = on

    @property
    def counted(self) -> int:
        """Return how many operations were counted in all series together."""
        return sum(minute.count for minute in self._minutes.get(ALL, {}).values())

    def sum(self, key: Key) -> Sum | None:
        """Return all minutes of a series together; None without any."""
        minutes = list(self._minutes.get(key, {}).values())
        if not minutes:
            return None
        p50, p95, p99 = _percentiles(minutes)
        return Sum(
            operations=sum(minute.count for minute in minutes),
            successes=sum(minute.successes for minute in minutes),
            lookups=sum(minute.cache.lookups for minute in minutes),
            hits=sum(minute.cache.hits for minute in minutes),
            p50=p50,
            p95=p95,
            p99=p99,
        )


def _extremes(aggregate: Any) -> Extremes:
    return Extremes(aggregate.success_rate, aggregate.duration_ms.p95)


def _percentiles(minutes: Iterable[Any]) -> list[float]:
    """Merge the minutes' digests, as any consumer can."""
    packed = [_packed(minute.digest) for minute in minutes]
    engine = digests.FastEngine()
    return digests.quantiles(digests.merge(packed, engine, STORED_LIMIT), _RANKS)


def _packed(digest: Any) -> bytes:
    if isinstance(digest, str):  # of a minute that is not final
        return packed_digest(b'"%b"' % digest.encode())
    return digests.pack(
        np.array([centroid.m for centroid in digest.centroids]),
        np.array([centroid.c for centroid in digest.centroids]),
    )


class Published(NamedTuple):
    """A batch of what opwatch published."""

    aggregates: list[Any]
    breaches: list[tuple[Breach, int]]
    """Each with its Kafka timestamp, epoch ms."""
    quality_windows: list[bytes]
    scores: list[bytes]
    requests: list[bytes]
    """To remedy a bad analysis."""
    dead_analyses: list[bytes]
    """The keys of their dead letters."""

    def add_to(self, quality: QualityCounts) -> None:
        """Add what is about analyses."""
        for window in self.quality_windows:
            quality.window(window)
        for score in self.scores:
            quality.score(score)
        for request in self.requests:
            quality.request(request)
        for key in self.dead_analyses:
            quality.dead_letter(key)


@asynccontextmanager
async def published(settings: Settings) -> AsyncIterator[AsyncIterator[Published]]:
    """Yield everything that is published, from the beginning, in batches that may be empty."""
    consumer = AIOKafkaConsumer(
        **settings.kafka(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    partitions = [
        TopicPartition(settings.topic(topic), number)
        for topic in _READ
        for number in range(topic.count(settings.partitions))
    ]
    try:
        await consumer.start()
        consumer.assign(partitions)
        yield _batches(consumer, settings)
    finally:
        await consumer.stop()


async def _batches(consumer: AIOKafkaConsumer, settings: Settings) -> AsyncIterator[Published]:
    decoder = msgspec.json.Decoder(struct_of(Aggregate))
    while True:
        fetched = await consumer.getmany(timeout_ms=_POLL_MS)
        records: dict[str, list[Any]] = {settings.topic(topic): [] for topic in _READ}
        for partition, batch in fetched.items():
            records[partition.topic] += batch
        found, opened, scores, requests, letters = records.values()
        values = [record.value for record in found if record.value is not None]
        of_quality = [value for value in values if _QUALITY in value]
        aggregates = [_decoded(decoder, value) for value in values if _QUALITY not in value]
        analyses = settings.topic(ANALYSES)
        yield Published(
            [aggregate for aggregate in aggregates if aggregate is not None],
            [(Breach.model_validate_json(record.value), record.timestamp) for record in opened],
            of_quality,
            [record.value for record in scores if record.value is not None],
            [record.value for record in requests],
            [record.key for record in letters if from_headers(record.headers).topic == analyses],
        )


def _decoded(decoder: Any, value: bytes) -> Any:
    try:
        return decoder.decode(value)
    except msgspec.MsgspecError:  # of another kind
        return None
