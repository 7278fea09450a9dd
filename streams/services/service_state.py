"""Hold what a table row says of one service, and its health at any time.

Time up to `settled_ms` is summed up in `bases`, for each window size: no late beat can change it.
Later time has the beats themselves, and the spans in which we read the log and no beat came:

    settled |--up------|  nobody listened   |--down------|--up------|
            beat beat beat                  silence      beat beat
                       patience^            we listen: `silences`
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

import msgspec

from schemas.series import WindowSize
from schemas.spans import MINUTE_MS
from streams.measure.window_times import SIZE_MS, SIZES, window_start
from streams.services.missed_beats import Beat

UP, DEGRADED, DOWN, UNKNOWN, SILENT = range(5)
#: Beats that are stored; of more, those that change nothing are dropped, then the oldest settled.
THIN_FROM = 400
MOST_BEATS = 2_000
_THIN_EACH = 50
#: A repeat of a beat comes no later than this, by what the beats say.
_REPEAT_MS = 2 * MINUTE_MS
#: How many of the newest beats keep their messages.
_MESSAGES = 32


class HealthSpan(NamedTuple):
    """A stretch of time in one health."""

    start_ms: int
    end_ms: int
    health: int


class HealthTimes(msgspec.Struct, array_like=True, gc=False):
    """How many milliseconds of a window had which health, as far as that is known."""

    up: int = 0
    degraded: int = 0
    down: int = 0

    def add(self, health: int, span_ms: int) -> None:
        """Add a stretch of time; unknown time is not counted."""
        if health == UP:
            self.up += span_ms
        elif health == DEGRADED:
            self.degraded += span_ms
        elif health in (DOWN, SILENT):
            self.down += span_ms

    @property
    def total(self) -> int:
        """How many milliseconds are known."""
        return self.up + self.degraded + self.down


class ServiceState(msgspec.Struct, array_like=True, gc=False):
    """A service. The first three fields are its version: it only grows."""

    offsets: int
    """The sum of next_offset."""
    judged_ms: int
    """Until when silence was judged."""
    settled_ms: int
    first_ms: int
    """Its first beat."""
    service: str
    bases: list[tuple[int, HealthTimes]]
    """For each size the start of the window that holds settled_ms, and its times before that."""
    before: Beat | None = None
    """The last beat that is settled."""
    beats: list[Beat] = []
    silences: list[tuple[int, int]] = []
    silent_since_ms: int | None = None
    """Since when it is silent, if it is."""
    edge: tuple[int, int] = (UNKNOWN, 0)
    """How it was just before settled_ms, and since when."""
    revision: int = 0
    finals_to_ms: int = 0
    """Windows that end until here were published as final."""
    changed_from_ms: int | None = None
    """Since then what was published is not so any more."""
    published: int = UNKNOWN
    """The health that was published last."""
    next_offset: dict[int, int] = {}
    """By partition of `heartbeats`, the first offset that is not applied."""

    @classmethod
    def begin(cls, service: str, settled_ms: int) -> "ServiceState":
        """Return the state of a service before its first beat."""
        bases = [(window_start(size, settled_ms), HealthTimes()) for size in SIZES]
        edge = (UNKNOWN, settled_ms)
        return cls(0, 0, settled_ms, 2**62, service, bases, edge=edge, finals_to_ms=settled_ms)

    @property
    def newest(self) -> Beat | None:
        """The last beat."""
        return self.beats[-1] if self.beats else self.before

    # ------------------------------------------------------------------ input

    def has(self, source: int, offset: int) -> bool:
        """Return whether the beat at an offset of a partition of `heartbeats` is applied."""
        return offset < self.next_offset.get(source, 0)

    def reach(self, source: int, offset: int) -> None:
        """Note that the beat at an offset, which was not, is applied."""
        self.offsets += offset + 1 - self.next_offset.get(source, 0)
        self.next_offset[source] = offset + 1

    def fold(self, beat: Beat) -> bool:
        """Add a beat that is not older than settled_ms; False for a repeat."""
        first = bisect_left(self.beats, beat.at_ms - _REPEAT_MS, key=_at)
        for place in range(len(self.beats) - 1, first - 1, -1):
            other = self.beats[place]
            if other.sent_ms == beat.sent_ms and other.identity == beat.identity:
                if beat.lag_ms >= other.lag_ms:
                    return False
                del self.beats[place]  # the beat that came first has the right lag
                break
        newest = self.newest
        insort(self.beats, beat, key=_order)
        if newest is None or beat.order > newest.order:
            self.silent_since_ms = None
        self.first_ms = min(self.first_ms, beat.at_ms)
        if len(self.beats) > _MESSAGES and self.beats[-_MESSAGES - 1].message is not None:
            old = self.beats[-_MESSAGES - 1]
            self.beats[-_MESSAGES - 1] = Beat(old.sent_ms, old.lag_ms, old.health, old.every_ms)
        if len(self.beats) > THIN_FROM and len(self.beats) % _THIN_EACH == 0:
            self._thin()
        return True

    def silence(self, start_ms: int, end_ms: int) -> None:
        """Note a span, longer than its patience, in which the log was read and no beat came."""
        if self.silences and self.silences[-1][1] >= start_ms:
            start_ms = min(self.silences.pop()[0], start_ms)
        self.silences.append((start_ms, end_ms))
        self.judged_ms = max(self.judged_ms, end_ms)

    def _thin(self) -> None:
        """Drop beats that change nothing between those around them."""
        beats = [self.beats[0]]
        for beat, after in zip(self.beats[1:], self.beats[2:], strict=False):
            last = beats[-1]
            alike = last.identity[1:] == beat.identity[1:] == after.identity[1:]
            if not alike or after.at_ms > last.until_ms:
                beats.append(beat)
        self.beats = [*beats, self.beats[-1]]

    # ------------------------------------------------------------------ health

    def spans(self, end_ms: int) -> list[HealthSpan]:
        """Return its health from settled_ms on and before a time, without gaps."""
        spans: list[HealthSpan] = []
        for start_ms, health, until_ms in self._raw(end_ms):
            if until_ms <= start_ms:
                continue
            if spans and spans[-1].health == health:
                spans[-1] = HealthSpan(spans[-1].start_ms, until_ms, health)
            else:
                spans.append(HealthSpan(start_ms, until_ms, health))
        return spans

    def _raw(self, end_ms: int) -> Iterator[tuple[int, int, int]]:
        at_ms, beat = self.settled_ms, self.before
        for following in [*self.beats, None]:
            next_ms = end_ms if following is None else min(following.at_ms, end_ms)
            if next_ms > at_ms:
                if beat is not None and beat.until_ms > at_ms:
                    covered_ms = min(beat.until_ms, next_ms)
                    yield at_ms, beat.health, covered_ms
                    at_ms = covered_ms
                yield from self._uncovered(at_ms, next_ms)
                at_ms = next_ms
            beat = following

    def _uncovered(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int, int]]:
        for silent_ms, until_read_ms in self.silences:
            if until_read_ms > start_ms and silent_ms < end_ms:
                yield start_ms, UNKNOWN, silent_ms
                start_ms, until_ms = max(start_ms, silent_ms), min(until_read_ms, end_ms)
                yield start_ms, SILENT, until_ms
                start_ms = until_ms
        yield start_ms, UNKNOWN, end_ms

    def beat_at(self, time_ms: int) -> Beat | None:
        """Return the last beat before a time."""
        place = bisect_right(self.beats, time_ms - 1, key=_at)
        return self.beats[place - 1] if place else self.before

    def times(self, size: WindowSize, start_ms: int, spans: list[HealthSpan]) -> HealthTimes:
        """Return a window's times; `spans` are those since settled_ms."""
        base_ms, base = self.bases[SIZES.index(size)]
        times = copy(base) if base_ms == start_ms else HealthTimes()
        end_ms = start_ms + SIZE_MS[size]
        for span in spans:
            if span.start_ms >= end_ms:
                break
            if (clipped_ms := min(span.end_ms, end_ms) - max(span.start_ms, start_ms)) > 0:
                times.add(span.health, clipped_ms)
        return times

    def since(self, spans: list[HealthSpan]) -> int:
        """Return since when it has the health of the last of some spans from settled_ms on."""
        place = len(spans) - 1
        health = public(spans[place].health)
        while place > 0 and public(spans[place - 1].health) == health:
            place -= 1
        if place == 0 and public(self.edge[0]) == health:
            return self.edge[1]
        return spans[place].start_ms

    # ------------------------------------------------------------------ settling

    def settle(self, to_ms: int) -> None:
        """Sum up what is before a time: no beat will change it any more."""
        if to_ms <= self.settled_ms or not (spans := self.spans(to_ms)):
            return
        starts = [window_start(size, to_ms) for size in SIZES]
        self.bases = [
            (start_ms, self.times(size, start_ms, spans))
            for size, start_ms in zip(SIZES, starts, strict=True)
        ]
        self.edge = (spans[-1].health, self.since(spans))
        place = bisect_right(self.beats, to_ms, key=_at)
        if place:
            self.before = self.beats[place - 1]
            self.beats = self.beats[place:]
        self.silences = [(start_ms, end_ms) for start_ms, end_ms in self.silences if end_ms > to_ms]
        self.settled_ms = to_ms


def public(health: int) -> int:
    """Return the health that is published: silent is down."""
    return DOWN if health == SILENT else health


def _order(beat: Beat) -> tuple[int, int, int, int]:
    return beat.order


def _at(beat: Beat) -> int:
    return beat.at_ms


class _ServiceVersion(msgspec.Struct, array_like=True, gc=False):
    offsets: int
    judged_ms: int
    settled_ms: int


_decode = msgspec.msgpack.Decoder(ServiceState).decode
_decode_version = msgspec.msgpack.Decoder(_ServiceVersion).decode
_encode = msgspec.msgpack.Encoder().encode


def pack_service(state: ServiceState) -> bytes:
    """Return a state as bytes for the table."""
    return _encode(state)


def unpack_service(packed: bytes) -> ServiceState:
    """Return the state that was packed."""
    return _decode(packed)


def version_of(packed: bytes) -> tuple[int, int, int]:
    """Return a packed row's version: of two rows the higher one stands."""
    version = _decode_version(packed)
    return version.offsets, version.judged_ms, version.settled_ms
