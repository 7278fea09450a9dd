"""Say which message of a channel goes next: of those that are due the worst, then the oldest."""

from heapq import heappop, heappush
from typing import NamedTuple


class Due(NamedTuple):
    """When a message is due, and before which others it goes."""

    not_before_ms: int
    mildness: int
    """The less the worse."""
    created_ms: int


class Queue:
    """The messages that one channel is owed, in the order they go."""

    def __init__(self) -> None:
        self._due: dict[str, Due] = {}
        self._waiting: list[tuple[int, str]] = []
        self._ripe: list[tuple[int, int, str]] = []
        self._ripe_now: set[str] = set()

    def put(self, parcel: str, due: Due) -> None:
        """Take a message in, or change when it is due."""
        if self._due.get(parcel) != due:
            self._due[parcel] = due
            self._ripe_now.discard(parcel)
            heappush(self._waiting, (due.not_before_ms, parcel))

    def remove(self, parcel: str) -> None:
        """Forget a message: it is over, or in flight."""
        self._due.pop(parcel, None)
        self._ripe_now.discard(parcel)

    def first(self, now_ms: int) -> str | None:
        """Return the message that goes next, None if none is due."""
        while self._waiting and self._waiting[0][0] <= now_ms:
            at_ms, parcel = heappop(self._waiting)
            due = self._due.get(parcel)
            if due is not None and due.not_before_ms == at_ms and parcel not in self._ripe_now:
                self._ripe_now.add(parcel)
                heappush(self._ripe, (due.mildness, due.created_ms, parcel))
        while self._ripe:
            mildness, created_ms, parcel = self._ripe[0]
            due = self._due.get(parcel)
            known = due is not None and due[1:] == (mildness, created_ms)
            if known and parcel in self._ripe_now:
                return parcel
            heappop(self._ripe)
        return None

    def next_ms(self) -> int | None:
        """Return when a message is due, maybe in the past; None if there is none."""
        if self._ripe_now:
            return min(self._due[parcel].not_before_ms for parcel in list(self._ripe_now)[:1])
        while self._waiting:
            at_ms, parcel = self._waiting[0]
            due = self._due.get(parcel)
            if due is not None and due.not_before_ms == at_ms:
                return at_ms
            heappop(self._waiting)
        return None

    def __len__(self) -> int:
        return len(self._due)
