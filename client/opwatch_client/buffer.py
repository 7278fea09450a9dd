"""Buffer what waits for Kafka, up to a limit, and count the outcomes."""

import contextlib
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from opwatch_client.threads import lock

#: An operation's fields, or a record.
Item = TypeVar("Item")

#: Its result is True once everything recorded before it has left the buffer.
Flushed = Future[bool]


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What became of the analyses, or of the labels, since the process began or was forked."""

    published: int = 0
    """In Kafka."""
    pending: int = 0
    """In the buffer or under way."""
    dropped: int = 0
    """Lost: the buffer was full, the process ended, or no record could be made of them."""


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Counts since the process began or was forked; the first three are of operations."""

    published: int
    """In Kafka."""
    pending: int
    """In the buffer or under way."""
    dropped: int
    """Lost: the buffer was full, the process ended, or no record could be made of them."""
    failures: int
    """Attempts to reach Kafka that failed."""
    bad_values: int
    """Values left out because opwatch would have refused what they were part of."""
    discarded: int = 0
    """Operations that were discarded, or cancelled while nobody waited for them any more."""
    analyses: Outcomes = Outcomes()
    labels: Outcomes = Outcomes()
    remedied: int = 0
    """Requests to remedy that were handled."""
    not_remedied: int = 0
    """Requests whose function raised or took too long, or that could not be read."""


class Buffer(Generic[Item]):
    """Operations, or records, in the order in which they ended, and the flushes that wait for them.

    Past the limit the oldest are dropped: after a long outage an operator asks for the latest,
    and the oldest are the first to be too late for their windows.
    """

    def __init__(self, limit: int) -> None:
        """Buffer `limit` items at most."""
        self.limit = limit
        self.failures = 0
        self._waiting: deque[Item] = deque()
        self._under_way = self._published = self._dropped = self._bad_values = 0
        self._flushes: deque[Flushed] = deque()
        # Appending an item does not take it, unless the buffer is full. Reentrant, because a
        # signal handler or a finalizer may record an operation while its own thread holds it.
        self._lock = lock()

    def __len__(self) -> int:
        return len(self._waiting) + self._under_way

    def append(self, item: Item) -> int:
        """Add an item and return how many wait now."""
        waiting = self._waiting
        waiting.append(item)
        count = len(waiting)
        if count > self.limit:
            with self._lock, contextlib.suppress(IndexError):
                waiting.popleft()
                self._dropped += 1
        return count

    def stats(self) -> Stats:
        """Return the current counts."""
        with self._lock:
            return Stats(
                published=self._published,
                pending=len(self),
                dropped=self._dropped,
                failures=self.failures,
                bad_values=self._bad_values,
            )

    def outcomes(self) -> Outcomes:
        """Return what became of the items so far."""
        with self._lock:
            return Outcomes(published=self._published, pending=len(self), dropped=self._dropped)

    def count_bad_value(self) -> None:
        """Count a value that was left out."""
        with self._lock:
            self._bad_values += 1

    def count_dropped(self, count: int) -> None:
        """Count items that never entered the buffer."""
        with self._lock:
            self._dropped += count

    # ---------------------------------------------------------------- waiting for it

    def left(self) -> Flushed:
        """Return a future that is done when all items buffered now have left."""
        left: Flushed = Future()
        if len(self):
            self._flushes.append(left)
        else:
            left.set_result(True)
        return left

    def forget(self, left: Flushed) -> None:
        """Stop tracking this future."""
        left.cancel()
        with contextlib.suppress(ValueError):
            self._flushes.remove(left)

    # ---------------------------------------------------------------- in the worker's thread

    def waiting(self) -> int:
        """Return how many items are not being sent yet."""
        return len(self._waiting)

    def flushes(self) -> list[Flushed]:
        """Return and remove the waiting flushes; call it before counting what they wait for."""
        flushes = []
        with contextlib.suppress(IndexError):
            while True:
                flushes.append(self._flushes.popleft())
        return flushes

    def take(self) -> Item | None:
        """Return the oldest item and count it as being sent."""
        with self._lock:
            try:
                item = self._waiting.popleft()
            except IndexError:
                return None
            self._under_way += 1
        return item

    def arrived(self, count: int) -> None:
        """Count items that Kafka has acknowledged."""
        with self._lock:
            self._under_way -= count
            self._published += count

    def lost(self, count: int) -> None:
        """Count items that were being sent and will never arrive."""
        with self._lock:
            self._under_way -= count
            self._dropped += count

    def lost_under_way(self) -> None:
        """Count all items that were being sent as lost."""
        with self._lock:
            self.lost(self._under_way)

    def abandon(self) -> int:
        """Drop all items and return how many they were."""
        with self._lock:
            while self.take() is not None:
                pass
            count = self._under_way
            self.lost_under_way()
        for left in self.flushes():
            resolve(left, arrived=False)
        return count


def resolve(left: Flushed, *, arrived: bool) -> None:
    """Finish a flush, unless its caller no longer waits."""
    if left.set_running_or_notify_cancel():
        left.set_result(arrived)
