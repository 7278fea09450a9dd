"""Say what a channel's adapter promises, and the three answers it may give."""

from dataclasses import dataclass
from typing import Protocol

from streams.messages.message import Message


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The receiver took it."""

    answer: str
    """What it said, without secrets."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """It did not get through, and may the next time."""

    answer: str
    after_ms: int | None = None
    """How long the receiver asked to be left alone; None if it did not say."""
    ambiguous: bool = False
    """Whether the receiver may have taken it all the same, so that a retry may say it twice."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """It will never get through as it is: a retry would be refused again."""

    answer: str
    disables: bool = False
    """Whether the receiver asked to be sent nothing any more (a webhook's 410)."""


Answer = Sent | Retry | Rejected


class Sender(Protocol):
    """Tells one channel. What is retryable is split from what is permanent here, nowhere else."""

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:
        """Make one attempt (the first is 1) and answer within `deadline_s` seconds.

        Raises nothing but CancelledError: also a failure of ours is an answer.
        """
        ...
