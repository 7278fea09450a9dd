"""Send text messages through Twilio, one request a recipient."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

from agents.channels.credentials import TwilioAccess
from agents.channels.outside import Heard
from agents.channels.posting import Post, always
from agents.channels.recipients import Recipients
from agents.channels.retry_after import retry_after_ms
from agents.channels.sender import Answer
from schemas.channels import Sms
from streams.alerting.inputs import Rejected, Retry, Sent
from streams.channels import sms
from streams.channels.message import Message

#: https://www.twilio.com/docs/api/errors/20429: it was not taken at all.
TOO_MANY = 20429
#: https://www.twilio.com/docs/api/errors: unsubscribed, too long, blocked, unknown, landline,
#: filtered.
PERMANENT = (21610, 21617, 30004, 30005, 30006, 30007)
CREATED = 201


@dataclass(frozen=True, kw_only=True)
class SmsSender:
    """One account and its recipients."""

    channel: Sms
    access: TwilioAccess
    post: Post = field(repr=False, compare=False)
    recipients: Recipients = field(default_factory=Recipients, repr=False, compare=False)

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:  # noqa: ARG002 - the protocol's
        """Make one attempt with each recipient who is still to be told."""
        return await always(self.post.mask, self.channel.name, self._send(message, deadline_s))

    async def _send(self, message: Message, deadline_s: float) -> Answer:
        left = self.recipients.left(message.delivery, self.channel.to)
        requests = dict(
            sms.requests(
                message,
                self.channel,
                self.access.account.get_secret_value(),
                self.access.token.get_secret_value(),
                self.access.sender,
            )
        )
        answers = await asyncio.gather(
            *(self.post.answer(requests[to], deadline_s, judge) for to in left)
        )
        return self.recipients.settle(message.delivery, dict(zip(left, answers, strict=True)))


def judge(post: Post, heard: Heard) -> Answer:
    """Answer what Twilio means; after a 5xx nobody knows whether the text was sent."""
    code, said = _said(heard)
    told = post.told(heard, said)
    if heard.status == CREATED:
        return Sent(answer=told)
    if code == TOO_MANY:
        after_ms = retry_after_ms(heard.headers.get("retry-after"), post.now_ms())
        return Retry(answer=told, after_ms=after_ms)
    if code in PERMANENT:
        return Rejected(answer=told)
    answer = post.by_status(heard, said)
    if isinstance(answer, Retry) and heard.status >= 500:
        return Retry(answer=answer.answer, after_ms=answer.after_ms, ambiguous=True)
    return answer


def _said(heard: Heard) -> tuple[int | None, str | None]:
    """Return Twilio's error code, and its words or the message's sid."""
    try:
        body: Any = orjson.loads(heard.body)
    except orjson.JSONDecodeError:
        return None, None
    if not isinstance(body, dict):
        return None, None
    code = body.get("code")
    words = [str(body[name]) for name in ("sid", "code", "message") if body.get(name)]
    return (code if isinstance(code, int) else None), " ".join(words) or None
