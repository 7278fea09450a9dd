"""Accept what the host's threads record without delay, for a worker that publishes it."""

import dataclasses
import functools
import sys
import time
from collections import deque
from concurrent.futures import CancelledError
from typing import Any

from opwatch_client.buffer import Buffer, Flushed, Stats
from opwatch_client.kafka import Connection
from opwatch_client.logs import Warnings, log
from opwatch_client.reading import MakeConsumer, Reader
from opwatch_client.received_scores import Awaited, ScoreBoard
from opwatch_client.records import LANES, Lane, Record, RecordBuffer
from opwatch_client.remediation_calls import Remedies
from opwatch_client.settings import Settings
from opwatch_client.threads import is_patched, lock
from opwatch_client.wire import Fields
from opwatch_client.worker import ARRAY_LENGTH, Beats, Connect, Worker

#: The part of the closing time that is reserved for cancelling the worker.
_CUT_SHORT_S = 0.5
#: How long the reading thread may take to end.
_READER_S = 1.5
#: Between two looks at what is left, under gevent.
_POLL_S = 0.005
#: Heartbeats that wait for Kafka: an hour of one service's.
MOST_BEATS = 360
#: How long to wait after a thread could not be started.
_START_AGAIN_S = 1.0


class Publisher:
    """A buffer and, from the first operation on, a daemon thread."""

    def __init__(
        self,
        settings: Settings,
        connect: Connect | None = None,
        consumer: MakeConsumer | None = None,
    ) -> None:
        """Start nothing yet; tests replace `connect` and `consumer`."""
        self.settings = settings
        self.service = settings.service
        self._connect = connect or functools.partial(Connection, settings)
        self._buffer: Buffer[Fields] = Buffer(settings.limit)
        self._lanes: dict[Lane, RecordBuffer] = {lane: RecordBuffer() for lane in LANES}
        self.scores = ScoreBoard()
        self._remedies = Remedies(settings.service_name)
        self._consumer = consumer
        self._reader = self._make_reader()
        self._beats: Beats = deque(maxlen=MOST_BEATS)
        self._warn = Warnings()
        self._worker: Worker | None = None
        self._lock = lock()
        self._start_again_s = 0.0
        self._warned: set[str] = set()
        self.discarded = 0
        """Operations that were discarded, or cancelled while nobody waited for them any more."""

    def append(self, operation: Fields) -> None:
        """Add an operation. Never waits, never raises."""
        count = self._buffer.append(operation)
        if self._worker is None or not count % ARRAY_LENGTH:
            self._wake()

    def beat(self, service: bytes, record: bytes) -> None:
        """Add a heartbeat. Never waits, never raises. Past the limit the oldest are dropped."""
        self._beats.append((service, record))
        self._wake()

    def append_record(self, lane: Lane, record: Record) -> None:
        """Add an analysis or a label. Never waits, never raises."""
        self._lanes[lane].append(record)
        worker = self._worker or self._start()
        if worker is not None:
            worker.wake_lane(lane)

    def wait_for_score(self, analysis: bytes) -> Awaited:
        """Return a future of the analysis' score, and read scores from now on."""
        awaited = self.scores.wait(analysis)
        self._reader.read_scores()
        return awaited

    def remedy(self) -> None:
        """Handle requests to remedy from now on."""
        self._reader.read_requests(self._remedies.handle)

    def _make_reader(self) -> Reader:
        return Reader(self.settings, self.scores, self._consumer)

    def bad(self, field: str) -> None:
        """Count a value that was left out, and log the first of each field."""
        self._buffer.count_bad_value()
        if field not in self._warned:
            self._warned.add(field)
            log.warning(
                "opwatch left out a value of %s that does not fit; more are only counted", field
            )

    def discard(self) -> None:
        """Count an operation that is not to be published."""
        with self._lock:
            self.discarded += 1

    def refuse(self, field: str) -> None:
        """Count an operation that was dropped because of its value of `field`."""
        self.bad(field)
        self._buffer.count_dropped(1)

    def refuse_record(self, lane: Lane, field: str) -> None:
        """Count an analysis or a label that was dropped because of its value of `field`."""
        self.bad(field)
        self._lanes[lane].count_dropped(1)

    def stats(self) -> Stats:
        """Return the current counts."""
        return dataclasses.replace(
            self._buffer.stats(),
            analyses=self._lanes["analyses"].outcomes(),
            labels=self._lanes["labels"].outcomes(),
            discarded=self.discarded,
            remedied=self._remedies.handled,
            not_remedied=self._remedies.failed,
        )

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was recorded so far has left the buffers; False on a timeout."""
        deadline_s = time.monotonic() + timeout_s
        left = self.left()
        try:
            if is_patched():  # a future's own waiting is of greenlets, and is woken by a thread
                while not all(buffered.done() for buffered in left):
                    if time.monotonic() > deadline_s:
                        return False
                    time.sleep(_POLL_S)
            return all(
                buffered.result(max(0.0, deadline_s - time.monotonic())) for buffered in left
            )
        except (TimeoutError, CancelledError):
            return False
        finally:
            self.forget(left)

    def left(self) -> list[Flushed]:
        """Return a future for each buffer, done when all recorded so far has left it."""
        left = [buffer.left() for buffer in self._buffers]
        if not all(buffered.done() for buffered in left):
            self._wake()
        return left

    def forget(self, left: list[Flushed]) -> None:
        """Stop tracking these futures."""
        for buffer, buffered in zip(self._buffers, left, strict=True):
            buffer.forget(buffered)

    @property
    def _buffers(self) -> list[Buffer[Any]]:
        return [self._buffer, *self._lanes.values()]

    def _dropped(self) -> int:
        return sum(buffer.outcomes().dropped for buffer in self._buffers)

    def close(self, timeout_s: float, *, hurry: bool = False) -> bool:
        """Flush and end the thread; return False if something had to be dropped.

        In a `hurry` it does not wait for a Kafka that was never reached.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            reader, self._reader = self._reader, self._make_reader()
        reader.close(min(_READER_S, timeout_s / 2))
        timeout_s = max(0.0, deadline_s - time.monotonic())
        if self._beats or any(len(buffer) for buffer in self._buffers):
            self._wake()
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is None:
            return not any(len(buffer) for buffer in self._buffers)
        dropped = self._dropped()
        worker.close(hurry=hurry)
        if not worker.ended(timeout_s - _CUT_SHORT_S):
            worker.cancel()
            worker.ended(deadline_s - time.monotonic())
        return self._dropped() == dropped

    def end(self, timeout_s: float) -> None:
        """Close for good, because the process ends."""
        self.close(timeout_s, hurry=True)
        self._start_again_s = float("inf")
        for buffer in self._buffers:
            buffer.limit = 0
            buffer.abandon()

    def _wake(self) -> None:
        worker = self._worker or self._start()
        if worker is not None:
            worker.wake()

    def _start(self) -> Worker | None:
        with self._lock:
            if self._worker is not None or time.monotonic() < self._start_again_s:
                return self._worker
            if advice := why_no_thread():
                self._warn("opwatch publishes nothing: %s", advice)
            self._worker = worker = Worker(
                self._buffer, self._beats, self._lanes, self._connect, self._warn
            )
            try:
                worker.start()
            except RuntimeError as error:  # out of threads, or Python is about to end
                self._worker = None
                self._start_again_s = time.monotonic() + _START_AGAIN_S
                self._warn("opwatch could not start its thread: %s", error)
            return self._worker


def why_no_thread() -> str | None:
    """Return why threads do not run although they start: uWSGI without threads."""
    uwsgi = sys.modules.get("uwsgi")
    options = getattr(uwsgi, "opt", ())
    names = {name.decode() if isinstance(name, bytes) else name for name in options}
    if uwsgi is None or names & {"enable-threads", "threads"}:
        return None
    return "uWSGI runs no threads, start it with --enable-threads"
