"""Post to a webhook that speaks Alertmanager's format."""

from dataclasses import dataclass, field

from agents.channels.credentials import WebhookAccess
from agents.channels.outside import Heard
from agents.channels.posting import Post, always
from agents.channels.sender import Answer
from schemas.channels import Webhook
from streams.alerting.inputs import Rejected, Sent
from streams.channels import webhook
from streams.channels.message import Message

#: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the
#: server wants no more messages, and the sender should disable the endpoint.
GONE = 410


@dataclass(frozen=True, kw_only=True)
class WebhookSender:
    """One endpoint."""

    channel: Webhook
    access: WebhookAccess
    post: Post = field(repr=False, compare=False)

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:  # noqa: ARG002 - the protocol's
        """Make one attempt, signed anew: the same id, another time."""
        return await always(self.post.mask, self.channel.name, self._send(message, deadline_s))

    async def _send(self, message: Message, deadline_s: float) -> Answer:
        request = webhook.request(
            message,
            self.channel,
            self.access.url.get_secret_value(),
            tuple(key.get_secret_value() for key in self.access.keys),
            self.post.now_ms(),
        )
        return await self.post.answer(request, deadline_s, judge)


def judge(post: Post, heard: Heard) -> Answer:
    """Answer what the endpoint means: only 2xx is success, and its status alone says so."""
    if 200 <= heard.status < 300:
        return Sent(answer=post.told(heard))
    if heard.status == GONE:
        return Rejected(answer=post.told(heard), gone=True)
    return post.by_status(heard)
