"""Take operations from the host's threads at once, and see that a worker brings them to Kafka."""

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

#: Of the time to close, what is left for a worker that has to be cut short.
_CUT_SHORT_S = 0.5
#: Heartbeats that wait for Kafka: an hour of one service's.
MOST_BEATS = 360
#: After a thread could not be started.
_START_AGAIN_S = 1.0


class Publisher:
    """One buffer and, from the first operation on, one daemon thread."""

    def __init__(self, settings: Settings, connect: Connect | None = None) -> None:
        """Start nothing yet; `connect` stands in for Kafka in tests."""
        self.settings = settings
        self.service = settings.service
        self._connect = connect or functools.partial(Connection, settings)
        self._buffer = Buffer(settings.limit)
        self._beats: Beats = deque(maxlen=MOST_BEATS)
        self._warn = Warnings()
        self._worker: Worker | None = None
        self._lock = threading.RLock()
        self._start_again_s = 0.0
        self._said: set[str] = set()

    def append(self, operation: Fields) -> None:
        """Take an operation; never wait, never raise."""
        count = self._buffer.append(operation)
        if self._worker is None or not count % ARRAY_LENGTH:
            self._wake()

    def beat(self, service: bytes, record: bytes) -> None:
        """Take a heartbeat; never wait, never raise. Of many that wait the oldest go."""
        self._beats.append((service, record))
        self._wake()

    def bad(self, field: str) -> None:
        """Count a value that was left out; the first of each field is said."""
        self._buffer.count_bad_value()
        if field not in self._said:
            self._said.add(field)
            log.warning(
                "opwatch left out a value of %s that does not fit; more are only counted", field
            )

    def refuse(self, field: str) -> None:
        """Count an operation that is none, for its value of `field`."""
        self.bad(field)
        self._buffer.count_dropped(1)

    def stats(self) -> Stats:
        """Return the counts of now."""
        return self._buffer.stats()

    def flush(self, timeout_s: float) -> bool:
        """Wait for what was recorded before; False when the time runs out first."""
        left = self.left()
        try:
            return left.result(timeout_s)
        except (TimeoutError, CancelledError):
            return False
        finally:
            self.forget(left)

    def left(self) -> Flushed:
        """Return a future that is done when what was recorded before has left."""
        left = self._buffer.left()
        if not left.done():
            self._wake()
        return left

    def forget(self, left: Flushed) -> None:
        """Wait for this future no longer."""
        self._buffer.forget(left)

    def close(self, timeout_s: float, *, hurry: bool = False) -> bool:
        """Flush and end the thread; drop what cannot leave in time, and return False then.

        In a `hurry` a Kafka that was never there is not waited for.
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
        """Close for good: the process ends."""
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
