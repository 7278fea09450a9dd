"""Read `breaches`, `commands`, `notifications` and `dead-letters` as they stand now."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.kafka.reader import NoTopic, topic_reader
from agents.runtime.settings import Settings
from schemas.breaches import Breach
from schemas.commands import CommandRecord
from schemas.dead_letters import DeadLetter, from_headers
from schemas.notifications import Notification
from schemas.topics import BREACHES, COMMANDS, DEAD_LETTERS, NOTIFICATIONS, Topic
from streams.audit.log import Log
from streams.audit.status import channels_gone

#: The headers of the marker that says when, and to which topic, a dead letter was redriven.
REDRIVEN_AT = "redriven-at"
REDRIVEN_TO = "redriven-to"
#: How much of a dead letter's value is read if not all of it is wanted.
FIRST_BYTES = 200
#: An attempt at a message that several alerts share is recorded under one of them only.
_SHARED = b'"reason":"retry"'
#: Most decisions are neither, and take as long to parse.
_SENT_OR_NOT = re.compile(rb'"reason":"(sent|gave_up)"')

Model = TypeVar("Model", bound=BaseModel)


async def read_alerts(settings: Settings, *, prefix: str = "") -> Log:
    """Return the breaches, commands and decisions.

    Args:
        settings: where Kafka is.
        prefix: only of alerts whose fingerprint begins with it.
    """
    log = Log()
    begins = prefix.encode()

    def add_breach(record: Any) -> None:
        if (record.key or b"").startswith(begins) and (breach := _parsed(Breach, record)):
            log.add_breach(breach, record.offset, record.timestamp)

    def add_command(record: Any) -> None:
        if command := _parsed(CommandRecord, record):
            log.add_command(command.root, record.offset, record.timestamp)

    def add_decision(record: Any) -> None:
        wanted = (record.key or b"").startswith(begins) or b'"reason":"command_' in record.value
        if (wanted or _SHARED in record.value) and (decision := parse_decision(record)):
            log.add_decision(decision)

    await asyncio.gather(
        _read(settings, BREACHES, add_breach),
        _read(settings, COMMANDS, add_command),
        _read(settings, NOTIFICATIONS, add_decision),
    )
    return log


async def read_gone_channels(settings: Settings) -> dict[str, str]:
    """Return why nothing is sent to each channel whose receiver answered 410 Gone."""
    decisions: list[Notification] = []

    def add(record: Any) -> None:
        if _SENT_OR_NOT.search(record.value) and (decision := parse_decision(record)):
            decisions.append(decision)

    try:
        await _read(settings, NOTIFICATIONS, add)
    except NoTopic:  # nothing was ever sent
        return {}
    return channels_gone(decisions)


def parse_decision(record: Any) -> Notification | None:
    """Return the decision; None if this program cannot read it."""
    return _parsed(Notification, record)


@dataclass(slots=True, kw_only=True)
class StoredDeadLetter:
    """A dead letter as it stands on the topic."""

    key: str
    about: DeadLetter
    value: bytes
    refused_at_ms: int


@dataclass(slots=True, kw_only=True)
class DeadLetterLog:
    """The dead letters in the order of the refusals, one a key, and which of them were redriven."""

    by_key: dict[str, StoredDeadLetter] = field(default_factory=dict)
    redriven: dict[str, int] = field(default_factory=dict)
    """When a key was redriven, epoch ms."""

    def add(self, record: Any, whole: Callable[[str, DeadLetter], bool]) -> None:
        """Add a record, a dead letter or a marker; anything else changes nothing."""
        key = (record.key or b"").decode(errors="replace")
        headers = dict(record.headers)
        try:
            if REDRIVEN_AT in headers:
                self.redriven.setdefault(key, int(headers[REDRIVEN_AT]))
                return
            about = from_headers(record.headers)
        except (TypeError, ValueError):
            return
        if key in self.by_key:  # a restarted worker may write it again
            return
        value = record.value or b""
        self.by_key[key] = StoredDeadLetter(
            key=key,
            about=about,
            value=value if whole(key, about) else value[:FIRST_BYTES],
            refused_at_ms=record.timestamp,
        )


async def read_dead_letters(
    settings: Settings,
    *,
    since_ms: int | None = None,
    whole: Callable[[str, DeadLetter], bool] = lambda _key, _about: False,
) -> DeadLetterLog:
    """Return the dead letters that stand on the topic now.

    Args:
        settings: where Kafka is.
        since_ms: only those refused since.
        whole: tells whose value is read whole; of others the first bytes are enough.
    """
    log = DeadLetterLog()
    name = settings.topic(DEAD_LETTERS)
    async with topic_reader(settings, name, committed=True) as records:
        await records.from_time(since_ms)
        async for record in records.to_the_end():
            log.add(record, whole)
    return log


async def _read(settings: Settings, topic: Topic, add: Callable[[Any], None]) -> None:
    async with topic_reader(settings, settings.topic(topic), committed=True) as records:
        await records.from_time(None)
        async for record in records.to_the_end():
            if record.value is not None:
                add(record)


def _parsed(model: type[Model], record: Any) -> Model | None:
    if record.value is None:
        return None
    try:
        return model.model_validate_json(record.value)
    except ValidationError:  # of a kind or version this program cannot read
        return None
