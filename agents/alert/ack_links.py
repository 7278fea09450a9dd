"""Acknowledge by a link: sign links, read them, publish the command and read the decision.

A link is a grant in base64, a full stop, and an HMAC over it. Whoever has it may acknowledge that
episode and nothing else, until it expires. It is the same for each attempt of a delivery.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from agents.kafka.producer import OutgoingRecord, Producer
from agents.runtime.settings import Settings
from schemas.commands import Acknowledge
from schemas.notifications import Notification
from schemas.spans import DAY_MS
from schemas.topics import COMMANDS, NOTIFICATIONS
from streams.alerting.state import digest
from streams.audit.log import CommandAnswer
from streams.channels.message import Message
from streams.channels.text_format import one_line

log = structlog.get_logger()

#: A worker on duty decides within a second; another one takes over within its session timeout.
DECIDED_S = 10.0
#: This many wait for a decision at a time; each has a connection of its own.
_AT_A_TIME = 8
_POLL_MS = 200

PATH = "/acknowledge/"
LIFE_MS = 7 * DAY_MS
_PURPOSE = b"opwatch acknowledge 1\0"
#: A token with the longest names fits, and with it the URL in any channel.
_MAX = 1500
_MAX_RULE_BYTES = 100
_MAX_SERIES_BYTES = 300


class BadLink(Exception):
    """It was not signed by us, or has expired; the text says which, for people."""


class Grant(msgspec.Struct, array_like=True, frozen=True):
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
        grant = Grant(
            breach.fingerprint,
            breach.id,
            _cut(breach.rule, _MAX_RULE_BYTES),
            _cut(breach.series, _MAX_SERIES_BYTES),
            message.created_ms + LIFE_MS,
        )
        try:
            body = _encoded(msgspec.json.encode(grant))
        except UnicodeEncodeError:  # an id that is no text
            return None
        token = f"{body}.{_encoded(self._signed(body))}"
        return f"{self.public_url.rstrip('/')}{PATH}{token}" if len(token) <= _MAX else None

    def read(self, token: str, now_ms: int) -> Grant:
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
            grant = msgspec.json.decode(base64.urlsafe_b64decode(_padded(body)), type=Grant)
        except (binascii.Error, msgspec.MsgspecError):
            raise BadLink("This link is of another version of opwatch.") from None
        if grant.expires_ms <= now_ms:
            raise BadLink("This link has expired.")
        return grant

    def _signed(self, body: str) -> bytes:
        return hmac.new(self.secret, _PURPOSE + body.encode(), hashlib.sha256).digest()


def links_of(settings: Settings) -> Links | None:
    """Return what signs links, None while they are off."""
    if settings.link_secret is None or settings.public_url is None:
        return None
    secret = settings.link_secret.get_secret_value().encode()
    return Links(secret=secret, public_url=settings.public_url)


def command(grant: Grant, by: str, comment: str, now_ms: int) -> Acknowledge:
    """Return the command that acknowledges; of one link and one name it is always the same id."""
    return Acknowledge(
        id=digest("link", grant.fingerprint, grant.breach_id, by),
        by=by,
        at_ms=now_ms,
        comment=comment,
        fingerprint=grant.fingerprint,
        breach_id=grant.breach_id,
    )


def _cut(text: str, most: int) -> str:
    """Return the text in one line, cut to `most` bytes of UTF-8."""
    return one_line(text).encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _padded(body: str) -> bytes:
    return body.encode() + b"=" * (-len(body) % 4)


class Commander:
    """Asks the alert role, whichever worker is on duty."""

    def __init__(self, settings: Settings, producer: Producer) -> None:
        self._settings = settings
        self._producer = producer
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    async def ask(self, command: Acknowledge) -> Notification | None:
        """Publish and return what was decided; None if nothing was in time.

        Raises:
            KafkaError, TimeoutError, OSError: it could not be published.
        """
        async with asyncio.timeout(DECIDED_S) as deadline:
            async with self._turns:
                decisions = TopicPartition(self._settings.topic(NOTIFICATIONS), 0)
                consumer = AIOKafkaConsumer(
                    **self._settings.kafka(), group_id=None, enable_auto_commit=False
                )
                try:
                    await consumer.start()
                    consumer.assign([decisions])
                    await consumer.seek_to_end(decisions)
                    answer = CommandAnswer(await self._publish(command))
                    deadline.reschedule(None)
                    return await self._decided(consumer, answer)
                finally:
                    with suppress(KafkaError):
                        await consumer.stop()

    async def _publish(self, command: Acknowledge) -> int:
        topic, key = self._settings.topic(COMMANDS), command.fingerprint.encode()
        value = command.model_dump_json().encode()
        return await self._producer.publish_one(OutgoingRecord(topic, 0, key, value))

    async def _decided(
        self, consumer: AIOKafkaConsumer, answer: CommandAnswer
    ) -> Notification | None:
        ends = asyncio.get_running_loop().time() + DECIDED_S
        while answer.decision is None and asyncio.get_running_loop().time() < ends:
            try:
                batches = await consumer.getmany(timeout_ms=_POLL_MS)
            except KafkaError as error:
                log.warning("what was decided cannot be read", error=repr(error))
                return None
            for record in chain.from_iterable(batches.values()):
                with suppress(ValidationError):  # of a version this program does not know
                    answer.take(Notification.model_validate_json(record.value or b""))
        return answer.decision
