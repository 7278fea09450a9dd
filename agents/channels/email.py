"""Send mail, and know of each recipient whether the server took it."""

import asyncio
import base64
import contextlib
import re
import socket
import ssl
import time
from dataclasses import dataclass, field

import aiosmtplib

from agents.channels.addresses import AddressRefused, Guard
from agents.channels.credentials import SmtpAccess
from agents.channels.posting import Mask, always, said
from agents.channels.recipients import Recipients
from agents.channels.sender import Answer
from schemas.channels import Email
from streams.alerting.inputs import Rejected, Retry, Sent
from streams.channels import email
from streams.channels.message import Message

#: What is left of the deadline, and at most this, is spent on saying goodbye.
QUIT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class EmailSender:
    """One mail server and its recipients."""

    channel: Email
    access: SmtpAccess
    guard: Guard = field(repr=False, compare=False)
    tls: ssl.SSLContext = field(repr=False, compare=False)
    mask: Mask = field(repr=False, compare=False)
    recipients: Recipients = field(default_factory=Recipients, repr=False, compare=False)

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:  # noqa: ARG002 - the protocol's
        """Make one attempt with each recipient who is still to be told."""
        return await always(self.mask, self.channel.name, self._send(message, deadline_s))

    async def _send(self, message: Message, deadline_s: float) -> Answer:
        try:
            mail = email.build(message, self.channel)
            left = self.recipients.left(message.delivery, map(email.address, self.channel.to))
        except email.NoAddress as error:
            return Rejected(answer=said(self.mask, str(error)))
        session = _Session(self, left)
        failure = await session.run(mail, deadline_s)
        answers = {one: session.answers.get(one, failure) for one in left}
        settled = {one: answer for one, answer in answers.items() if answer is not None}
        return self.recipients.settle(message.delivery, settled)


class _Session:
    """One conversation with the mail server."""

    def __init__(self, sender: EmailSender, left: list[str]) -> None:
        self._sender = sender
        self._left = left
        self._given = False
        """Whether the mail itself may have reached the server: from there on a failure that is
        no answer leaves open whether it was taken."""
        self.answers: dict[str, Answer] = {}
        """Of those who were answered for by themselves."""

    async def run(self, mail: bytes, deadline_s: float) -> Answer | None:
        """Return the answer of all who have none of their own."""
        ends = time.monotonic() + deadline_s
        smtp: aiosmtplib.SMTP | None = None
        try:
            async with asyncio.timeout(deadline_s):
                smtp = await self._connected(deadline_s)
                return await self._talk(smtp, mail)
        except AddressRefused as error:
            return Rejected(answer=self._said(str(error)))
        except aiosmtplib.SMTPResponseException as error:
            return self._answered(error.code, error.message)
        except aiosmtplib.SMTPNotSupported as error:
            return Rejected(answer=self._said(str(error)))
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            return self._open(f"No answer within {deadline_s:g} s.")
        except (aiosmtplib.SMTPException, OSError) as error:
            return self._open(f"The connection failed: {error}")
        finally:
            await _leave(smtp, min(QUIT_S, ends - time.monotonic()))

    async def _connected(self, deadline_s: float) -> aiosmtplib.SMTP:
        channel, access = self._sender.channel, self._sender.access
        smtp = aiosmtplib.SMTP(
            hostname=access.host,
            sock=await _socket(self._sender.guard, access, plain=channel.tls == "none"),
            timeout=deadline_s,
            local_hostname=_own_name(),
            use_tls=channel.tls == "implicit",
            start_tls=False,
            tls_context=self._sender.tls,
        )
        try:
            await smtp.connect()
            await self._let_in(smtp)
        except BaseException:
            smtp.close()
            raise
        return smtp

    async def _let_in(self, smtp: aiosmtplib.SMTP) -> None:
        access = self._sender.access
        await smtp.ehlo()
        if self._sender.channel.tls == "starttls":
            if not smtp.supports_extension("starttls"):
                said = "The mail server offers no STARTTLS, and nothing is sent without."
                raise aiosmtplib.SMTPNotSupported(said)
            await smtp.starttls()
        if access.user is not None and access.password is not None:
            await smtp.login(access.user.get_secret_value(), access.password.get_secret_value())

    async def _talk(self, smtp: aiosmtplib.SMTP, mail: bytes) -> Answer | None:
        await smtp.mail(email.address(self._sender.channel.sender))
        for one in self._left:
            try:
                await smtp.rcpt(one)
            except aiosmtplib.SMTPRecipientRefused as refused:
                self.answers[one] = self._answered(refused.code, refused.message)
        if len(self.answers) == len(self._left):
            return None
        self._given = True
        response = await smtp.data(mail)
        return Sent(answer=self._said(f"{response.code} {response.message}"))

    def _answered(self, code: int, message: str) -> Answer:
        told = self._said(f"{code} {message}")
        if 500 <= code < 600:
            return Rejected(answer=told)
        return Retry(answer=told, ambiguous=self._given and not 400 <= code < 500)

    def _open(self, text: str) -> Retry:
        return Retry(answer=self._said(text), ambiguous=self._given)

    def _said(self, text: str) -> str:
        return said(self._sender.mask, text)


async def _socket(guard: Guard, access: SmtpAccess, *, plain: bool) -> socket.socket:
    """Return a connection to an address that was checked."""
    loop = asyncio.get_running_loop()
    last: OSError | None = None
    for address in await guard.addresses(access.host, access.port, plain=plain):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, (address, access.port))
        except OSError as error:
            connection.close()
            last = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    assert last is not None
    raise last


async def _leave(smtp: aiosmtplib.SMTP | None, seconds: float) -> None:
    if smtp is None:
        return
    try:
        if seconds > 0 and smtp.is_connected:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(seconds):
                    await smtp.quit()
    finally:
        smtp.close()


def _own_name() -> str:
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]{1,200}", name) else "localhost"


def encoded(access: SmtpAccess) -> list[str]:
    """Return the forms in which SMTP carries the secret, for the mask."""
    if access.user is None or access.password is None:
        return []
    user, password = access.user.get_secret_value(), access.password.get_secret_value()
    plain = f"\0{user}\0{password}".encode()
    return [base64.b64encode(form).decode() for form in (plain, password.encode())]
