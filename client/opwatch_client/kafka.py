"""Publish records to Kafka one after another, however long Kafka is unreachable."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from opwatch_client.logs import last_error
from opwatch_client.records import Lane, Record
from opwatch_client.settings import Settings

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
#: A request without an answer is repeated after this; connecting takes one and a half at most.
_REQUEST_S = 10.0
#: A record that takes longer causes a warning.
_SLOW_S = 5.0
_STOP_S = 0.2
#: Kafka's default for the largest record batch.
_LARGEST = 1_000_000

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class RecordRefused(Exception):
    """Kafka will never accept this record."""


class Unreachable(Exception):
    """The process ends and Kafka was never reached."""


class Connection:
    """A producer that is made when needed and made again when lost.

    Idempotent and acknowledged by all replicas, so that aiokafka's retries publish nothing twice.
    Only a record that is being sent while the broker forgets its producer may arrive twice.
    """

    def __init__(self, settings: Settings, complain: Callable[[str], None]) -> None:
        """Connect nothing yet; `complain` is called with every failure."""
        self._settings = settings
        self._complain = complain
        self._producer: AIOKafkaProducer | None = None
        self._reached = False
        self._hurried = asyncio.Event()

    async def send(self, record: bytes) -> None:
        """Publish a record of operations; retry for ever until Kafka has it.

        Raises:
            RecordRefused: it is too large for this broker.
            Unreachable: after `hurry`, when Kafka was never reached.
        """
        await self._deliver(lambda: self._send(self._settings.topic, None, record))

    async def send_beat(self, service: bytes, record: bytes) -> None:
        """Publish a heartbeat in the same way."""
        await self._deliver(lambda: self._send(self._settings.heartbeats, service, record))

    async def send_records(self, lane: Lane, records: list[Record]) -> None:
        """Publish records together; retry for ever, and remove from the list what Kafka has.

        Raises:
            RecordRefused: one of those that are left is too large for this broker.
            Unreachable: after `hurry`, when Kafka was never reached.
        """
        topic = getattr(self._settings, lane)
        await self._deliver(lambda: self._send_together(topic, records))

    async def _deliver(self, send: Callable[[], Awaitable[None]]) -> None:
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                await send()
            except _TOO_LARGE as error:
                await self.close()  # it has counted a record that was never sent
                raise RecordRefused(_describe(error)) from error
            except Exception as error:
                self._complain(_describe(error))
                await self.close()
                if self._hurried.is_set() and not self._reached:
                    raise Unreachable from error
            else:
                return
            await self._pause(delay_s * random.uniform(0.5, 1.0))
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    def hurry(self) -> None:
        """Try once more at once, and give up if Kafka was never reached."""
        self._hurried.set()

    async def close(self) -> None:
        """Close the producer, if it exists."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # A producer that is sending would wait for as long as Kafka is unreachable.
        for close in (producer.stop, producer.client.close):
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_STOP_S):
                    await close()
                    return

    async def _send(self, topic: str, key: bytes | None, record: bytes) -> None:
        producer = self._producer or await self._connect()
        sending = asyncio.ensure_future(producer.send_and_wait(topic, record, key=key))
        await self._all_sent([sending])
        sending.result()

    async def _send_together(self, topic: str, records: list[Record]) -> None:
        producer = self._producer or await self._connect()
        sending = [
            asyncio.ensure_future(producer.send_and_wait(topic, record.value, key=record.key))
            for record in records
        ]
        await self._all_sent(sending)
        errors = [sent.exception() for sent in sending]
        records[:] = [record for record, error in zip(records, errors, strict=True) if error]
        # What may still arrive comes first: only what is left then is too large.
        for error in sorted(filter(None, errors), key=lambda error: isinstance(error, _TOO_LARGE)):
            raise error

    async def _all_sent(self, sending: list["asyncio.Future[object]"]) -> None:
        """Wait until Kafka has answered all, and complain while it does not."""
        waiting: set[asyncio.Future[object]] = set(sending)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, timeout=_SLOW_S)
                if not done:
                    cause = last_error()
                    self._complain(f"no answer for {_SLOW_S:.0f} s{cause and '; '}{cause}")
        finally:
            for sent in waiting:
                sent.cancel()

    async def _connect(self) -> AIOKafkaProducer:
        self._producer = producer = AIOKafkaProducer(
            **self._settings.kafka(),
            client_id="opwatch-client",
            acks="all",
            enable_idempotence=True,
            max_batch_size=_LARGEST,
            max_request_size=_LARGEST,
            request_timeout_ms=int(1000 * _REQUEST_S),
        )
        async with asyncio.timeout(1.5 * _REQUEST_S):
            await producer.start()
        self._reached = True
        return producer

    async def _pause(self, delay_s: float) -> None:
        if self._hurried.is_set():
            await asyncio.sleep(_FIRST_DELAY_S)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._hurried.wait()


def _describe(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    cause = last_error()
    return f"{text}; {cause}" if cause else text
