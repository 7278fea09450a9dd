"""Send mail by SMTP, and keep for each recipient whether the server accepted it."""

import asyncio
import base64
import contextlib
import functools
import re
import socket
import ssl
import time
from dataclasses import dataclass, field

import aiosmtplib
from pydantic import SecretStr

from agents.channels.addresses import AddressRefused, Guard
from agents.channels.http import HttpClient
from agents.channels.secrets import MissingSecret, NotAllowed, Secrets, masking
from agents.channels.sender import Clock, Mask, Recipients, always, masked_line
from agents.runtime.network_errors import words
from schemas.channels import Email
from schemas.mail_addresses import MailAddress
from streams.channels import email
from streams.channels.message import Message
from streams.channels.response_meaning import Answer, Rejected, Retry, Sent

PORTS = {"starttls": 587, "implicit": 465, "none": 25}

#: What is left of the deadline, and at most this, is spent on saying goodbye.
QUIT_S = 1.0
#: A name server that does not answer is not waited for longer.
OWN_NAME_S = 2.0

#: https://www.rfc-editor.org/rfc/rfc5321#section-4.1.3: a name with a dot, or an address.
_WHOLE_NAME = re.compile(
    r"(?!localhost\.)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]*[A-Za-z0-9])+"
)
_LITERAL = re.compile(r"\[(IPv6:)?[0-9A-Fa-f.:]+\]")
_NO_SMTPUTF8 = "The mail server does not offer SMTPUTF8, without which it cannot take"
_whole_name = functools.cache(socket.getfqdn)


@dataclass(frozen=True, kw_only=True)
class SmtpAccess:
    """A mail server, and the user to be there."""

    host: str
    port: int
    user: SecretStr | None
    password: SecretStr | None
    helo: str | None = None
    """What this machine calls itself there; by default its whole name, else its address."""


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
        """Make one attempt with each recipient who is still to be sent to."""
        return await always(self.mask, self.channel.name, self._send(message, deadline_s))

    async def _send(self, message: Message, deadline_s: float) -> Answer:
        _, to = email.addresses(self.channel)
        by_bare = {address.bare: address for address in to}
        left = [by_bare[bare] for bare in self.recipients.left(message.delivery, by_bare)]
        session = _Session(self, message, left)
        failure = await session.run(deadline_s)
        answers = {it.bare: session.answers.get(it.bare, failure) for it in left}
        settled = {to: answer for to, answer in answers.items() if answer is not None}
        return self.recipients.settle(message.delivery, settled)


class _Session:
    """One conversation with the mail server."""

    def __init__(self, sender: EmailSender, message: Message, left: list[MailAddress]) -> None:
        self._sender = sender
        self._message = message
        self._left = left
        self._data_began = False
        """Whether the mail itself may have reached the server: from there on a failure without a
        reply leaves open whether it was accepted."""
        self.answers: dict[str, Answer] = {}
        """Of the recipients for whom the server replied separately."""

    async def run(self, deadline_s: float) -> Answer | None:
        """Return the answer for the recipients that `answers` does not hold."""
        ends = time.monotonic() + deadline_s
        smtp: aiosmtplib.SMTP | None = None
        try:
            async with asyncio.timeout(deadline_s):
                smtp = await self._connected(deadline_s)
                return await self._talk(smtp)
        except AddressRefused as error:
            return Rejected(answer=self._masked(str(error)))
        except aiosmtplib.SMTPResponseException as error:
            return self._replied(error.code, error.message)
        except aiosmtplib.SMTPNotSupported as error:
            return Rejected(answer=self._masked(str(error)))
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            return self._no_reply(f"No answer within {deadline_s:g} s.")
        except (aiosmtplib.SMTPException, OSError) as error:
            access = self._sender.access
            where = f"{access.host}:{access.port}"
            return self._no_reply(f"The connection to {where} failed: {words(error)}")
        finally:
            await _leave(smtp, min(QUIT_S, ends - time.monotonic()))

    async def _connected(self, deadline_s: float) -> aiosmtplib.SMTP:
        channel, access = self._sender.channel, self._sender.access
        connection = await _socket(self._sender.guard, access, plain=channel.tls == "none")
        smtp = aiosmtplib.SMTP(
            hostname=access.host,
            sock=connection,
            timeout=deadline_s,
            local_hostname=access.helo or await _own_name(connection),
            use_tls=channel.tls == "implicit",
            start_tls=False,
            tls_context=self._sender.tls,
        )
        with contextlib.ExitStack() as unless_connected:
            unless_connected.callback(smtp.close)
            await smtp.connect()
            await self._log_in(smtp)
            unless_connected.pop_all()
        return smtp

    async def _log_in(self, smtp: aiosmtplib.SMTP) -> None:
        access = self._sender.access
        await smtp.ehlo()
        if self._sender.channel.tls == "starttls":
            if not smtp.supports_extension("starttls"):
                sentence = "The mail server offers no STARTTLS, and nothing is sent without."
                raise aiosmtplib.SMTPNotSupported(sentence)
            await smtp.starttls()
        if access.user is not None and access.password is not None:
            await smtp.login(access.user.get_secret_value(), access.password.get_secret_value())

    async def _talk(self, smtp: aiosmtplib.SMTP) -> Answer | None:
        sender, to = email.addresses(self._sender.channel)
        smtputf8 = False
        if any(address.needs_smtputf8 for address in (sender, *to)):
            smtputf8 = smtp.supports_extension("smtputf8")
        if sender.needs_smtputf8 and not smtputf8:
            raise aiosmtplib.SMTPNotSupported(f"{_NO_SMTPUTF8} {sender.bare}, the sender.")
        options, encoding = (["SMTPUTF8"], "utf-8") if smtputf8 else ([], "ascii")
        await smtp.mail(sender.bare, options=options, encoding=encoding)
        for recipient in self._left:
            bare = recipient.bare
            if recipient.needs_smtputf8 and not smtputf8:
                self.answers[bare] = Rejected(answer=self._masked(f"{_NO_SMTPUTF8} {bare}."))
                continue
            try:
                await smtp.rcpt(bare, encoding=encoding)
            except aiosmtplib.SMTPRecipientRefused as refused:
                self.answers[bare] = self._replied(refused.code, refused.message)
        if len(self.answers) == len(self._left):
            return None
        mail = email.build(self._message, self._sender.channel, smtputf8=smtputf8)
        self._data_began = True
        response = await smtp.data(mail)
        return Sent(answer=self._masked(f"{response.code} {response.message}"))

    def _replied(self, code: int, message: str) -> Answer:
        text = self._masked(f"{code} {message}")
        if 500 <= code < 600:
            return Rejected(answer=text)
        return Retry(answer=text, ambiguous=self._data_began and not 400 <= code < 500)

    def _no_reply(self, text: str) -> Retry:
        return Retry(answer=self._masked(text), ambiguous=self._data_began)

    def _masked(self, text: str) -> str:
        return masked_line(self._sender.mask, text)


async def _socket(guard: Guard, access: SmtpAccess, *, plain: bool) -> socket.socket:
    """Return a connection to an address that was checked."""
    loop = asyncio.get_running_loop()
    last: OSError | None = None
    for address in await guard.addresses(access.host, access.port, plain=plain):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        with contextlib.ExitStack() as unless_connected:
            unless_connected.callback(connection.close)
            try:
                await loop.sock_connect(connection, (address, access.port))
            except OSError as error:
                last = error
            else:
                unless_connected.pop_all()
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


async def _own_name(connection: socket.socket) -> str:
    """Return this machine's name with its domain, or else its address: relays want no less."""
    name = ""
    with contextlib.suppress(TimeoutError):
        name = await asyncio.wait_for(asyncio.to_thread(_whole_name), OWN_NAME_S)
    if _WHOLE_NAME.fullmatch(name):
        return name
    address = str(connection.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def access(channel: Email, secrets: Secrets, guard: Guard) -> SmtpAccess:  # noqa: ARG001 - the protocol's
    """Return the mail server; without SMTP_USER and SMTP_PASSWORD it is used without a login."""
    host = secrets.need("SMTP_HOST").get_secret_value()
    port = secrets.get("SMTP_PORT")
    number = port.get_secret_value() if port else str(PORTS[channel.tls])
    if not number.isascii() or not number.isdigit() or not 0 < int(number) < 1 << 16:
        raise MissingSecret("SMTP_PORT is not a port.")
    user, password = secrets.get("SMTP_USER"), secrets.get("SMTP_PASSWORD")
    if (user is None) != (password is None):
        absent, present = ("SMTP_PASSWORD", "SMTP_USER")[:: 1 if user else -1]
        raise MissingSecret(f"{present} is set and {absent} is not.")
    if password is not None and channel.tls == "none":
        sentence = (
            "SMTP_PASSWORD is set, and without TLS whoever listens would read it: write"
            " tls: starttls, or take SMTP_USER and SMTP_PASSWORD away."
        )
        raise NotAllowed(sentence, "tls")
    helo = secrets.get("SMTP_HELO")
    name = helo.get_secret_value() if helo else None
    if name and not _WHOLE_NAME.fullmatch(name) and not _LITERAL.fullmatch(name):
        raise MissingSecret("SMTP_HELO is no whole name of a machine: alerts.example.com.")
    return SmtpAccess(host=host, port=int(number), user=user, password=password, helo=name)


def sender(channel: Email, access: SmtpAccess, client: HttpClient, clock: Clock) -> EmailSender:  # noqa: ARG001 - the protocol's
    """Return the mail server's sender."""
    return EmailSender(
        channel=channel,
        access=access,
        guard=client.guard,
        tls=client.mail_tls,
        mask=masking([access.password, *map(SecretStr, _encoded(access))]),
    )


def _encoded(access: SmtpAccess) -> list[str]:
    """Return the forms in which SMTP carries the secret, for the mask."""
    if access.user is None or access.password is None:
        return []
    user, password = access.user.get_secret_value(), access.password.get_secret_value()
    plain = f"\0{user}\0{password}".encode()
    return [base64.b64encode(form).decode() for form in (plain, password.encode())]
