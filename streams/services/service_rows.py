"""Keep what is known of one service in a table row, and say how it was at any time.

Time up to `settled_ms` is summed up, per window size, in `bases`: no late beat can change it. After
it stand the beats themselves, and the spans in which we listened and heard none:

    settled |--up------|  nobody listened   |--down------|--up------|
            beat beat beat                  silence      beat beat
                       patience^            we listen: `silences`
"""

from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from schemas.series import WindowSize
from streams.measure.sizes import SIZE_MS, SIZES, window_start
from streams.services.heartbeats import Beat

UP, DEGRADED, DOWN, UNKNOWN, SILENT = range(5)
#: Beats kept one by one; of more, those go that change nothing, and then the oldest are settled.
THIN_FROM = 400
MOST_BEATS = 2_000
_THIN_EACH = 50
#: Of so many of the newest beats the messages are kept.
_MESSAGES = 32


class Span(NamedTuple):
    """A stretch of time in one health."""

    start_ms: int
    end_ms: int
    health: int


class Times(msgspec.Struct, array_like=True, gc=False):
    """Milliseconds of a window, as far as they are known."""

    up: int = 0
    degraded: int = 0
    down: int = 0

    def add(self, health: int, span_ms: int) -> None:
        """Add a stretch; of the unknown nothing is kept."""
        if health == UP:
            self.up += span_ms
        elif health == DEGRADED:
            self.degraded += span_ms
        elif health in (DOWN, SILENT):
            self.down += span_ms

    @property
    def known(self) -> int:
        """How much is known."""
        return self.up + self.degraded + self.down


class Row(msgspec.Struct, array_like=True, gc=False):
    """A service. The first three are its version: it only grows."""

    next_offset: int
    judged_ms: int
    """Until when silence was judged."""
    settled_ms: int
    first_ms: int
    """Its first beat."""
    service: str
    bases: list[tuple[int, Times]]
    """Of each size the window that holds settled_ms, and its times before that."""
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
    told: int = UNKNOWN
    """The health that was published last."""

    @classmethod
    def begin(cls, service: str, settled_ms: int) -> "Row":
        """Return the row of a service that was not heard of."""
        bases = [(window_start(size, settled_ms), Times()) for size in SIZES]
        edge = (UNKNOWN, settled_ms)
        return cls(0, 0, settled_ms, 2**62, service, bases, edge=edge, finals_to_ms=settled_ms)

    @property
    def newest(self) -> Beat | None:
        """The beat that speaks last."""
        return self.beats[-1] if self.beats else self.before

    # ------------------------------------------------------------------ taking in

    def fold(self, beat: Beat) -> bool:
        """Take a beat in that is not older than what is settled; False for a repeat."""
        for place in range(len(self.beats) - 1, -1, -1):
            known = self.beats[place]
            if known.at_ms < beat.at_ms - 120_000:
                break
            if known.identity == beat.identity:
                if beat.lag_ms >= known.lag_ms:
                    return False
                del self.beats[place]  # the one that came first tells when it was sent
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
        """Note that we listened for so long, longer than its patience, and heard nothing."""
        if self.silences and self.silences[-1][1] >= start_ms:
            start_ms = min(self.silences.pop()[0], start_ms)
        self.silences.append((start_ms, end_ms))
        self.judged_ms = max(self.judged_ms, end_ms)

    def _thin(self) -> None:
        """Let beats go that say what those around them say."""
        kept = [self.beats[0]]
        for beat, after in zip(self.beats[1:], self.beats[2:], strict=False):
            last = kept[-1]
            alike = last.identity[1:] == beat.identity[1:] == after.identity[1:]
            if not alike or after.at_ms > last.until_ms:
                kept.append(beat)
        self.beats = [*kept, self.beats[-1]]

    # ------------------------------------------------------------------ how it was

    def spans(self, end_ms: int) -> list[Span]:
        """Return how it was from settled_ms on and before a time, without gaps."""
        spans: list[Span] = []
        for start_ms, health, until_ms in self._raw(end_ms):
            if until_ms <= start_ms:
                continue
            if spans and spans[-1].health == health:
                spans[-1] = Span(spans[-1].start_ms, until_ms, health)
            else:
                spans.append(Span(start_ms, until_ms, health))
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
        for silent_ms, heard_ms in self.silences:
            if heard_ms > start_ms and silent_ms < end_ms:
                yield start_ms, UNKNOWN, silent_ms
                start_ms, until_ms = max(start_ms, silent_ms), min(heard_ms, end_ms)
                yield start_ms, SILENT, until_ms
                start_ms = until_ms
        yield start_ms, UNKNOWN, end_ms

    def speaks_at(self, time_ms: int) -> Beat | None:
        """Return the beat that spoke last before a time."""
        place = bisect_right(self.beats, time_ms - 1, key=_at)
        return self.beats[place - 1] if place else self.before

    def times(self, size: WindowSize, start_ms: int, spans: list[Span]) -> Times:
        """Return a window's times, given the spans since settled_ms."""
        base_ms, base = self.bases[SIZES.index(size)]
        times = Times(base.up, base.degraded, base.down) if base_ms == start_ms else Times()
        end_ms = start_ms + SIZE_MS[size]
        for span in spans:
            if span.start_ms >= end_ms:
                break
            if (clipped_ms := min(span.end_ms, end_ms) - max(span.start_ms, start_ms)) > 0:
                times.add(span.health, clipped_ms)
        return times

    def since(self, spans: list[Span]) -> int:
        """Return since when it has the health of the last of some spans from settled_ms on."""
        place = len(spans) - 1
        health = public(spans[place].health)
        while place > 0 and public(spans[place - 1].health) == health:
            place -= 1
        if place == 0 and public(self.edge[0]) == health:
            return self.edge[1]
        return spans[place].start_ms

    # ------------------------------------------------------------------ letting go

    def settle(self, to_ms: int) -> None:
        """Sum up what is before a time: no beat will change it any more."""
        spans = self.spans(to_ms)
        if to_ms <= self.settled_ms or not spans:
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


class _Version(msgspec.Struct, array_like=True, gc=False):
    next_offset: int
    judged_ms: int
    settled_ms: int


_decode = msgspec.msgpack.Decoder(Row).decode
_decode_version = msgspec.msgpack.Decoder(_Version).decode
_encode = msgspec.msgpack.Encoder().encode


def pack_service(row: Row) -> bytes:
    """Return the row as bytes for the table."""
    return _encode(row)


def unpack_service(packed: bytes) -> Row:
    """Return the row that pack_service was given."""
    return _decode(packed)


def version_of(packed: bytes) -> tuple[int, int, int]:
    """Return a packed row's version: of two rows the higher one stands."""
    version = _decode_version(packed)
    return version.next_offset, version.judged_ms, version.settled_ms
