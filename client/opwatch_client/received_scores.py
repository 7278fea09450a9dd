"""Remember the latest scores of this process' analyses, for whoever asks and whenever."""

import contextlib
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import time_ns

from opwatch_client.threads import lock

#: How many analyses are remembered; the oldest are forgotten first.
LIMIT = 4_000

#: Its result is a score's record; None once the analysis is forgotten.
Awaited = Future[bytes | None]


@dataclass
class _Entry:
    made_ms: int
    score: bytes | None = None
    awaited: list[Awaited] = field(default_factory=list)


class ScoreBoard:
    """A bounded map from an analysis to its score; safe for threads."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Remember `limit` analyses at most."""
        self._limit = limit
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._lock = lock()

    def expect(self, analysis: bytes) -> None:
        """Remember an analysis, before it is published."""
        with self._lock:
            self._entry(analysis)

    def wait(self, analysis: bytes) -> Awaited:
        """Return a future of the score."""
        awaited: Awaited = Future()
        with self._lock:
            entry = self._entry(analysis)
            if entry.score is None:
                entry.awaited.append(awaited)
            else:
                awaited.set_result(entry.score)
        return awaited

    def forget(self, analysis: bytes, awaited: Awaited) -> None:
        """Stop tracking this future."""
        awaited.cancel()
        with self._lock, contextlib.suppress(KeyError, ValueError):
            self._entries[analysis].awaited.remove(awaited)

    def put(self, analysis: bytes | None, score: bytes | None) -> None:
        """Add a record, unless nobody expects it; of two of an analysis the later one counts."""
        if analysis is None or score is None or analysis not in self._entries:
            return
        with self._lock:
            entry = self._entries.get(analysis)
            if entry is None:
                return
            entry.score = score
            awaited, entry.awaited = entry.awaited, []
        _resolve(awaited, score)

    def oldest_ms(self) -> int:
        """Return when the oldest analysis was made for which somebody waits, else now."""
        with self._lock:
            made = [entry.made_ms for entry in self._entries.values() if entry.awaited]
        return min(made, default=time_ns() // 1_000_000)

    def _entry(self, analysis: bytes) -> _Entry:
        entry = self._entries.get(analysis)
        if entry is None:
            entry = self._entries[analysis] = _Entry(time_ns() // 1_000_000)
            while len(self._entries) > self._limit:
                _, oldest = self._entries.popitem(last=False)
                _resolve(oldest.awaited, None)
        return entry


def _resolve(awaited: list[Awaited], score: bytes | None) -> None:
    for future in awaited:
        if future.set_running_or_notify_cancel():
            future.set_result(score)
