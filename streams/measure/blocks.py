"""Cut a source partition's log into blocks, and fold a block into a row for each (series, minute).

A block begins at an offset that depends on the log alone. So a worker that reads it again from
there makes the same rows:

    offset   0 ............ 19,999 | 20,000 ...... 31,207 | 31,208 ..
    ended by         BLOCK_OFFSETS      a later hour's record

A block keeps the columns of all its events, and a fold reads all of them: every row is cumulative
over the block.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from schemas.operations import epoch_ms
from schemas.partials import PartialRow
from schemas.spans import HOUR_MS
from streams.measure.columns import Columns, Ints, columns_of
from streams.measure.decode import KafkaRecord, RefusedRecord, decoding, original_of
from streams.measure.fold import fold
from streams.measure.window_times import TimeLimits
from streams.steps import Steps, finish

#: A block has at most this many offsets, …
BLOCK_OFFSETS = 20_000
#: … ends with the record that brings it to this many events, …
BLOCK_EVENTS = 20_000
#: … or to this many pairs of operation and platform, which limits what overflow remembers, …
BLOCK_PAIRS = 2_048
#: … and before a record of a later hour than its first, by the records' own timestamps.
#: Operations refused for their age between two steps.
_REFUSED_TOGETHER = 1_000


class Events(NamedTuple):
    """Operations in the log's order, with offsets and timestamps."""

    offset: Ints
    stamp_ms: Ints
    """The record's timestamp of each operation."""
    when_ms: Ints
    operations: list[Any]


def read_events(
    records: Sequence[KafkaRecord], limits: TimeLimits
) -> tuple[Events, list[RefusedRecord]]:
    """Return the operations that count, and what is refused with the reason."""
    return finish(reading_events(records, limits))


def reading_events(
    records: Sequence[KafkaRecord], limits: TimeLimits
) -> Steps[tuple[Events, list[RefusedRecord]]]:
    """Do the work of read_events in steps."""
    operations, places, refused = yield from decoding(records)
    offset = np.array([record.offset for record in records], np.int64)
    stamp = np.array([record.timestamp for record in records], np.int64)
    if places is not None:
        owner = np.array([place for place, _ in places], np.intp)
        offset, stamp = offset[owner], stamp[owner]
    when = _epoch_ms([operation.occurred_at for operation in operations])
    age = stamp - when
    if not len(age) or (age.max() <= limits.lateness_ms and age.min() >= -limits.future_ms):
        return Events(offset, stamp, when, operations), refused
    bad = (age > limits.lateness_ms) | (age < -limits.future_ms)
    cut, originals = -1, [b""]
    for count, i in enumerate(np.flatnonzero(bad).tolist()):
        place, index = (i, None) if places is None else places[i]
        if place != cut:
            cut, originals = place, original_of(records[place])
            yield
        elif count % _REFUSED_TOGETHER == 0:
            yield
        refused.append(_refused_for_age(records[place], index, int(age[i]), originals[index or 0]))
    good = np.flatnonzero(~bad)
    events = Events(offset[good], stamp[good], when[good], [operations[i] for i in good.tolist()])
    return events, refused


def _epoch_ms(times: list[Any]) -> Ints:
    if datetime in set(map(type, times)):
        times = [epoch_ms(time) if type(time) is datetime else time for time in times]
    return np.array(times, np.int64)


def _refused_for_age(
    record: KafkaRecord, index: int | None, age_ms: int, value: bytes
) -> RefusedRecord:
    if age_ms > 0:
        detail = f"happened {age_ms} ms before its record's timestamp"
        return RefusedRecord(record, index, "too_old", detail, value)
    detail = f"happens {-age_ms} ms after its record's timestamp"
    return RefusedRecord(record, index, "from_future", detail, value)


class Block:
    """A block of one source partition. It is open until `end` is known."""

    def __init__(self, start: int) -> None:
        """Begin at an offset."""
        self.start = start
        self.end: int | None = None
        """The next block's start."""
        self._hour: int | None = None
        self._count = 0
        self._pairs: dict[tuple[str, str], int] = {}
        self._columns: list[Columns] = []

    def take(self, events: Events, begin: int) -> int:
        """Take events from the place `begin` on, up to the block's end; return the place after."""
        if begin == len(events.offset):
            return begin
        until = self._ended_before(events, begin)
        until = self._ended_by_count(events, begin, until)
        pair_ids, until = self._intern(events, begin, until)
        if until > begin:
            self._columns.append(columns_of(events, begin, until, pair_ids))
            self._count += until - begin
        return until

    def reach(self, next_offset: int) -> None:
        """Note that everything before `next_offset` was taken, or refused."""
        if self.end is None and next_offset >= self.start + BLOCK_OFFSETS:
            self.end = self.start + BLOCK_OFFSETS

    def _ended_before(self, events: Events, begin: int) -> int:
        """Return the place of the first event that belongs to a later block, if any."""
        size = len(events.offset)
        by_offset = int(np.searchsorted(events.offset, self.start + BLOCK_OFFSETS))
        if self._hour is None:
            self._hour = int(events.stamp_ms[begin]) // HOUR_MS
        later = events.stamp_ms[begin:by_offset] >= (self._hour + 1) * HOUR_MS
        if later.any():
            until = begin + int(later.argmax())
            self.end = int(events.offset[until])
            return until
        if by_offset < size:
            self.end = self.start + BLOCK_OFFSETS
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
        ids: list[int] = []
        for place, operation in enumerate(events.operations[begin:until], begin):
            pair = (operation.operation, operation.platform)
            number = pairs.get(pair)
            if number is None:
                if place >= until:
                    break
                number = pairs[pair] = len(pairs)
                if len(pairs) == BLOCK_PAIRS:
                    until = self._ended_after(events, place)
            ids.append(number)
        return ids[: until - begin], until

    def fold(self, after: int) -> list[PartialRow]:
        """Return the rows that events past the offset `after` touched, over the whole block."""
        if not self._columns:
            return []
        if len(self._columns) > 1:
            self._columns = [Columns.joined(self._columns)]
        return fold(self._columns[0], list(self._pairs), after)
