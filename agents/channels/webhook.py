"""Post to a webhook that speaks Alertmanager's format."""

import base64
from dataclasses import dataclass, field

from pydantic import SecretStr

from agents.channels.addresses import Guard
from agents.channels.http import HttpClient
from agents.channels.secrets import MissingSecret, Secrets, masking
from agents.channels.sender import Clock, Post, always
from schemas.channels import Webhook
from streams.channels import webhook
from streams.channels.message import Message
from streams.channels.response_meaning import Answer

#: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
KEY_BYTES = range(24, 65)
#: Two, so that a receiver can move from the old one to the new one.
MAX_KEYS = 2


@dataclass(frozen=True, kw_only=True)
class WebhookAccess:
    """A webhook's URL, and the keys to sign with: two while they are rotated."""

    url: SecretStr
    keys: tuple[SecretStr, ...]


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
        return await self.post.answer(request, deadline_s, webhook.read)


def access(channel: Webhook, secrets: Secrets, guard: Guard) -> WebhookAccess:  # noqa: ARG001 - the protocol's
    """Return the webhook's URL and keys."""
    url = secrets.need_url(channel.url_env)
    if channel.secret_env is None:
        return WebhookAccess(url=url, keys=())
    keys = secrets.need(channel.secret_env).get_secret_value().replace(",", " ").split()
    if len(keys) > MAX_KEYS:
        raise MissingSecret(f"{channel.secret_env} holds more than {MAX_KEYS} secrets.")
    if not all(_is_key(key) for key in keys):
        raise MissingSecret(
            f"{channel.secret_env} is not {webhook.KEY_PREFIX}… with"
            f" {KEY_BYTES[0]} to {KEY_BYTES[-1]} bytes in base64."
        )
    return WebhookAccess(url=url, keys=tuple(SecretStr(key) for key in keys))


def _is_key(key: str) -> bool:
    try:
        raw = base64.b64decode(key.removeprefix(webhook.KEY_PREFIX), validate=True)
    except ValueError:  # also of what is not ASCII
        return False
    return key.startswith(webhook.KEY_PREFIX) and len(raw) in KEY_BYTES


def sender(
    channel: Webhook, access: WebhookAccess, client: HttpClient, clock: Clock
) -> WebhookSender:
    """Return the endpoint's sender."""
    post = Post(client=client, mask=masking([access.url, *access.keys]), clock=clock)
    return WebhookSender(channel=channel, access=access, post=post)
