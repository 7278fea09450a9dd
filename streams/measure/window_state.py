"""Hold what a table row says of one (series, 5 minutes or more), and of a target partition.

A row of five minutes holds its minutes separately while late data may still come; a row of an hour
or more holds the counts of its children. When a window can no longer change, it is sealed: only its
sums stay.

A partial that is applied twice, late or out of order changes nothing.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.partials import Stats
from streams.measure.centroids import STORED_LIMIT
from streams.measure.digests import Engine
from streams.measure.merge import merge_configurations, merge_stats
from streams.measure.window_times import needed_until, window_start

#: The member of a series' own row; in a row of overflow each member has its series' name.
OWN = ""

#: The table holds a target partition's own state beside its windows.
STATE_PREFIX = b"~state/"
#: Gaps in the sources' logs that are remembered.
_MAX_REMOVED = 100
#: A minute's base, which many small blocks are merged into, is compressed when twice too large.
_ROOM = 2


class OpenBlock(msgspec.Struct, array_like=True, gc=False):
    """The latest block of a source partition: of each member the last row for a minute."""

    block: int
    members: dict[str, tuple[int, Stats]]
    """(last offset, sums over the block) by member."""


class MinuteState(msgspec.Struct, array_like=True, gc=False):
    """A minute: blocks that are over, merged, and each source's latest one."""

    base: Stats | None = None
    open: dict[int, OpenBlock] = {}
    published: int = 0
    """See published_as."""
    revision: int = 0
    """How many operations it holds."""

    def apply(
        self, source: int, block: int, member: str, row: tuple[int, Stats], engine: Engine
    ) -> bool:
        """Take in a row of a partial, (last offset, sums); return whether it was new."""
        latest = self.open.get(source)
        if latest is not None and block < latest.block:
            return False
        before = latest.members.get(member) if latest and block == latest.block else None
        if before is not None and row[0] <= before[0]:
            return False
        self.revision += row[1].sums.count - (before[1].sums.count if before else 0)
        if latest is not None and block == latest.block:
            latest.members[member] = row
            return True
        if latest is not None:
            over = [stats for _, stats in latest.members.values()]
            self.base = merge_stats([*self._based(), *over], engine, STORED_LIMIT, _ROOM)
        self.open[source] = OpenBlock(block, {member: row})
        return True

    def _based(self) -> list[Stats]:
        return [] if self.base is None else [self.base]

    def parts(self) -> list[Stats]:
        """Return the disjoint sums that make up the minute."""
        blocks = self.open.values()
        return self._based() + [stats for block in blocks for _, stats in block.members.values()]

    def count(self) -> int:
        """Return how many operations it holds."""
        return self.revision


class WindowState(msgspec.Struct, array_like=True, gc=False):
    """A window of five minutes or more of one series."""

    revision: int = 0
    """How many operations it holds. Stands first, so that it can be read alone."""
    published: int = 0
    """See published_as."""
    sealed: bool = False
    """Whether it can change no more: it then holds its sums, and outlives its children."""
    minutes: list[MinuteState | None] | None = None
    """Of five minutes that are not sealed."""
    stats: Stats | None = None
    """Of an hour, and of what is sealed; else they are merged from the children when asked for."""
    children: list[tuple[int, int]] = []
    """(operations, failures) of each child window, of an hour or more."""
    seen: tuple[str, ...] = ()
    """The configurations of an hour or more, see schemas.partials.Stats."""

    def count(self) -> int:
        """Return how many operations it holds, also where the revision is not set yet."""
        if self.minutes is None:
            return self.revision
        return sum([minute.revision for minute in self.minutes if minute])

    def failures(self) -> int:
        """Return how many of them failed."""
        if self.stats is not None:
            return self.stats.sums.failures
        if self.minutes is None:
            return sum([failures for _, failures in self.children])
        return sum([part.sums.failures for part in self._parts()])

    def configurations(self) -> tuple[str, ...]:
        """Return the configurations that its scores were made by."""
        if self.stats is not None:
            return self.stats.configurations
        if self.minutes is None:
            return self.seen
        return merge_configurations([part.configurations for part in self._parts()])

    def _parts(self) -> list[Stats]:
        return [part for minute in self.minutes or () if minute for part in minute.parts()]


class RemovedRecords(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Records of a source that Kafka removed before they were read, and the time they lay in."""

    source: int
    first_offset: int
    count: int
    """At most."""
    since_ms: int
    until_ms: int


class PartitionState(msgspec.Struct, array_like=True, gc=False):
    """What a target partition keeps besides its windows, in a row of its own."""

    version: int = 0
    """Only grows."""
    horizon_ms: int = 0
    """What is too late at this time is refused."""
    next_offset: dict[int, int] = {}
    """Of each source partition, the first offset that is not yet in the rows."""
    removed: list[RemovedRecords] = []
    """What the windows of the table may be missing."""
    removals: int = 0
    """How often that changed."""

    def reach(self, source: int, offset: int) -> int:
        """Note that all of a source before an offset is in the rows; return the highest such."""
        reached = max(self.next_offset.get(source, 0), offset)
        self.next_offset[source] = reached
        return reached

    def note_removed(self, removed: RemovedRecords) -> None:
        """Note what windows may be missing, in place of what was noted of the same records."""
        if removed in self.removed:
            return
        begin = removed.source, removed.first_offset
        others = [other for other in self.removed if (other.source, other.first_offset) != begin]
        self.removed = [*others, removed][-_MAX_REMOVED:]
        self.removals += 1

    def missing_in(self, start_ms: int, end_ms: int) -> int:
        """Return how many records of a span were removed before they were read, at most."""
        return sum(
            removed.count
            for removed in self.removed
            if removed.since_ms < end_ms and removed.until_ms >= start_ms
        )

    def move_horizon(self, horizon_ms: int) -> None:
        """Refuse from now on what is too late at a time."""
        self.horizon_ms = horizon_ms
        self.removed = [
            removed
            for removed in self.removed
            if needed_until("7d", window_start("7d", removed.until_ms)) > horizon_ms
        ]

    def has_new_version(self) -> bool:
        """Return whether it changed since the last call."""
        version = self.horizon_ms + sum(self.next_offset.values()) + self.removals
        changed = version > self.version
        self.version = max(self.version, version)
        return changed


def state_key(partition: int) -> bytes:
    """Return the key of a target partition's own state in the table."""
    return STATE_PREFIX + b"%d" % partition


def state_in(rows: Mapping[bytes, bytes], partition: int) -> PartitionState:
    """Return a target partition's own state, as the table has it."""
    packed = rows.get(state_key(partition))
    if packed is None:
        return PartitionState()
    return msgspec.msgpack.decode(packed, type=PartitionState)


class _WindowVersion(msgspec.Struct, array_like=True, gc=False):
    revision: int
    published: int
    third: Any
    """Whether a row is sealed; something else of a PartitionState."""


_decode = msgspec.msgpack.Decoder(WindowState).decode
_decode_head = msgspec.msgpack.Decoder(_WindowVersion).decode
_encode = msgspec.msgpack.Encoder().encode


def pack_window(state: WindowState) -> bytes:
    """Return a state as bytes for the table."""
    return _encode(state)


def unpack_window(packed: bytes) -> WindowState:
    """Return the state that was packed."""
    return _decode(packed)


def revision_of(packed: bytes) -> tuple[int, int, bool]:
    """Return a packed row's version: it only grows, so of two rows the higher one stands."""
    head = _decode_head(packed)
    return head.revision, head.published, head.third is True


def published_as(revision: int, *, final: bool) -> int:
    """Return a number for a published revision that grows with it, and once more when final."""
    return 2 * revision + final
