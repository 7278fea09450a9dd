"""Read a partition past the records that end a worker: each is a dead letter, and left out."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from faust.types import TP

from agents.kafka.chunks import Chunk
from agents.kafka.dead_letters import refused_record
from agents.kafka.producer import Producer
from agents.kafka.transport import ChunkConsumer
from agents.kafka.trials import TRIED_TOGETHER, Rehearse, attempt, is_poison
from agents.runtime import metrics
from agents.runtime.settings import Settings
from schemas.topics import DEAD_LETTERS
from streams.judge import cut
from streams.measure.decode import RefusedRecord

log = structlog.get_logger()

Read = Callable[[TP, Chunk], Awaitable[None]]
RehearseOf = Callable[[TP, Sequence[Any]], Any]

_KNOWN = "it ended a worker before, alone in a process of its own"


class PoisonFilter:
    """Reads chunks, and tries those first that may be what ended the worker again and again."""

    def __init__(self, settings: Settings, producer: Producer, consumer: Callable[[], Any]) -> None:
        """Publish dead letters through the producer; `consumer` returns the ChunkConsumer."""
        self._topic = settings.topic(DEAD_LETTERS)
        self._producer = producer
        self._consumer = consumer
        self._why: dict[tuple[TP, int], str] = {}
        self.tried = 0
        """Grows while records are tried: that is work that gets on."""

    async def read(self, tp: TP, chunk: Chunk, read: Read, rehearse: RehearseOf) -> None:
        """Let a chunk be read without the records that end a worker."""
        consumer: ChunkConsumer = self._consumer()
        start = consumer.starts.of(tp)
        if not start.poison and not start.is_suspect(chunk.start):
            await read(tp, chunk)
            return
        at, ready = chunk.start, False
        generation = consumer.app.consumer_generation_id

        def is_lost() -> bool:
            app = consumer.app
            return bool(app.rebalancing or app.consumer_generation_id != generation)

        records = chunk.records
        while records and not is_lost():
            first = records[0]
            if first.offset in start.poison:
                await self._refuse(tp, first)
                records = records[1:]
                continue
            some = _before(records, start.poison)
            if start.is_suspect(first.offset):
                if not ready:  # what reading makes at the first chunk, the child needs
                    await read(tp, Chunk(at, at, []))
                    ready = True
                some = await self._good(tp, some[:TRIED_TOGETHER], rehearse)
            if some and not is_lost():
                records = records[len(some) :]
                end = records[0].offset if records else chunk.end
                await read(tp, Chunk(at, end, list(some)))
                at = end
        if at < chunk.end and not is_lost():
            await read(tp, Chunk(at, chunk.end, []))

    async def _good(self, tp: TP, records: Sequence[Any], rehearse: RehearseOf) -> Sequence[Any]:
        """Return those of the first records that end nobody; isolate the first one, if it does."""

        def of_this(some: Sequence[Any]) -> Any:
            return rehearse(tp, some)

        good = await self._survivors(of_this, records)
        if good:
            return good
        why = await is_poison(of_this, records[0])
        self.tried += 1
        if why is None:
            return records[:1]
        consumer: ChunkConsumer = self._consumer()
        self._why[tp, records[0].offset] = f"it {why}, alone in a process of its own"
        await consumer.isolate(tp, records[0].offset)
        return ()

    async def _survivors(self, rehearse: Rehearse, records: Sequence[Any]) -> Sequence[Any]:
        """Return the first records, as many as a child gets through together."""
        while records:
            survived, why = await attempt(rehearse, records)
            self.tried += 1
            if why is None:
                return records
            # Where it ended after the last one, it did by what they came to: half of them may do.
            records = records[: survived if survived < len(records) else len(records) // 2]
        return records

    async def _refuse(self, tp: TP, record: Any) -> None:
        why = self._why.pop((tp, record.offset), _KNOWN)
        log.error(
            "a record ends the worker: it is left out",
            topic=tp.topic,
            partition=tp.partition,
            offset=record.offset,
            why=why,
        )
        refused = RefusedRecord(record, None, "poison", cut(why), bytes(record.value or b""))
        await self._producer.publish([refused_record(self._topic, tp.topic, tp.partition, refused)])
        metrics.dead_letters.labels("poison").inc()


def _before(records: Sequence[Any], poison: set[int]) -> Sequence[Any]:
    """Return the records before the first that is known to be poison."""
    for place, record in enumerate(records):
        if record.offset in poison:
            return records[:place]
    return records
