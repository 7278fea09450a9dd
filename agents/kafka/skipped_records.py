"""Report records that were not read: a dead letter for each range, a log line, a metric."""

from collections.abc import Iterable

import structlog
from faust.types import TP

from agents.kafka.batches import UnreadableBatch
from agents.kafka.dead_letters import dead_letter
from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.producer import Producer
from agents.runtime import metrics
from agents.runtime.settings import Settings
from schemas.topics import DEAD_LETTERS

log = structlog.get_logger()


class SkippedRecords:
    """The records that a worker did not read. Each range has one key, whoever reads the log."""

    def __init__(self, settings: Settings, producer: Producer) -> None:
        """Publish the dead letters through the producer."""
        self._topic = settings.topic(DEAD_LETTERS)
        self._producer = producer
        self._lost: dict[TP, tuple[int, Gap]] = {}
        """The number of lost records of each partition, and its last gap."""

    def remarks(self) -> list[str]:
        """Return what an operator should know of it, in sentences."""
        return [
            f"up to {count} records of {tp.topic}/{tp.partition} were removed by Kafka before they"
            f" were read, the last of them offset {gap.end - 1}: see the dead letters, reason lost"
            for tp, (count, gap) in self._lost.items()
        ]

    async def lost(self, tp: TP, gap: Gap) -> None:
        """Report lost records; return when the broker has the dead letter."""
        count, last = gap.end - gap.start, gap.end - 1
        if gap.is_corrupt:
            detail = (
                f"offsets {gap.start} to {last}, up to {count} records: Kafka cannot read them"
                " (CORRUPT_MESSAGE), and they are passed over"
            )
        elif gap.cut_at is None:
            detail = (
                f"offsets {gap.start} to {last}, up to {count} records: Kafka removed them before"
                " they were read (retention, or a deletion of records)"
            )
        else:
            detail = (
                f"Kafka cut the log at offset {gap.cut_at}, before what was read of it: up to"
                f" {count} records are lost. What is written from offset {gap.cut_at} on counts,"
                f" and is named as from offset {gap.end} on here"
            )
        await self._publish_lost(tp, gap, count, detail)

    async def compacted(self, tp: TP, chunk: Chunk) -> None:
        """Report what compaction removed of a chunk: a dead letter for each batch."""
        for start, end, removed in chunk.holes:
            detail = (
                f"{removed} of the offsets {start} to {end - 1}: compaction removed them before"
                f" they were read; {tp.topic} must have cleanup.policy=delete"
            )
            await self._publish_lost(tp, Gap(start, end), removed, detail)

    async def _publish_lost(self, tp: TP, gap: Gap, count: int, detail: str) -> None:
        last = gap.end - 1
        before, _ = self._lost.get(tp, (0, gap))
        self._lost[tp] = before + count, gap
        log.error(
            "kafka removed records before they were read",
            topic=tp.topic,
            partition=tp.partition,
            first_offset=gap.start,
            last_offset=last,
            records=count,
            why=detail,
        )
        metrics.lost_records.labels(tp.topic, tp.partition).inc(count)
        metrics.dead_letters.labels("lost").inc()
        await self._producer.publish(
            [
                dead_letter(
                    self._topic,
                    b"",
                    "lost",
                    detail,
                    place=(tp.topic, tp.partition, gap.start, None),
                    timestamp_ms=-1 if gap.since_ms is None else gap.since_ms,
                    last_offset=last,
                )
            ]
        )

    async def unreadable(self, tp: TP, batches: Iterable[UnreadableBatch]) -> None:
        """Report unreadable batches; return when the broker has the dead letters."""
        for batch in batches:
            last = batch.end - 1
            log.error(
                "a record batch cannot be read and is passed over",
                topic=tp.topic,
                partition=tp.partition,
                first_offset=batch.start,
                last_offset=last,
                why=batch.detail,
            )
            metrics.dead_letters.labels("unreadable_batch").inc()
            detail = f"the record batch of offsets {batch.start} to {last}: {batch.detail}"
            await self._producer.publish(
                [
                    dead_letter(
                        self._topic,
                        batch.raw,
                        "unreadable_batch",
                        detail,
                        place=(tp.topic, tp.partition, batch.start, None),
                        timestamp_ms=batch.timestamp_ms,
                        last_offset=last,
                    )
                ]
            )
