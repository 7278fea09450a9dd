"""Send to a Slack channel through its incoming webhook."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from agents.channels.addresses import Guard
from agents.channels.http import HttpClient
from agents.channels.secrets import Secrets, masking
from agents.channels.sender import Clock, Post, always
from schemas.channels import Slack
from streams.channels import slack
from streams.channels.message import Message
from streams.channels.response_meaning import Answer


@dataclass(frozen=True, kw_only=True)
class SlackSender:
    """One webhook."""

    channel: Slack
    url: SecretStr
    post: Post = field(repr=False, compare=False)

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:  # noqa: ARG002 - the protocol's
        """Make one attempt."""
        return await always(self.post.mask, self.channel.name, self._send(message, deadline_s))

    async def _send(self, message: Message, deadline_s: float) -> Answer:
        request = slack.request(message, self.channel, self.url.get_secret_value())
        return await self.post.answer(request, deadline_s, slack.read)


def access(channel: Slack, secrets: Secrets, guard: Guard) -> SecretStr:  # noqa: ARG001 - the protocol's
    """Return the incoming webhook's URL, which is the secret."""
    return secrets.need_url(channel.webhook_url_env)


def sender(channel: Slack, url: SecretStr, client: HttpClient, clock: Clock) -> SlackSender:
    """Return the webhook's sender."""
    post = Post(client=client, mask=masking([url]), clock=clock)
    return SlackSender(channel=channel, url=url, post=post)
