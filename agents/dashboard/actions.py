"""Acknowledge and silence for people who have the token: publish commands, await the decisions."""

import asyncio
import time
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.alert.new_commands import command_now
from agents.dashboard.closing import close, within
from agents.dashboard.world import World
from agents.runtime.settings import Settings
from schemas.commands import Command
from schemas.notifications import Notification
from schemas.spans import to_ms
from schemas.topics import COMMANDS
from streams.channels.text_format import one_line

log = structlog.get_logger()

_PUBLISH_S = 10.0
#: An alert worker on duty decides within a second.
_DECIDED_S = 8.0
_LOOK_S = 0.1
#: So many may wait for a decision at a time.
_AT_A_TIME = 8


class Refused(Exception):
    """What was asked cannot be; the sentence says why."""


class Undecided(Exception):
    """It is not known whether what was asked is done; the sentence says why."""


class Actions:
    """Asks the alert role, whichever worker is on duty."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings = settings
        self._world = world
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    async def acknowledge(self, fingerprint: str, by: str, comment: str) -> Notification:
        """Acknowledge the episode that fires, and return what was decided.

        Raises:
            Refused: nothing fires, or a text does not fit.
            Undecided: nobody has decided yet.
        """
        breach = self._world.log.newest(fingerprint)
        if breach.state == "resolved":
            message = f"{breach.rule} on {breach.series} has resolved: nothing is to acknowledge."
            raise Refused(message)
        return await self._ask(
            fingerprint,
            kind="acknowledge",
            by=by,
            comment=comment,
            fingerprint=fingerprint,
            breach_id=breach.id,
        )

    async def silence(self, fingerprint: str, by: str, comment: str, lasts: str) -> Notification:
        """Silence one alert for a span such as 1h; raises what `acknowledge` does."""
        now_ms = int(time.time() * 1000)
        try:
            span_ms = int(str(to_ms(lasts)))
        except ValueError as error:
            raise Refused(str(error)) from None
        return await self._ask(
            None,
            kind="silence",
            by=by,
            comment=comment,
            matchers=[{"label": "fingerprint", "operator": "=", "value": fingerprint}],
            start_ms=now_ms,
            end_ms=now_ms + span_ms,
        )

    async def end_silence(self, silence: str, by: str) -> Notification:
        """End a silence before its time; raises what `acknowledge` does."""
        return await self._ask(silence, kind="end_silence", by=by, silence=silence)

    async def _ask(self, key: str | None, **fields: Any) -> Notification:
        name = one_line(fields["by"])[:200]
        if not name:
            message = "Who are you? Write your name."
            raise Refused(message)
        fields |= {"by": name, "comment": one_line(fields.get("comment", ""))[:1000]}
        try:
            command = command_now(**fields)
        except ValueError as error:
            raise Refused(str(error)) from None
        async with self._turns:
            try:
                offset = await self._publish(command, key or command.id)
            except (KafkaError, TimeoutError, OSError) as error:
                log.warning("a command cannot be published", error=repr(error))
                message = "Kafka has not taken it in time. Try again: twice does no harm."
                raise Undecided(message) from None
            return await self._decided(offset)

    async def _publish(self, command: Command, key: str) -> int:
        """Publish a command over a connection of its own: people act a few times a day."""
        producer = AIOKafkaProducer(**self._settings.kafka(), acks="all", enable_idempotence=True)
        topic = self._settings.topic(COMMANDS)
        try:
            await within(_PUBLISH_S, producer.start())
            value = command.model_dump_json().encode()
            sent = await within(_PUBLISH_S, producer.send_and_wait(topic, value, key=key.encode()))
        finally:
            await close(producer.stop)
        log.info("a person acts", kind=command.kind, by=command.by, id=command.id)
        return int(sent.offset)

    async def _decided(self, offset: int) -> Notification:
        give_up_s = time.monotonic() + _DECIDED_S
        while (answer := self._world.log.answers.get(offset)) is None:
            if time.monotonic() > give_up_s:
                message = (
                    "No alert worker has decided about it yet. What you asked for is on record, and"
                    " counts as soon as one runs."
                )
                raise Undecided(message)
            await asyncio.sleep(_LOOK_S)
        if answer.reason == "command_refused":
            raise Refused(answer.sentence)
        return answer
