"""Post to a channel or chat of Microsoft Teams through a webhook of its Workflows app."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from agents.channels.addresses import Guard, host_of
from agents.channels.http import HttpClient
from agents.channels.secrets import NotAllowed, Secrets, masking
from agents.channels.sender import Clock, Post, always
from schemas.channels import Teams
from streams.channels import teams
from streams.channels.message import Message
from streams.channels.response_meaning import Answer


@dataclass(frozen=True, kw_only=True)
class TeamsSender:
    """One webhook."""

    channel: Teams
    url: SecretStr
    post: Post = field(repr=False, compare=False)

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:  # noqa: ARG002 - the protocol's
        """Make one attempt."""
        return await always(self.post.mask, self.channel.name, self._send(message, deadline_s))

    async def _send(self, message: Message, deadline_s: float) -> Answer:
        request = teams.request(message, self.channel, self.url.get_secret_value())
        return await self.post.answer(request, deadline_s, teams.read)


def access(channel: Teams, secrets: Secrets, guard: Guard) -> SecretStr:
    """Return the webhook's URL, which is the secret and goes nowhere but to Microsoft.

    Raises:
        NotAllowed: it leads elsewhere.
    """
    name = channel.webhook_url_env
    url = secrets.need_url(name)
    if not guard.allows_vendor(host_of(url.get_secret_value()), channel.vendor):
        sentence = (
            f"{name} does not lead to Microsoft Teams, unless OPWATCH_VENDOR_HOSTS or"
            " OPWATCH_ALLOW_ADDRESSES names its host."
        )
        raise NotAllowed(sentence, "webhook_url_env")
    return url


def sender(channel: Teams, url: SecretStr, client: HttpClient, clock: Clock) -> TeamsSender:
    """Return the webhook's sender."""
    post = Post(client=client, mask=masking([url]), clock=clock)
    return TeamsSender(channel=channel, url=url, post=post)
