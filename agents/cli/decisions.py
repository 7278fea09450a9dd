"""Read `breaches`, `commands` and `notifications` as they stand now."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.cli.kafka import reader
from agents.cli.running import Sentence
from agents.runtime.settings import Settings
from schemas.breaches import Breach
from schemas.commands import CommandRecord
from schemas.notifications import Notification
from schemas.topics import BREACHES, COMMANDS, NOTIFICATIONS, Topic
from streams.audit.log import Log, Unfound, find
from streams.audit.status import channels_gone

Model = TypeVar("Model", bound=BaseModel)
#: An attempt at a message that several alerts share is said of one of them only.
_SHARED = b'"reason":"retry"'
#: Most decisions are neither, and take as long to parse.
_SENT_OR_NOT = re.compile(rb'"reason":"(sent|gave_up)"')


async def read(settings: Settings, *, prefix: str = "") -> Log:
    """Return what the topics say.

    Args:
        settings: where Kafka is.
        prefix: only of alerts whose fingerprint begins so.
    """
    log = Log()
    begins = prefix.encode()

    def breach(record: Any) -> None:
        if (record.key or b"").startswith(begins) and (one := _parsed(Breach, record)):
            log.add_breach(one, record.offset, record.timestamp)

    def command(record: Any) -> None:
        if one := _parsed(CommandRecord, record):
            log.add_command(one.root, record.offset, record.timestamp)

    def decision(record: Any) -> None:
        ours = (record.key or b"").startswith(begins) or _is_answer(record)
        if (ours or _SHARED in record.value) and (one := _parsed(Notification, record)):
            log.add_decision(one)

    await asyncio.gather(
        _each(settings, BREACHES, breach),
        _each(settings, COMMANDS, command),
        _each(settings, NOTIFICATIONS, decision),
    )
    return log


async def gone(settings: Settings) -> dict[str, str]:
    """Return why nothing is sent to each channel that asked for that."""
    decisions: list[Notification] = []

    def decision(record: Any) -> None:
        if _SENT_OR_NOT.search(record.value) and (one := _parsed(Notification, record)):
            decisions.append(one)

    await _each(settings, NOTIFICATIONS, decision)
    return channels_gone(decisions)


def fingerprint(log: Log, prefix: str) -> str:
    """Return the alert that a person means.

    Raises:
        Sentence: there is none, or more than one.
    """
    return meant(prefix, log.breaches, "alert", "opwatch alerts list --all")


def meant(prefix: str, known: Any, what: str, listed_by: str) -> str:
    """Return the id that a person means by its first characters.

    Raises:
        Sentence: there is none, or more than one.
    """
    try:
        return find(prefix, known, what, listed_by)
    except Unfound as unfound:
        raise Sentence(f"{unfound}.") from None


def parse_decision(record: Any) -> Notification | None:
    """Return what a record on `notifications` says; None if this program does not know it."""
    return _parsed(Notification, record)


def _is_answer(record: Any) -> bool:
    return b'"reason":"command_' in record.value


async def _each(settings: Settings, topic: Topic, take: Callable[[Any], None]) -> None:
    async with reader(settings, settings.topic(topic), committed=True) as records:
        await records.from_time(None)
        async for record in records.to_the_end():
            if record.value is not None:
                take(record)


def _parsed(model: type[Model], record: Any) -> Model | None:
    if record.value is None:
        return None
    try:
        return model.model_validate_json(record.value)
    except ValidationError:  # of a kind or version this program does not know
        return None
