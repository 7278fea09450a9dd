"""Know what a series' earlier target partition knew, where the measuring plane has another number.

`opwatch topics reshard` moves each row to the partition that its series' name has by the new
number. What the earlier partitions knew of their rows differs from one to the next: which offsets
of each source stand in them, and up to when they are closed. It stands beside the rows, as it was:

    before   0: closed to 12:05, source 0 to 700     1: closed to 12:00, source 0 to 900
    now      0, 1, 2, ...: closed to 12:00, source 0 to 700; and both of the above
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from streams.measure.series import partition_of
from streams.measure.window_kind import WindowKind
from streams.measure.window_state import STATE_PREFIX, PartitionState, state_in, state_key

#: The key of the row with what the earlier partitions knew.
MOVED_KEY = STATE_PREFIX + b"moved"


class KnownBefore(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the partitions of one earlier number knew, each at its place."""

    horizons_ms: list[int]
    next_offsets: list[dict[int, int]]


class _MovedRow(msgspec.Struct, array_like=True, gc=False):
    """The first two are its version, which never changes."""

    revision: int
    published: int
    before: list[KnownBefore]


_decode = msgspec.msgpack.Decoder(_MovedRow).decode
_encode = msgspec.msgpack.Encoder().encode


class EarlierPartitions:
    """What the earlier partitions of a partition's series knew."""

    def __init__(self, partition: int, kind: WindowKind, packed: bytes | None) -> None:
        """Begin with the row at MOVED_KEY, if there is one."""
        self._partition = partition
        self._kind = kind
        self._before = [] if packed is None else _decode(packed).before
        # What goes beyond all of it need not be looked up.
        self._horizon_ms = max((max(it.horizons_ms) for it in self._before), default=0)
        self._next_offset: dict[int, int] = {}
        for offsets in (offsets for it in self._before for offsets in it.next_offsets):
            for source, offset in offsets.items():
                self._next_offset[source] = max(offset, self._next_offset.get(source, 0))

    def horizon_ms(self, series: str, now_ms: int) -> int:
        """Return up to when the rows of a series are closed; those of the partition to `now_ms`."""
        if now_ms >= self._horizon_ms:
            return now_ms
        return max([now_ms, *(before.horizons_ms[at] for before, at in self._places(series))])

    def has(self, series: str, source: int, offset: int) -> bool:
        """Return whether an offset of a source stood in the rows of a series."""
        if offset >= self._next_offset.get(source, 0):
            return False
        places = self._places(series)
        return any(offset < before.next_offsets[at].get(source, 0) for before, at in places)

    def _places(self, series: str) -> Iterator[tuple[KnownBefore, int]]:
        for before in self._before:
            count = len(before.horizons_ms)
            if not is_overflow(self._kind, series, self._partition):
                yield before, partition_of(series, count)
            elif self._partition < count:
                yield before, self._partition


def is_overflow(kind: WindowKind, series: str, partition: int) -> bool:
    """Return whether a series counts what the partition refused: it never moves."""
    overflow = f"overflow-{partition}"
    return series not in kind.totals and kind.overflow_of(series, overflow) == series


def target_of(kind: WindowKind, series: str, partition: int, partitions: int) -> int:
    """Return the partition of a series by a new number, by the one that has it now."""
    return partition if is_overflow(kind, series, partition) else partition_of(series, partitions)


def moved_states(
    tables: Sequence[Mapping[bytes, bytes]], partitions: int
) -> list[list[tuple[bytes, bytes]]]:
    """Return the rows that each new partition has besides its windows.

    Args:
        tables: what each partition now has under STATE_PREFIX.
        partitions: the new number.
    """
    states = [state_in(table, number) for number, table in enumerate(tables)]
    sources = {source for state in states for source in state.next_offset}
    merged = PartitionState(
        horizon_ms=min(state.horizon_ms for state in states),
        next_offset={
            source: min(state.next_offset.get(source, 0) for state in states) for source in sources
        },
        removals=max(state.removals for state in states),
    )
    for state in states:
        for removed in state.removed:
            merged.note_removed(removed)
    merged.has_new_version()
    past = KnownBefore(
        [state.horizon_ms for state in states], [state.next_offset for state in states]
    )
    row = tables[0].get(MOVED_KEY)
    before = [] if row is None else _decode(row).before
    moved = _encode(_MovedRow(1, 0, [*before, past]))
    return [
        [(state_key(number), _encode(merged)), (MOVED_KEY, moved)] for number in range(partitions)
    ]
