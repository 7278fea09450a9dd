"""Accept operations from the host's threads without delay, for a worker that publishes them."""

import functools
import threading
import time
from collections import deque
from concurrent.futures import CancelledError

from opwatch_client.buffer import Buffer, Flushed, Stats
from opwatch_client.kafka import Connection
from opwatch_client.logs import Warnings, log
from opwatch_client.settings import Settings
from opwatch_client.wire import Fields
from opwatch_client.worker import ARRAY_LENGTH, Beats, Connect, Worker

#: The part of the closing time that is reserved for cancelling the worker.
_CUT_SHORT_S = 0.5
#: Heartbeats that wait for Kafka: an hour of one service's.
MOST_BEATS = 360
#: How long to wait after a thread could not be started.
_START_AGAIN_S = 1.0


class Publisher:
    """A buffer and, from the first operation on, a daemon thread."""

    def __init__(self, settings: Settings, connect: Connect | None = None) -> None:
        """Start nothing yet; tests replace `connect`."""
        self.settings = settings
        self.service = settings.service
        self._connect = connect or functools.partial(Connection, settings)
        self._buffer = Buffer(settings.limit)
        self._beats: Beats = deque(maxlen=MOST_BEATS)
        self._warn = Warnings()
        self._worker: Worker | None = None
        self._lock = threading.RLock()
        self._start_again_s = 0.0
        self._warned: set[str] = set()

    def append(self, operation: Fields) -> None:
        """Add an operation. Never waits, never raises."""
        count = self._buffer.append(operation)
        if self._worker is None or not count % ARRAY_LENGTH:
            self._wake()

    def beat(self, service: bytes, record: bytes) -> None:
        """Add a heartbeat. Never waits, never raises. Past the limit the oldest are dropped."""
        self._beats.append((service, record))
        self._wake()

    def bad(self, field: str) -> None:
        """Count a value that was left out, and log the first of each field."""
        self._buffer.count_bad_value()
        if field not in self._warned:
            self._warned.add(field)
            log.warning(
                "opwatch left out a value of %s that does not fit; more are only counted", field
            )

    def refuse(self, field: str) -> None:
        """Count an operation that was dropped because of its value of `field`."""
        self.bad(field)
        self._buffer.count_dropped(1)

    def stats(self) -> Stats:
        """Return the current counts."""
        return self._buffer.stats()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all operations recorded so far have left the buffer; False on a timeout."""
        left = self.left()
        try:
            return left.result(timeout_s)
        except (TimeoutError, CancelledError):
            return False
        finally:
            self.forget(left)

    def left(self) -> Flushed:
        """Return a future that is done when all operations recorded so far have left."""
        left = self._buffer.left()
        if not left.done():
            self._wake()
        return left

    def forget(self, left: Flushed) -> None:
        """Stop tracking this future."""
        self._buffer.forget(left)

    def close(self, timeout_s: float, *, hurry: bool = False) -> bool:
        """Flush and end the thread; return False if operations had to be dropped.

        In a `hurry` it does not wait for a Kafka that was never reached.
        """
        deadline_s = time.monotonic() + timeout_s
        if len(self._buffer) or self._beats:
            self._wake()
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is None:
            return not len(self._buffer)
        dropped = self.stats().dropped
        worker.close(hurry=hurry)
        if not worker.ended(timeout_s - _CUT_SHORT_S):
            worker.cancel()
            worker.ended(deadline_s - time.monotonic())
        return self.stats().dropped == dropped

    def end(self, timeout_s: float) -> None:
        """Close for good, because the process ends."""
        self.close(timeout_s, hurry=True)
        self._buffer.limit = 0
        self._start_again_s = float("inf")
        self._buffer.abandon()

    def _wake(self) -> None:
        worker = self._worker or self._start()
        if worker is not None:
            worker.wake()

    def _start(self) -> Worker | None:
        with self._lock:
            if self._worker is not None or time.monotonic() < self._start_again_s:
                return self._worker
            self._worker = worker = Worker(self._buffer, self._beats, self._connect, self._warn)
            try:
                worker.start()
            except RuntimeError as error:  # out of threads, or Python is about to end
                self._worker = None
                self._start_again_s = time.monotonic() + _START_AGAIN_S
                self._warn("opwatch could not start its thread: %s", error)
            return self._worker
