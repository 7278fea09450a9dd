"""Publish the buffer to Kafka, from a daemon thread with its own event loop."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from opwatch_client import wire
from opwatch_client.buffer import Buffer, resolve
from opwatch_client.kafka import RecordRefused, Unreachable
from opwatch_client.lanes import LaneSender, RecordKafka
from opwatch_client.logs import Warnings, log, mark_thread
from opwatch_client.loop import Loop
from opwatch_client.records import Lane, RecordBuffer
from opwatch_client.threads import NativeThread
from opwatch_client.wire import Fields

#: The largest record, and how long an operation waits for others to share its record.
ARRAY_LENGTH = 500
ARRAY_BYTES = 500_000
LINGER_S = 0.2
#: How long the last heartbeats may take at the end.
LAST_BEATS_S = 1.0


class Kafka(RecordKafka, Protocol):
    """Publishes to Kafka, however long that takes."""

    async def send(self, record: bytes) -> None: ...
    async def send_beat(self, service: bytes, record: bytes) -> None: ...


#: The waiting heartbeats, each with its service.
Beats = deque[tuple[bytes, bytes]]
#: Makes a connection; its argument is called with each failure.
Connect = Callable[[Callable[[str], None]], Kafka]


class Worker:
    """A thread that publishes, from the first operation until `close`."""

    def __init__(
        self,
        buffer: Buffer[Fields],
        beats: Beats,
        lanes: Mapping[Lane, RecordBuffer],
        connect: Connect,
        warn: Warnings,
    ) -> None:
        """Start nothing yet; `connect` is called in the thread."""
        self._buffer = buffer
        self._lanes = lanes
        self._senders: dict[Lane, LaneSender] = {}
        self._beats = beats
        self._connect = connect
        self._warn = warn
        self._thread = NativeThread(self._work)
        self._closing = self._hurried = False
        self._awake = asyncio.Event()
        self._kafka: Kafka | None = None
        self._beats_kafka: Kafka | None = None
        self._beating: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # ---------------------------------------------------------------- from any thread

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: no thread can be started now.
        """
        self._thread.start()

    def wake(self) -> None:
        """Make it look at the buffer now."""
        self._call(self._awake.set)

    def wake_lane(self, lane: Lane) -> None:
        """Make it send the records of this topic now."""
        self._call(lambda: self._sender(lane).wake())

    def close(self, *, hurry: bool) -> None:
        """End it once the buffer is empty; in a `hurry` also if Kafka was never reached."""
        self._closing = True
        self._hurried = hurry
        self._call(self._close)

    def cancel(self) -> None:
        """End it now."""
        if self._task is not None:
            self._call(self._task.cancel)

    def ended(self, timeout_s: float) -> bool:
        """Wait for its end; False on a timeout."""
        return self._thread.join(timeout_s)

    def _call(self, what: Callable[[], object]) -> None:
        # Before the loop runs there is nothing to wake, and after it nothing to do.
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(what)

    # ---------------------------------------------------------------- in the thread

    def _close(self) -> None:
        self._awake.set()
        if self._hurried:
            for kafka in (self._kafka, self._beats_kafka):
                if kafka is not None:
                    kafka.hurry()
            for sender in self._senders.values():
                sender.hurry()

    def _work(self) -> None:
        # A host that debugs its own loops does not want to see our slow callbacks.
        mark_thread()
        with asyncio.Runner(loop_factory=Loop, debug=False) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._task = asyncio.current_task()
        self._kafka = kafka = self._connect(self._failed)
        self._loop = asyncio.get_running_loop()
        if self._closing:
            self._close()
        try:
            while True:
                closing = self._closing
                await self._round_safely(kafka)
                if closing:
                    await asyncio.gather(*(sender.finish() for sender in self._senders.values()))
                    await self._end_beats(LAST_BEATS_S)
                    return
                if self._buffer.waiting() < ARRAY_LENGTH:
                    await self._linger()
        except (asyncio.CancelledError, Unreachable):
            if count := self._buffer.abandon():
                log.warning("opwatch dropped %d operations at exit: Kafka was unreachable", count)
        finally:
            for sender in self._senders.values():
                await sender.end()
            await self._end_beats(0)
            await kafka.close()

    async def _linger(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._awake.wait()
        self._awake.clear()

    async def _round_safely(self, kafka: Kafka) -> None:
        flushes = self._buffer.flushes()
        arrived = False
        try:
            await self._round(kafka)
            arrived = True
        except Unreachable:
            raise
        except Exception:  # noqa: BLE001 - the host would never see this thread die
            log.exception("opwatch lost operations because of an internal error")
            self._buffer.lost_under_way()
        finally:
            for flush in flushes:
                resolve(flush, arrived=arrived)

    async def _round(self, kafka: Kafka) -> None:
        """Publish the operations and heartbeats that wait now."""
        self._beat()
        for lane, records in self._lanes.items():
            if len(records):
                self._sender(lane).wake()
        left = self._buffer.waiting()
        dropped = self._buffer.stats().dropped
        while left > 0 and (operations := self._array(left)):
            left -= len(operations)
            await self._publish(kafka, operations)
        if (more := self._buffer.stats().dropped - dropped) > 0:
            self._warn("opwatch dropped %d operations: the buffer was full", more)

    def _beat(self) -> None:
        """Send the waiting heartbeats over a connection of their own.

        Operations and heartbeats never wait for each other, even if one topic does not exist.
        """
        if self._beats and (self._beating is None or self._beating.done()):
            self._beating = asyncio.create_task(self._send_beats())

    def _sender(self, lane: Lane) -> LaneSender:
        sender = self._senders.get(lane)
        if sender is None:
            kafka = self._connect(self._failed)
            sender = LaneSender(lane, self._lanes[lane], kafka, self._warn)
            self._senders[lane] = sender
            if self._hurried:
                sender.hurry()
        return sender

    async def _send_beats(self) -> None:
        kafka = self._beats_kafka = self._beats_kafka or self._connect(self._failed)
        if self._hurried:
            kafka.hurry()
        with contextlib.suppress(Unreachable):
            while self._beats:
                try:
                    await kafka.send_beat(*self._beats.popleft())
                except RecordRefused as refusal:
                    self._warn("opwatch dropped a heartbeat: %s", refusal)

    async def _end_beats(self, timeout_s: float) -> None:
        """Wait a moment for the last heartbeats, then close their connection."""
        if self._beating is not None:
            await asyncio.wait({self._beating}, timeout=timeout_s)
            self._beating.cancel()
        if self._beats_kafka is not None:
            await self._beats_kafka.close()

    def _array(self, most: int) -> list[bytes]:
        """Take and encode the operations that fit into one record."""
        operations: list[bytes] = []
        size = 0
        for identity in wire.ids(min(most, ARRAY_LENGTH)):
            fields = self._buffer.take()
            if fields is None:
                break
            operations.append(wire.encode(fields | {"id": identity}))
            size += len(operations[-1])
            if size >= ARRAY_BYTES:
                break
        return operations

    async def _publish(self, kafka: Kafka, operations: list[bytes]) -> None:
        try:
            await kafka.send(wire.join(operations))
        except RecordRefused as refusal:
            if len(operations) > 1:  # a topic may accept less than a broker's default
                half = len(operations) // 2
                await self._publish(kafka, operations[:half])
                await self._publish(kafka, operations[half:])
            else:
                self._buffer.lost(1)
                self._warn("opwatch dropped an operation: %s", refusal)
        else:
            self._buffer.arrived(len(operations))

    def _failed(self, reason: str) -> None:
        self._buffer.failures += 1
        stats = self._buffer.stats()
        self._warn(
            "opwatch cannot publish (%s) and retries; %d operations wait, %d were dropped",
            reason,
            stats.pending,
            stats.dropped,
        )
