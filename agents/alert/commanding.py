"""Publish a command and read back what the alert worker on duty decides: it may be another one."""

import asyncio
from contextlib import suppress
from itertools import chain

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from agents.kafka.producer import OutgoingRecord, Producer
from agents.runtime.settings import Settings
from schemas.commands import Acknowledge
from schemas.notifications import Notification
from schemas.topics import COMMANDS, NOTIFICATIONS
from streams.audit.log import CommandAnswer

log = structlog.get_logger()

#: A worker on duty decides within a second; another one takes over within its session timeout.
DECIDED_S = 10.0
#: So many wait for a decision at a time; each has a connection of its own.
_AT_A_TIME = 8
_POLL_MS = 200


class Commander:
    """Asks the alert role, whichever worker is on duty."""

    def __init__(self, settings: Settings, producer: Producer) -> None:
        self._settings = settings
        self._producer = producer
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    async def ask(self, command: Acknowledge) -> Notification | None:
        """Publish and return what was decided; None if nothing was in time.

        Raises:
            KafkaError, TimeoutError, OSError: it could not be published.
        """
        async with asyncio.timeout(DECIDED_S) as deadline:
            async with self._turns:
                decisions = TopicPartition(self._settings.topic(NOTIFICATIONS), 0)
                consumer = AIOKafkaConsumer(
                    **self._settings.kafka(), group_id=None, enable_auto_commit=False
                )
                try:
                    await consumer.start()
                    consumer.assign([decisions])
                    await consumer.seek_to_end(decisions)
                    answer = CommandAnswer(await self._publish(command))
                    deadline.reschedule(None)
                    return await self._decided(consumer, answer)
                finally:
                    with suppress(KafkaError):
                        await consumer.stop()

    async def _publish(self, command: Acknowledge) -> int:
        topic, key = self._settings.topic(COMMANDS), command.fingerprint.encode()
        value = command.model_dump_json().encode()
        return await self._producer.publish_one(OutgoingRecord(topic, 0, key, value))

    async def _decided(
        self, consumer: AIOKafkaConsumer, answer: CommandAnswer
    ) -> Notification | None:
        ends = asyncio.get_running_loop().time() + DECIDED_S
        while answer.decision is None and asyncio.get_running_loop().time() < ends:
            try:
                batches = await consumer.getmany(timeout_ms=_POLL_MS)
            except KafkaError as error:
                log.warning("what was decided cannot be read", error=repr(error))
                return None
            for record in chain.from_iterable(batches.values()):
                with suppress(ValidationError):  # of a version this program does not know
                    answer.take(Notification.model_validate_json(record.value or b""))
        return answer.decision
