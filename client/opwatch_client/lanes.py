"""Publish the waiting records of a topic, over a connection of its own."""

import asyncio
from typing import Protocol

from opwatch_client.buffer import resolve
from opwatch_client.kafka import RecordRefused, Unreachable
from opwatch_client.logs import Warnings, log
from opwatch_client.records import LARGEST_BYTES, Lane, Record, RecordBuffer

#: How many records are sent together.
_TOGETHER = 200


class RecordKafka(Protocol):
    """Publishes records, however long that takes."""

    async def send_records(self, lane: Lane, records: list[Record]) -> None: ...
    async def close(self) -> None: ...
    def hurry(self) -> None: ...


class LaneSender:
    """Sends what waits, as soon as it waits; what comes meanwhile is sent together.

    No topic waits for another, even if one of them does not exist.
    """

    def __init__(
        self, lane: Lane, buffer: RecordBuffer, kafka: RecordKafka, warn: Warnings
    ) -> None:
        """Send nothing yet; used in the thread of the event loop alone."""
        self._lane = lane
        self._buffer = buffer
        self._kafka = kafka
        self._warn = warn
        self._sending: asyncio.Task[None] | None = None
        self._hurried = False

    def wake(self) -> None:
        """Send what waits now."""
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    def hurry(self) -> None:
        """Give up if Kafka was never reached."""
        self._kafka.hurry()

    async def finish(self) -> None:
        """Wait until nothing waits any more."""
        while len(self._buffer):
            self.wake()
            assert self._sending is not None
            await asyncio.wait({self._sending})

    async def end(self) -> None:
        """End now, and drop what still waits."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})
        self._abandon()
        await self._kafka.close()

    async def _send(self) -> None:
        try:
            while self._buffer.waiting() or self._buffer.has_flushes():
                await self._round()
        except Unreachable:
            self._abandon()

    async def _round(self) -> None:
        flushes = self._buffer.flushes()
        left = self._buffer.waiting()
        dropped = self._buffer.outcomes().dropped
        arrived = False
        try:
            while left > 0 and (
                records := self._buffer.take_together(min(left, _TOGETHER), LARGEST_BYTES)
            ):
                left -= len(records)
                await self._publish(records)
            arrived = True
        except Unreachable:
            raise
        except Exception:  # noqa: BLE001 - the host would never see this task die
            log.exception("opwatch lost %s because of an internal error", self._lane)
            self._buffer.lost_under_way()
        finally:
            for flush in flushes:
                resolve(flush, arrived=arrived)
        if (more := self._buffer.outcomes().dropped - dropped) > 0:
            self._warn("opwatch dropped %d %s: the buffer was full", more, self._lane)

    async def _publish(self, records: list[Record]) -> None:
        count = len(records)
        try:
            await self._kafka.send_records(self._lane, records)
        except RecordRefused as refusal:
            self._buffer.arrived(count - len(records))
            if len(records) > 1:
                half = len(records) // 2
                await self._publish(records[:half])
                await self._publish(records[half:])
            else:
                self._buffer.lost(len(records))
                self._warn("opwatch dropped one of the %s: %s", self._lane, refusal)
        else:
            self._buffer.arrived(count)

    def _abandon(self) -> None:
        if count := self._buffer.abandon():
            log.warning("opwatch dropped %d %s at exit: Kafka was unreachable", count, self._lane)
