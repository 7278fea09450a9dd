"""Read `breaches` and `commands`: decide upon each record, write, publish, and say it is done."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from faust.types import TP
from pydantic import ValidationError

from agents import failpoints
from agents import metrics as common
from agents.alert.duty import Duty
from agents.alert.ledger import Lost
from agents.fetched import Chunk
from agents.letters import letter
from agents.outbox import Outbox, Outgoing
from agents.settings import Settings
from schemas.breaches import Breach
from schemas.commands import CommandRecord
from schemas.dead_letters import Reason
from schemas.topics import BREACHES, DEAD_LETTERS
from streams.alerting.given import BreachGiven, CommandGiven, Given

log = structlog.get_logger()

#: Records decided upon before the loop is let go...
_TOGETHER = 10
#: ...and before what is decided begins to be written, while more is decided.
_WRITTEN_TOGETHER = 200
#: A dead letter's detail says so much of what is wrong.
_DETAIL = 300


class Notifier:
    """Reads what the alerts are decided by."""

    def __init__(
        self, settings: Settings, outbox: Outbox, consumer: Any, duty: Callable[[], Duty]
    ) -> None:
        """Read for the duty of the moment.

        Args:
            settings: the worker's.
            outbox: publishes dead letters.
            consumer: returns the ChunkConsumer.
            duty: returns the present assignment's.
        """
        self._breaches = settings.topic(BREACHES)
        self._dead_letters = settings.topic(DEAD_LETTERS)
        self._outbox = outbox
        self._consumer = consumer
        self._duty = duty

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Take a chunk in; what another worker took over meanwhile is that one's to read."""
        duty = self._duty()
        read = self._breach if tp.topic == self._breaches else self._command
        unfit: Reason = "invalid_breach" if read == self._breach else "invalid_command"
        letters: list[Outgoing] = []
        try:
            for i, record in enumerate(chunk.records, 1):
                given = read(tp, record)
                if isinstance(given, Outgoing):
                    letters.append(given)
                elif not duty.ledger.lost:
                    try:  # what raises would end us again and again
                        duty.take(given)
                    except Exception as error:
                        log.exception("cannot be decided upon", topic=tp.topic)
                        letters.append(self._refuse(tp, record, unfit, _unexpected(error)))
                if i % _WRITTEN_TOGETHER == 0:
                    duty.ledger.begin()
                    duty.ring()
                if i % _TOGETHER == 0:
                    await asyncio.sleep(0)
            duty.ring()
            await self._outbox.publish(letters)
            await duty.ledger.written()
        except Lost:
            return
        failpoints.reached("alert_before_commit")
        if not duty.ledger.lost:
            self._consumer().done(tp, chunk.end)

    def _breach(self, tp: TP, record: Any) -> Given | Outgoing:
        if record.value is None:
            return self._refuse(tp, record, "null_value", "a breach has a value")
        try:
            breach = Breach.model_validate_json(record.value)
        except ValidationError as error:
            return self._refuse(tp, record, "invalid_breach", _first(error))
        return BreachGiven(breach=breach, raw=bytes(record.value), offset=record.offset)

    def _command(self, tp: TP, record: Any) -> Given | Outgoing:
        if record.value is None:
            return self._refuse(tp, record, "null_value", "a command has a value")
        try:
            command = CommandRecord.model_validate_json(record.value).root
        except ValidationError as error:
            return self._refuse(tp, record, "invalid_command", _first(error))
        return CommandGiven(command=command, offset=record.offset)

    def _refuse(self, tp: TP, record: Any, reason: Reason, detail: str) -> Outgoing:
        value = bytes(record.value or b"")
        log.warning("refused", topic=tp.topic, offset=record.offset, reason=reason, detail=detail)
        common.dead_letters.labels(reason).inc()
        place = (tp.topic, tp.partition, record.offset, None)
        timestamp_ms = record.timestamp
        return letter(
            self._dead_letters, value, reason, detail, place=place, timestamp_ms=timestamp_ms
        )


def _unexpected(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_DETAIL]


def _first(error: ValidationError) -> str:
    """Return the first of what is wrong, with its place."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{place}: {first['msg']}"[:_DETAIL] if place else first["msg"][:_DETAIL]
