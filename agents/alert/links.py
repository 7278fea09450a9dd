"""Sign links that acknowledge one episode of one alert, and read them again.

A link is a claim in base64, a full stop, and an HMAC over it. Whoever has it may acknowledge that
episode and nothing else, until it expires. It is the same for each attempt of a delivery.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field

import msgspec

from agents.runtime.settings import Settings
from schemas.commands import Acknowledge
from schemas.spans import DAY_MS
from streams.alerting.state import digest
from streams.channels.message import Message
from streams.channels.plain import one_line

PATH = "/acknowledge/"
LIFE_MS = 7 * DAY_MS
_PURPOSE = b"opwatch acknowledge 1\0"
#: A token with the longest names fits, and with it the URL in any channel.
_MAX = 1500
_MAX_RULE_BYTES = 100
_MAX_SERIES_BYTES = 300


class BadLink(Exception):
    """It was not signed by us, or has expired; the text says which, for people."""


class Claim(msgspec.Struct, array_like=True, frozen=True):
    """What a link lets its holder acknowledge."""

    fingerprint: str
    breach_id: str
    rule: str
    series: str
    expires_ms: int


@dataclass(frozen=True, kw_only=True)
class Links:
    """Signs with one secret."""

    secret: bytes = field(repr=False)
    public_url: str
    """Where people reach this worker's pages, such as https://opwatch.example.com."""

    def url_of(self, message: Message) -> str | None:
        """Return the link of a message's first alert; None where its ids are too long for one."""
        breach = message.breach
        claim = Claim(
            breach.fingerprint,
            breach.id,
            _cut(breach.rule, _MAX_RULE_BYTES),
            _cut(breach.series, _MAX_SERIES_BYTES),
            message.created_ms + LIFE_MS,
        )
        try:
            body = _encoded(msgspec.json.encode(claim))
        except UnicodeEncodeError:  # an id that is no text
            return None
        token = f"{body}.{_encoded(self._signed(body))}"
        return f"{self.public_url.rstrip('/')}{PATH}{token}" if len(token) <= _MAX else None

    def read(self, token: str, now_ms: int) -> Claim:
        """Return what a link's last part lets its holder do.

        Raises:
            BadLink: nothing.
        """
        if len(token) > _MAX or not token.isascii():
            raise BadLink("This link is not one of ours, or was cut.")
        body, _, signature = token.partition(".")
        expected = _encoded(self._signed(body)).encode()
        signed = hmac.compare_digest(signature.encode(), expected)
        if not signed:
            raise BadLink("This link is not one of ours, or was cut.")
        try:
            claim = msgspec.json.decode(base64.urlsafe_b64decode(_padded(body)), type=Claim)
        except (binascii.Error, msgspec.MsgspecError):
            raise BadLink("This link is of another version of opwatch.") from None
        if claim.expires_ms <= now_ms:
            raise BadLink("This link has expired.")
        return claim

    def _signed(self, body: str) -> bytes:
        return hmac.new(self.secret, _PURPOSE + body.encode(), hashlib.sha256).digest()


def links_of(settings: Settings) -> Links | None:
    """Return what signs links, None while they are off."""
    if settings.link_secret is None or settings.public_url is None:
        return None
    secret = settings.link_secret.get_secret_value().encode()
    return Links(secret=secret, public_url=settings.public_url)


def command(claim: Claim, by: str, comment: str, now_ms: int) -> Acknowledge:
    """Return the command that acknowledges; of one link and one name it is always the same id."""
    return Acknowledge(
        id=digest("link", claim.fingerprint, claim.breach_id, by),
        by=by,
        at_ms=now_ms,
        comment=comment,
        fingerprint=claim.fingerprint,
        breach_id=claim.breach_id,
    )


def _cut(text: str, most: int) -> str:
    """Return the text in one line, and in so many bytes of UTF-8 at most."""
    return one_line(text).encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _padded(body: str) -> bytes:
    return body.encode() + b"=" * (-len(body) % 4)
