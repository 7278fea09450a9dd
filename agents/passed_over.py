"""Say what of a log was passed over: a dead letter a range of offsets, a log line, a metric."""

from collections.abc import Iterable

import structlog
from faust.types import TP

from agents import metrics
from agents.batches import Unreadable
from agents.letters import letter
from agents.outbox import Outbox
from agents.settings import Settings
from schemas.topics import DEAD_LETTERS

log = structlog.get_logger()


class PassedOver:
    """What a worker could not read. What is said again has the same key."""

    def __init__(self, settings: Settings, outbox: Outbox) -> None:
        """Publish the dead letters through the outbox."""
        self._topic = settings.topic(DEAD_LETTERS)
        self._outbox = outbox

    async def unreadable(self, tp: TP, batches: Iterable[Unreadable]) -> None:
        """Say, and return once the broker has it, that batches cannot be read."""
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
            await self._outbox.publish(
                [
                    letter(
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
