"""Say up to which event time every source partition has been read."""

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple


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
    """Return how far some sources are read; None where nothing can be said of any of them."""
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
    """The sources' progress, as one target partition has heard of it. It never moves back.

    A source not heard of yet holds everything back, so that a crashed reader never makes a false
    final. One that is read to its end and quiet stands at the time its end was last seen, but
    silence takes time no further than it lasts: what paused in the middle of an old log goes on.
    """

    def __init__(self, sources: int) -> None:
        """Begin with so many sources, none heard of."""
        self._sources = sources
        self._reached: dict[int, int] = {}
        """Sets of sources, and the time that each has reached. A source may be in several, as it
        moves between workers: the latest counts. One that adds nothing is dropped."""
        self._heard = 0
        self._lowest_ms = 0
        self._newest_ms: int | None = None
        self._remembered_ms: int | None = None
        self._low_ms: int | None = None

    def expect(self, sources: int) -> None:
        """Wait for so many sources from now on; there are never fewer than before."""
        self._sources = max(self._sources, sources)

    def remember(self, time_ms: int) -> None:
        """Note an event time that was reached before a restart, to measure silence from."""
        self._remembered_ms = max(self._remembered_ms or 0, time_ms)

    def note(self, told: Reached) -> None:
        """Note how far some sources are read."""
        if told.at_ms > self._reached.get(told.sources, -1):
            self._reached[told.sources] = told.at_ms
            self._weigh()
        if told.newest_ms is not None:
            self._newest_ms = max(self._newest_ms or 0, told.newest_ms)
        if self._remembered_ms is not None:
            self._newest_ms = max(self._newest_ms or 0, self._remembered_ms + told.quiet_ms)
        if self._newest_ms is not None and self._reached and not self._missing:
            self._low_ms = max(self._low_ms or 0, min(self._lowest_ms, self._newest_ms))

    def _weigh(self) -> None:
        """Find which sources are heard of, and the time of the slowest."""
        sets, self._reached, self._heard = self._reached, {}, 0
        for sources, at_ms in sorted(sets.items(), key=itemgetter(1), reverse=True):
            if sources & ~self._heard:
                self._reached[sources] = self._lowest_ms = at_ms
                self._heard |= sources

    @property
    def _missing(self) -> int:
        return ((1 << self._sources) - 1) & ~self._heard

    @property
    def low_ms(self) -> int | None:
        """The time that every source has passed; None while that is unknown."""
        return self._low_ms

    @property
    def unheard(self) -> list[int]:
        """The sources that were not heard of yet."""
        missing = self._missing
        return [source for source in range(self._sources) if missing >> source & 1]

    @property
    def unheard_count(self) -> int:
        """How many they are."""
        return self._missing.bit_count()
