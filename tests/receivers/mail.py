"""Run a real mail server: STARTTLS or implicit TLS, authentication, and scripted refusals."""

import asyncio
import email
import ssl
import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.receivers.local_server import LocalServer

USER = "opwatch"
PASSWORD = "mail-password-0123456789"
#: https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1
MAX_LINE = 998
_ONCE = ("Date", "From", "To", "Subject", "Message-ID", "In-Reply-To", "References")


@dataclass(frozen=True, kw_only=True)
class MailSay:
    """What the server says at a stage, in place of taking it: a reply, `hang` or `cut`."""

    stage: Literal["ehlo", "auth", "mail", "rcpt", "data"]
    reply: str
    address: str | None = None


@dataclass(frozen=True, kw_only=True)
class MailArrived:
    """A mail that came to its final dot."""

    at: float
    sender: str
    recipients: list[str]
    raw: bytes
    mistakes: list[str]
    said: str

    @property
    def parsed(self) -> EmailMessage:
        """The mail, read."""
        return email.message_from_bytes(self.raw, policy=policy.default)


class MailServer(LocalServer):
    """A mail server on this machine."""

    def __init__(
        self,
        tls: ssl.SSLContext | None,
        *,
        implicit: bool = False,
        authenticate: bool = True,
        smtputf8: bool = False,
        port: int = 0,
    ) -> None:
        super().__init__(port)
        self.script: deque[MailSay] = deque()
        self.arrived: list[MailArrived] = []
        self.on_arrival: Callable[[MailArrived], None] = lambda _: None
        self.greeted_as: list[str] = []
        self.sessions = 0
        self._tls = tls
        self._implicit = implicit
        self._authenticate = authenticate
        self._smtputf8 = smtputf8

    def says(self, *says: MailSay) -> None:
        """Say these, each when its stage is reached."""
        self.script.extend(says)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            self._session, "127.0.0.1", self.port, ssl=self._tls if self._implicit else None
        )

    def _session(self) -> SMTP:
        self.sessions += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of authentication without TLS, which is meant
            return SMTP(
                self,
                hostname="localhost",
                tls_context=None if self._implicit else self._tls,
                require_starttls=self._tls is not None and not self._implicit,
                authenticator=self._authenticated,
                auth_required=self._authenticate,
                enable_SMTPUTF8=self._smtputf8,
                auth_require_tls=self._tls is not None and not self._implicit,
            )

    def _scripted(self, stage: str, address: str | None = None) -> str | None:
        for say in self.script:
            if say.stage == stage and say.address in (None, address):
                self.script.remove(say)
                return say.reply
        return None

    async def _done(self, server: Any, stage: str, address: str | None = None) -> str | None:
        reply = self._scripted(stage, address)
        if reply == "hang":
            while not server.transport.is_closing():  # noqa: ASYNC110 - aiosmtpd has no event for it
                await asyncio.sleep(0.02)
        if reply == "cut":
            server.transport.abort()
            return "421 gone"
        return reply

    def _authenticated(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any
    ) -> AuthResult:
        if reply := self._scripted("auth"):
            return AuthResult(success=False, handled=False, message=reply)
        known = LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=given == known, handled=False)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.greeted_as.append(hostname)
        reply = await self._done(server, "ehlo")
        return [reply] if reply else [line for line in responses if "8BITMIME" not in line]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if reply := await self._done(server, "mail"):
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if reply := await self._done(server, "rcpt", address):
            return reply
        if not set(".:") & set(session.host_name):  # as Postfix's reject_non_fqdn_helo_hostname
            return "504 5.5.2 Helo command rejected: need fully-qualified hostname"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        raw = envelope.original_content
        reply = next((say.reply for say in self.script if say.stage == "data"), "250 Taken")
        arrived = MailArrived(
            at=time.time(),
            sender=envelope.mail_from,
            recipients=list(envelope.rcpt_tos),
            raw=raw,
            mistakes=_mistakes(raw, smtputf8=self._smtputf8),
            said=reply,
        )
        self.arrived.append(arrived)
        self.on_arrival(arrived)
        scripted = await self._done(server, "data")
        if arrived.mistakes:
            return f"554 {'; '.join(arrived.mistakes)}"
        return scripted or reply


def _mistakes(raw: bytes, *, smtputf8: bool) -> list[str]:
    head, _, body = raw.partition(b"\r\n\r\n")
    mail = email.message_from_bytes(raw, policy=policy.default)
    mistakes = [f"not once: {name}" for name in _ONCE if len(mail.get_all(name, [])) != 1]
    if any(len(line) > MAX_LINE for line in raw.split(b"\r\n")):
        mistakes.append("a line is too long")
    if b"\n" in raw.replace(b"\r\n", b""):
        mistakes.append("a bare line feed")
    if not body.isascii() or not (head.isascii() or smtputf8):
        mistakes.append("eight bits without 8BITMIME")
    if mail.get_content_type() != "multipart/alternative":
        mistakes.append("no alternatives")
    if [part.get_content_type() for part in mail.iter_parts()] != ["text/plain", "text/html"]:
        mistakes.append("not text and HTML")
    if mail["Auto-Submitted"] != "auto-generated":
        mistakes.append("Auto-Submitted")
    return mistakes + [str(defect) for defect in mail.defects]
