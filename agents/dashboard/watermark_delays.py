"""Know how far behind the event time of each source partition is, by the workers' progress."""

import asyncio
import time
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.dashboard.closing import close, within
from agents.runtime.settings import Settings
from schemas.topics import PARTIALS, QUALITY_PARTIALS
from streams.dashboard.delays import SourceDelay, source_delays

log = structlog.get_logger()

_ASK_S = 5.0
_DEADLINE_S = 10.0
#: Workers publish their progress each second, to every partition alike: one is read.
_BACK_S = 2.5
_PARTITION = 0
_POLL_MS = 500
#: Fetches of the newest records, at most: what they do not reach is left unread.
_FETCHES = 16
_TOPICS = {"measure": PARTIALS, "quality": QUALITY_PARTIALS}


class WatermarkDelays:
    """The delays of the roles that fold a topic, as of a few seconds ago."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = {role: settings.topic(topic) for role, topic in _TOPICS.items()}
        self.by_role: dict[str, tuple[SourceDelay, ...]] = {}

    async def run(self) -> None:
        """Ask again and again, for ever; connect again after an error."""
        while True:
            try:
                await self._connected()
            except (KafkaError, OSError, TimeoutError) as error:
                if self.by_role:
                    log.info("watermark delays are not known", why=str(error) or "no answer")
                self.by_role = {}
            await asyncio.sleep(_ASK_S)

    async def _connected(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._settings.kafka(), group_id=None, enable_auto_commit=False
        )
        try:
            await within(_DEADLINE_S, consumer.start())
            tps: dict[str, TopicPartition] = {}
            while True:
                there = await within(_DEADLINE_S, consumer.topics())
                found = {
                    role: TopicPartition(topic, _PARTITION)
                    for role, topic in self._topics.items()
                    if topic in there
                }
                if found != tps:  # a topic is there now
                    tps = found
                    consumer.assign(list(tps.values()))
                    consumer.pause(*tps.values())
                for role, tp in tps.items():
                    newest = await within(_DEADLINE_S, _newest(consumer, tp))
                    self.by_role[role] = source_delays(newest)
                await asyncio.sleep(_ASK_S)
        finally:
            await close(consumer.stop)


async def _newest(consumer: AIOKafkaConsumer, tp: TopicPartition) -> list[tuple[bytes, int]]:
    """Return value and timestamp of the newest records; nothing is read in between."""
    since_ms = int(1000 * (time.time() - _BACK_S))
    found = (await consumer.offsets_for_times({tp: since_ms}))[tp]
    if found is None:
        return []
    (end,) = (await consumer.end_offsets([tp])).values()
    consumer.seek(tp, found.offset)
    consumer.resume(tp)
    records: list[Any] = []
    try:
        for _ in range(_FETCHES):
            records += (await consumer.getmany(tp, timeout_ms=_POLL_MS)).get(tp, [])
            if await consumer.position(tp) >= end:
                break
    finally:
        consumer.pause(tp)
    return [(record.value, record.timestamp) for record in records if record.value]
