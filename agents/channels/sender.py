"""Say what a channel's adapter promises, and name the answers it may give."""

from typing import Protocol

from streams.alerting.inputs import Rejected, Retry, Sent
from streams.channels.message import Message

Answer = Sent | Retry | Rejected


class Sender(Protocol):
    """Tells one channel. What is retryable is split from what is permanent here, nowhere else."""

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:
        """Make one attempt (the first is 1) and answer within `deadline_s` seconds.

        Raises nothing but CancelledError: also a failure of ours is an answer.
        """
        ...
