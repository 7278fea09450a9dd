"""Find up to which event time every source partition has been read."""

import heapq
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from schemas.spans import MINUTE_MS, SECOND_MS
from streams.measure.columns import Ints

#: Event times ahead of the clock are kept by the second where they are near, else by the minute.
_NEAR_MS = MINUTE_MS
#: How many are remembered, more than a day of minutes: what lies further ahead never counts.
_MOST_AHEAD = 2_000


class SourceTime(NamedTuple):
    """How far one source partition is read."""

    source: int
    watermark_ms: int | None
    """The largest event time read, if any."""
    idle_at_ms: int | None = None
    """If it is read to its end and quiet, when the end was last seen there."""
    quiet_ms: int = 0
    """How long it had been quiet then."""


class Reached(NamedTuple):
    """How far a worker has read some source partitions, in a few numbers."""

    sources: int
    """A bit each."""
    at_ms: int
    """The event time that each of them has reached, at least."""
    newest_ms: int | None = None
    """The largest event time of any, and how long it was quiet since."""
    quiet_ms: int = 0
    """How long those were quiet of which no event time is known."""

    def until(self, latest_ms: int) -> "Reached":
        """Return the same, but no later than the clock of whoever reads it allows."""
        if self.at_ms <= latest_ms:
            return self
        return self._replace(at_ms=latest_ms)


def reached(times: Iterable[SourceTime]) -> Reached | None:
    """Return how far these sources are read; None if no time is known of any of them."""
    sources, at_ms, newest_ms, quiet_ms = 0, None, None, 0
    for source, watermark_ms, idle_at_ms, source_quiet_ms in times:
        if watermark_ms is None and idle_at_ms is None:
            continue
        source_at_ms = max(watermark_ms or 0, idle_at_ms or 0)
        at_ms = source_at_ms if at_ms is None else min(at_ms, source_at_ms)
        sources |= 1 << source
        if watermark_ms is None:
            quiet_ms = max(quiet_ms, source_quiet_ms)
        else:
            newest_ms = max(newest_ms or 0, watermark_ms + source_quiet_ms)
    return None if at_ms is None else Reached(sources, at_ms, newest_ms, quiet_ms)


class Watermarks:
    """The sources' progress, as reported to one target partition. It never moves back.

    A source that has not reported yet holds everything back, so that a crashed reader never makes a
    false final. A source that is read to its end and quiet stands where its end was last seen,
    but its silence moves time only by as long as it lasts: a pause in an old log ends no window.
    """

    def __init__(self, sources: int) -> None:
        """Begin with this many sources, of which none has reported."""
        self._sources = sources
        self._reached: dict[int, int] = {}
        """Sets of sources, and the time that each has reached. A source may be in several, as it
        moves between workers: the latest counts. One that adds nothing is dropped."""
        self._reporting = 0
        self._lowest_ms = 0
        self._newest_ms: int | None = None
        self._remembered_ms: int | None = None
        self._low_ms: int | None = None

    def expect(self, sources: int) -> None:
        """Wait for this many sources from now on; there are never fewer than before."""
        self._sources = max(self._sources, sources)

    def remember(self, time_ms: int) -> None:
        """Note an event time that was reached before a restart, to measure silence from."""
        self._remembered_ms = max(self._remembered_ms or 0, time_ms)

    def note(self, reached: Reached) -> None:
        """Note how far some sources are read."""
        if reached.at_ms > self._reached.get(reached.sources, -1):
            self._reached[reached.sources] = reached.at_ms
            self._weigh()
        if reached.newest_ms is not None:
            self._newest_ms = max(self._newest_ms or 0, reached.newest_ms)
        if self._remembered_ms is not None:
            self._newest_ms = max(self._newest_ms or 0, self._remembered_ms + reached.quiet_ms)
        if self._newest_ms is not None and self._reached and not self._missing:
            self._low_ms = max(self._low_ms or 0, min(self._lowest_ms, self._newest_ms))

    def _weigh(self) -> None:
        """Find which sources have reported, and the time of the slowest."""
        sets, self._reached, self._reporting = self._reached, {}, 0
        for sources, at_ms in sorted(sets.items(), key=itemgetter(1), reverse=True):
            if sources & ~self._reporting:
                self._reached[sources] = self._lowest_ms = at_ms
                self._reporting |= sources

    @property
    def _missing(self) -> int:
        return ((1 << self._sources) - 1) & ~self._reporting

    @property
    def low_ms(self) -> int | None:
        """The time that every source has passed; None while that is unknown."""
        return self._low_ms

    @property
    def unreported(self) -> list[int]:
        """The sources that have not reported yet."""
        missing = self._missing
        return [source for source in range(self._sources) if missing >> source & 1]

    @property
    def unreported_count(self) -> int:
        """How many sources have not reported yet."""
        return self._missing.bit_count()


class EventTime:
    """The largest event time of one source. What is ahead of the clock waits until that is there.

    A producer whose clock is fast would else end everybody's windows early.
    """

    def __init__(self) -> None:
        """Begin without events."""
        self._reached_ms: int | None = None
        self._ahead: dict[int, int] = {}
        """By where their second or minute begins, the largest of the times in it."""
        self._begins: list[int] = []

    def take(self, when_ms: Ints, now_ms: int) -> bool:
        """Take event times in; return whether any of them is not ahead of the clock."""
        newest_ms = int(when_ms.max())
        if newest_ms > now_ms:
            ahead = when_ms > now_ms
            for ahead_ms in when_ms[ahead].tolist():
                self._wait(ahead_ms, now_ms)
            if ahead.all():
                return False
            newest_ms = int(when_ms[~ahead].max())
        self._reached_ms = max(self._reached_ms or newest_ms, newest_ms)
        return True

    def _wait(self, ahead_ms: int, now_ms: int) -> None:
        step_ms = SECOND_MS if ahead_ms - now_ms <= _NEAR_MS else MINUTE_MS
        begin = ahead_ms // step_ms * step_ms
        if begin not in self._ahead:
            if len(self._ahead) >= _MOST_AHEAD:
                return
            heapq.heappush(self._begins, begin)
        self._ahead[begin] = max(ahead_ms, self._ahead.get(begin, 0))

    def at(self, now_ms: int) -> int | None:
        """Return the largest event time that the clock has reached, if there is any."""
        while self._begins and self._ahead[self._begins[0]] <= now_ms:
            reached_ms = self._ahead.pop(heapq.heappop(self._begins))
            self._reached_ms = max(self._reached_ms or reached_ms, reached_ms)
        return self._reached_ms
