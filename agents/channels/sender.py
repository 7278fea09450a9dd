"""What a channel's sender promises, and what senders share: posting, masking, many recipients."""

import time
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from agents.channels.addresses import AddressRefused
from agents.channels.http import HttpClient, InvalidUrl, NoResponse
from streams.channels.message import Message
from streams.channels.request import Request
from streams.channels.response_meaning import Answer, Read, Rejected, Retry, Sent
from streams.channels.text_format import fit, one_line

MAX_ANSWER = 300
MAX_DELIVERIES = 10_000
MAX_LISTED = 1000

_log = structlog.get_logger(__name__)

Mask = Callable[[str], str]
Clock = Callable[[], float]


class Sender(Protocol):
    """Sends to one channel. What is retryable is split from what is permanent here only."""

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:
        """Make one attempt (the first is 1) and answer within `deadline_s` seconds.

        Raises nothing but CancelledError: also a failure of ours is an answer.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Post:
    """What the senders that post share: the client, and what hides the channel's secrets."""

    client: HttpClient
    mask: Mask
    clock: Clock = time.time

    async def answer(self, request: Request, deadline_s: float, read: Read) -> Answer:
        """Post once and let `read` say what the receiver's response means."""
        try:
            response = await self.client.post(request, deadline_s)
        except (AddressRefused, InvalidUrl) as error:
            return Rejected(answer=masked_line(self.mask, str(error)))
        except NoResponse as error:
            answer = masked_line(self.mask, str(error))
            return Retry(answer=answer, ambiguous=error.ambiguous)
        read_as = read(response, self.now_ms())
        return replace(read_as, answer=masked_line(self.mask, read_as.answer))

    def now_ms(self) -> int:
        """Return the clock, epoch milliseconds UTC."""
        return int(self.clock() * 1000)


def masked_line(mask: Mask, text: str) -> str:
    """Return the text in one short line, masked before it is cut: half a secret is a secret."""
    return fit(one_line(mask(text)), MAX_ANSWER)


async def always(mask: Mask, channel: str, attempt: Awaitable[Answer]) -> Answer:
    """Return the attempt's answer; a failure of ours is one too, logged without secrets."""
    try:
        return await attempt
    except Exception as error:  # noqa: BLE001 - the sender's edge: a page is never lost to a bug
        _log.error("sending_failed", channel=channel, error=mask(traceback.format_exc(limit=-4)))
        text = f"A failure of opwatch: {type(error).__name__}: {error}"
        return Retry(answer=masked_line(mask, text), ambiguous=True)


class Recipients:
    """The recipients of each delivery in flight that have their final answer.

    In memory: after a crash all are sent to again, under the same id.
    """

    def __init__(self) -> None:
        self._final: OrderedDict[str, dict[str, Answer]] = OrderedDict()

    def left(self, delivery: str, recipients: Iterable[str]) -> list[str]:
        """Return who is still to be sent to."""
        final = self._final.get(delivery, {})
        return [recipient for recipient in dict.fromkeys(recipients) if recipient not in final]

    def settle(self, delivery: str, answers: dict[str, Answer]) -> Answer:
        """Add the answers of an attempt and return the answer for all recipients together.

        While one may still be reached it is a Retry, and ambiguous once one was reached: who
        received an opening is to receive its end. Else it is Sent if one was reached.
        """
        final = self._final.setdefault(delivery, {})
        waiting: dict[str, Retry] = {}
        for recipient, answer in answers.items():
            if isinstance(answer, Retry):
                waiting[recipient] = answer
            else:
                final[recipient] = answer
        text = _listed({**final, **waiting})
        sent = any(isinstance(answer, Sent) for answer in final.values())
        if waiting:
            while len(self._final) > MAX_DELIVERIES:
                self._final.popitem(last=False)
            asked = [retry.after_ms for retry in waiting.values() if retry.after_ms is not None]
            return Retry(
                answer=text,
                after_ms=max(asked, default=None),
                ambiguous=sent or any(retry.ambiguous for retry in waiting.values()),
            )
        del self._final[delivery]
        return Sent(answer=text) if sent else Rejected(answer=text)


def _listed(answers: dict[str, Answer]) -> str:
    texts = [answer.answer for answer in answers.values()]
    if len(set(texts)) == 1:
        return texts[0]
    pairs = zip(answers, texts, strict=True)
    return fit("; ".join(f"{recipient}: {text}" for recipient, text in pairs), MAX_LISTED)
