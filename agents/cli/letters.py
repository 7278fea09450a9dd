"""Read the dead letters: those of one key are one, and a marker says that it was redriven."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agents.cli.kafka import reader
from agents.runtime.settings import Settings
from agents.runtime.visible import visible
from schemas.dead_letters import DeadLetter, from_headers
from schemas.topics import DEAD_LETTERS

REDRIVEN_AT = "redriven-at"
REDRIVEN_TO = "redriven-to"
#: Of a letter that is only listed, this much of its value is kept in memory.
GLIMPSE_BYTES = 200


@dataclass(slots=True, kw_only=True)
class Letter:
    """A dead letter as it stands on the topic."""

    key: str
    about: DeadLetter
    value: bytes
    refused_at_ms: int
    times: int = 1
    """How often it was written: a restarted worker may say it again."""


@dataclass(slots=True, kw_only=True)
class Letters:
    """What the topic holds, in the order of the refusals."""

    by_key: dict[str, Letter] = field(default_factory=dict)
    redriven: dict[str, int] = field(default_factory=dict)
    """When a key was redriven, in epoch ms."""
    strange: int = 0
    """Records that are neither a dead letter nor a marker."""


async def read(
    settings: Settings,
    *,
    since_ms: int | None = None,
    whole: Callable[[str, DeadLetter], bool] = lambda _key, _about: False,
) -> Letters:
    """Return the dead letters that stand on the topic now.

    Args:
        settings: where Kafka is.
        since_ms: only those refused since.
        whole: says whose value is wanted whole; of others only the first bytes are kept.
    """
    letters = Letters()
    async with reader(settings, settings.topic(DEAD_LETTERS), committed=True) as topic:
        await topic.from_time(since_ms)
        async for record in topic.to_the_end():
            _take(letters, record, whole)
    return letters


def _take(letters: Letters, record: Any, whole: Callable[[str, DeadLetter], bool]) -> None:
    key = (record.key or b"").decode(errors="replace")
    headers = dict(record.headers)
    try:
        if REDRIVEN_AT in headers:
            letters.redriven.setdefault(key, int(headers[REDRIVEN_AT]))
            return
        about = from_headers(record.headers)
    except (TypeError, ValueError):
        letters.strange += 1
        return
    if known := letters.by_key.get(key):
        known.times += 1
        return
    value = record.value or b""
    letters.by_key[key] = Letter(
        key=key,
        about=about,
        value=value if whole(key, about) else value[:GLIMPSE_BYTES],
        refused_at_ms=record.timestamp,
    )


def when(epoch_ms: int) -> str:
    """Return a time for people, UTC."""
    try:
        return f"{datetime.fromtimestamp(epoch_ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"{epoch_ms} ms"


def span(milliseconds: float) -> str:
    """Return a span for people: 3 h 12 min."""
    minutes, seconds = divmod(int(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    told = [f"{number:,} {unit}" for number, unit in parts if number]
    return " ".join(told[:2]) or "0 s"


def glimpse(value: bytes, width: int) -> str:
    """Return the first of the bytes as one line that a terminal shows as it is."""
    line = visible(value[: 4 * width].decode(errors="replace"))
    return line if len(line) <= width else line[: width - 1] + "…"
