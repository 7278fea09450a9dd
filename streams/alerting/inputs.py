"""Define what the engine takes in: breaches, commands, ticks, and what came of attempts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from schemas.breaches import Breach
from schemas.channels import Channel
from schemas.commands import Command, CommandRecord
from streams.channels.message import Message
from streams.channels.response_meaning import Answer
from streams.validation import WHOLE_BYTES, Judge


@dataclass(frozen=True, kw_only=True)
class BreachInput:
    """A record of `breaches`."""

    breach: Breach
    raw: bytes
    """Its value as it was read."""
    offset: int
    topic: str = "breaches"


@dataclass(frozen=True, kw_only=True)
class CommandInput:
    """A record of `commands`."""

    command: Command
    offset: int
    topic: str = "commands"


@dataclass(frozen=True, kw_only=True)
class Tick:
    """The clock moved on."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A try to send a message: write the changes, then make the request, then report the result."""

    id: str
    """Names the message over its attempts: the same content has the same."""
    channel: str
    row: str
    """The key of the state that has the lease."""
    delivery: str
    """The head's id."""
    generation: str
    attempt: int
    lease_until_ms: int
    message: Message
    unnamed: frozenset[str] = frozenset()
    """Deliveries that the message counts and does not name: they are not sent."""


@dataclass(frozen=True, kw_only=True)
class AttemptResult:
    """What came of an attempt."""

    attempt: Attempt
    response: Answer
    jitter: float = 0.5
    """A random number of [0, 1), for the backoff."""


Input = BreachInput | CommandInput | Tick | AttemptResult


@dataclass(frozen=True, kw_only=True)
class Channels:
    """The channels of the rule file, and which of them cannot be used and why."""

    by_name: Mapping[str, Channel]
    missing: Mapping[str, str] = field(default_factory=dict)
    """Of channels whose secret is missing: a sentence, without the secret's value."""

    @classmethod
    def of(
        cls, channels: Iterable[Channel], missing: Mapping[str, str] | None = None
    ) -> "Channels":
        """Return the channels of a rule file."""
        return cls(
            by_name={channel.name: channel for channel in channels}, missing=dict(missing or {})
        )


def why_gone(name: str) -> str:
    """Return why nothing is sent to a channel that answered 410 Gone, and what ends that."""
    return (
        f"{name} answered 410 Gone, so nothing more is sent there;"
        f" `opwatch channels test {name}` enables it again if it takes the test."
    )


#: A breach with its evidence takes a few kilobytes.
_BREACH_BYTES = 256 * 1024

_breach = Judge(Breach, Breach.model_fields, _BREACH_BYTES)
_COMMANDS = get_args(get_args(Command)[0])
_FIELDS = sorted({name for command in _COMMANDS for name in command.model_fields})
_command = Judge(CommandRecord, _FIELDS, WHOLE_BYTES)


def read_breach(value: bytes) -> Breach:
    """Return a record on `breaches`, in time that its bytes bound.

    Raises:
        streams.validation.NotFit: it is none.
    """
    return _breach.read(value)


def read_command(value: bytes) -> Command:
    """Return a record on `commands`, in time that its bytes bound.

    Raises:
        streams.validation.NotFit: it is none.
    """
    return _command.read(value).root
