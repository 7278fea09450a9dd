"""Open, acknowledge and resolve incidents at PagerDuty."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from pydantic import SecretStr

from agents.channels.outside import Heard
from agents.channels.posting import Post, always
from agents.channels.sender import Answer
from schemas.channels import PagerDuty
from streams.alerting.inputs import Retry, Sent
from streams.channels import pagerduty
from streams.channels.message import Message

#: https://developer.pagerduty.com/docs/events-api-v2/overview/#response-codes--retry-logic
ACCEPTED = 202


@dataclass(frozen=True, kw_only=True)
class PagerDutySender:
    """One service's integration."""

    channel: PagerDuty
    routing_key: SecretStr
    post: Post = field(repr=False, compare=False)

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:  # noqa: ARG002 - the protocol's
        """Make one attempt: each event of the message, until one is not accepted."""
        return await always(self.post.mask, self.channel.name, self._send(message, deadline_s))

    async def _send(self, message: Message, deadline_s: float) -> Answer:
        ends = time.monotonic() + deadline_s
        answer: Answer = Sent(answer="nothing to say")
        heard = False
        key = self.routing_key.get_secret_value()
        for request in pagerduty.requests(message, self.channel, key):
            left_s = max(0.0, ends - time.monotonic())
            answer = await self.post.answer(request, left_s, judge)
            if isinstance(answer, Retry) and heard:
                return replace(answer, ambiguous=True)
            if not isinstance(answer, Sent):
                break
            heard = True
        return answer


def judge(post: Post, heard: Heard) -> Answer:
    """Answer what PagerDuty means: only 202 is accepted."""
    if heard.status == ACCEPTED:
        return Sent(answer=post.told(heard, _said(heard)))
    return post.by_status(heard, _said(heard))


def _said(heard: Heard) -> str | None:
    """Return PagerDuty's message and errors, or None if it speaks otherwise."""
    try:
        body: Any = orjson.loads(heard.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict):
        return None
    errors = body.get("errors")
    listed = ", ".join(map(str, errors)) if isinstance(errors, list) else ""
    return ": ".join(part for part in (str(body.get("message") or ""), listed) if part) or None
