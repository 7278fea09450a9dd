"""Open, acknowledge and resolve incidents at PagerDuty."""

import re
import time
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from agents.channels.addresses import Guard
from agents.channels.http import HttpClient
from agents.channels.secrets import MissingSecret, Secrets, masking
from agents.channels.sender import Clock, Post, always
from schemas.channels import PagerDuty
from streams.channels import pagerduty
from streams.channels.message import Message
from streams.channels.response_meaning import Answer, Retry, Sent

#: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
ROUTING_KEY_CHARACTERS = 32
_ROUTING_KEY = re.compile(rf"[0-9A-Za-z]{{{ROUTING_KEY_CHARACTERS}}}")


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
        answer: Answer = Sent(answer="no event to send")
        accepted = False
        key = self.routing_key.get_secret_value()
        for request in pagerduty.requests(message, self.channel, key):
            left_s = max(0.0, ends - time.monotonic())
            answer = await self.post.answer(request, left_s, pagerduty.read)
            if isinstance(answer, Retry) and accepted:
                return replace(answer, ambiguous=True)
            if not isinstance(answer, Sent):
                break
            accepted = True
        return answer


def access(channel: PagerDuty, secrets: Secrets, guard: Guard) -> SecretStr:  # noqa: ARG001 - the protocol's
    """Return the service's integration key."""
    key = secrets.need(channel.service_key_env)
    if not _ROUTING_KEY.fullmatch(key.get_secret_value()):
        raise MissingSecret(
            f"{channel.service_key_env} is not an integration key of PagerDuty's Events API v2:"
            f" it has not {ROUTING_KEY_CHARACTERS} letters and digits."
        )
    return key


def sender(
    channel: PagerDuty, routing_key: SecretStr, client: HttpClient, clock: Clock
) -> PagerDutySender:
    """Return the integration's sender."""
    post = Post(client=client, mask=masking([routing_key]), clock=clock)
    return PagerDutySender(channel=channel, routing_key=routing_key, post=post)
