"""Send text messages through Twilio, one request a recipient."""

import asyncio
import base64
import re
from dataclasses import dataclass, field

from pydantic import SecretStr

from agents.channels.addresses import Guard
from agents.channels.http import HttpClient
from agents.channels.secrets import MissingSecret, Secrets, masking
from agents.channels.sender import Clock, Post, Recipients, always
from schemas.channels import Sms
from streams.channels import sms
from streams.channels.message import Message
from streams.channels.response_meaning import Answer

#: https://www.twilio.com/docs/glossary/what-is-a-sid
ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")


@dataclass(frozen=True, kw_only=True)
class TwilioAccess:
    """A Twilio account, and a number or a messaging service (MG…) to send from."""

    account: SecretStr
    token: SecretStr
    sender: str


@dataclass(frozen=True, kw_only=True)
class SmsSender:
    """One account and its recipients."""

    channel: Sms
    access: TwilioAccess
    post: Post = field(repr=False, compare=False)
    recipients: Recipients = field(default_factory=Recipients, repr=False, compare=False)

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:  # noqa: ARG002 - the protocol's
        """Make one attempt with each recipient who is still to be sent to."""
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
            *(self.post.answer(requests[to], deadline_s, sms.read) for to in left)
        )
        return self.recipients.settle(message.delivery, dict(zip(left, answers, strict=True)))


def access(channel: Sms, secrets: Secrets, guard: Guard) -> TwilioAccess:  # noqa: ARG001 - the protocol's
    """Return the Twilio account."""
    account = secrets.need("TWILIO_ACCOUNT_SID")
    if not ACCOUNT.fullmatch(account.get_secret_value()):
        raise MissingSecret("TWILIO_ACCOUNT_SID is not AC and 32 hexadecimal digits.")
    token = secrets.need("TWILIO_AUTH_TOKEN")
    sender = secrets.need("TWILIO_FROM").get_secret_value()
    if not sms.is_sender(sender):
        raise MissingSecret(
            "TWILIO_FROM is no number (+15551234567), short code, sender's name or messaging"
            " service (MG and 32 hexadecimal digits)."
        )
    return TwilioAccess(account=account, token=token, sender=sender)


def sender(channel: Sms, access: TwilioAccess, client: HttpClient, clock: Clock) -> SmsSender:
    """Return the account's sender."""
    pair = f"{access.account.get_secret_value()}:{access.token.get_secret_value()}"
    basic = SecretStr(base64.b64encode(pair.encode()).decode())
    mask = masking([access.token, access.account, basic])
    post = Post(client=client, mask=mask, clock=clock)
    return SmsSender(channel=channel, access=access, post=post)
