"""Send to a Slack channel through its incoming webhook."""

import re
from dataclasses import dataclass, field

from pydantic import SecretStr

from agents.channels.addresses import Guard, host_of
from agents.channels.http import HttpClient
from agents.channels.secrets import MissingSecret, Secrets, masking
from agents.channels.sender import Clock, Post, always
from schemas.channels import Slack
from streams.channels import slack
from streams.channels.message import Message
from streams.channels.response_meaning import Answer

_SLACK = re.compile(r"hooks\.slack(-gov)?\.com")
_WEBHOOK = re.compile(r"\.com/(services/T\w+/B\w+/[\w-]+|(workflows|triggers)/\w+/\S+)$", re.ASCII)


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
    name = channel.webhook_url_env
    url = secrets.need_url(name)
    host = host_of(url.get_secret_value())
    if _SLACK.fullmatch(host) and not _WEBHOOK.search(url.get_secret_value()):
        raise MissingSecret(f"{name} is not whole: https://{host}/services/T…/B…/… is.")
    return url


def sender(channel: Slack, url: SecretStr, client: HttpClient, clock: Clock) -> SlackSender:
    """Return the webhook's sender."""
    post = Post(client=client, mask=masking([url]), clock=clock)
    return SlackSender(channel=channel, url=url, post=post)
