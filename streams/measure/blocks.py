"""Cut a source partition's log into blocks, and fold a block into a row for each (series, minute).

A block begins at an offset that depends on the log alone. So a worker that reads it again from
there makes the same rows:

    offset   0 ............ 19,999 | 20,000 ...... 21,250 | 21,251 ..
    ended by          MOST_OFFSETS      a record of later ten seconds

A block keeps the columns of all its events, and a fold reads all of them: every row is cumulative
over the block. So a block is short where events are few a second: else the rows of the last minute
would be published again and again, longer each time.
"""

import numpy as np

from schemas.partials import PartialRow
from schemas.spans import HOUR_MS, SECOND_MS
from streams.measure.columns import Columns, columns_of
from streams.measure.fold import fold
from streams.measure.operation_reader import Events

#: A block ends with the record that brings it to this many events, …
BLOCK_EVENTS = 20_000
#: … or to this many pairs of operation and platform, which limits what overflow remembers, …
BLOCK_PAIRS = 2_048
#: … and before a record of a later hour than its first, by the records' own timestamps, or, where
#: it has `LEAST_EVENTS`, before one of later ten seconds.
LEAST_EVENTS, SPAN_MS = 1_000, 10 * SECOND_MS


class _PairNumbers(dict[tuple[str, str], int]):
    """The number of each pair of operation and platform, in order of appearance."""

    def __missing__(self, pair: tuple[str, str]) -> int:
        """Number a new pair."""
        number = self[pair] = len(self)
        return number

    def forget_from(self, number: int) -> None:
        """Forget the pairs from a number on."""
        while len(self) > number:
            self.popitem()


class Block:
    """A block of one source partition. It is open until `end` is known."""

    MOST_OFFSETS = 20_000
    """It has at most this many offsets."""

    def __init__(self, start: int) -> None:
        """Begin at an offset."""
        self.start = start
        self.end: int | None = None
        """The next block's start."""
        self._first_ms: int | None = None
        """The timestamp of the first record."""
        self._count = 0
        self._pairs = _PairNumbers()
        self._columns: list[Columns] = []

    def take(self, events: Events, begin: int) -> int:
        """Take events from the place `begin` on, up to the block's end; return the place after."""
        if begin == len(events.offset):
            return begin
        until = self._ended_before(events, begin)
        until = self._ended_by_count(events, begin, until)
        pair_ids, until = self._intern(events, begin, until)
        if until > begin:
            self._keep(events, begin, until, pair_ids)
            self._count += until - begin
        return until

    def _keep(self, events: Events, begin: int, until: int, pair_ids: list[int]) -> None:
        """Keep events from one place to another, by the number of their pairs."""
        self._columns.append(columns_of(events, begin, until, pair_ids))

    def reach(self, next_offset: int) -> None:
        """Note that everything before `next_offset` was taken, or refused."""
        if self.end is None and next_offset >= self.start + self.MOST_OFFSETS:
            self.end = self.start + self.MOST_OFFSETS

    def _ended_before(self, events: Events, begin: int) -> int:
        """Return the place of the first event that belongs to a later block, if any."""
        size = len(events.offset)
        by_offset = int(np.searchsorted(events.offset, self.start + self.MOST_OFFSETS))
        if self._first_ms is None:
            self._first_ms = int(events.stamp_ms[begin])
        stamp_ms = events.stamp_ms[begin:by_offset]
        later = stamp_ms // HOUR_MS > self._first_ms // HOUR_MS
        if self._count + len(stamp_ms) > LEAST_EVENTS:
            record = np.searchsorted(events.offset, events.offset[begin:by_offset])
            are_enough = self._count + record - begin >= LEAST_EVENTS
            later |= are_enough & (stamp_ms // SPAN_MS > self._first_ms // SPAN_MS)
        if later.any():
            until = begin + int(later.argmax())
            self.end = int(events.offset[until])
            return until
        if by_offset < size:
            self.end = self.start + self.MOST_OFFSETS
        return by_offset

    def _ended_by_count(self, events: Events, begin: int, until: int) -> int:
        room = BLOCK_EVENTS - self._count
        if until - begin < room:
            return until
        return self._ended_after(events, begin + room - 1)

    def _ended_after(self, events: Events, place: int) -> int:
        """End the block with the record of the event at `place`."""
        last = int(events.offset[place])
        self.end = last + 1
        return int(np.searchsorted(events.offset, last, side="right"))

    def _intern(self, events: Events, begin: int, until: int) -> tuple[list[int], int]:
        """Return the number of each event's pair in this block, in order of appearance."""
        pairs = self._pairs
        ids = [pairs[op.operation, op.platform] for op in events.operations[begin:until]]
        if len(pairs) >= BLOCK_PAIRS:
            until = self._ended_after(events, begin + ids.index(BLOCK_PAIRS - 1))
            del ids[until - begin :]
            pairs.forget_from(max(ids) + 1)
        return ids, until

    def fold(self, after: int) -> list[PartialRow]:
        """Return the rows that events past the offset `after` touched, over the whole block."""
        if not self._columns:
            return []
        self._columns = [Columns.joined(self._columns)]
        return fold(self._columns[0], list(self._pairs), after)
