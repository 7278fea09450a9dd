"""Keep what is known of one (series, 5 minutes or more) in a table row.

A row of five minutes holds its minutes one by one while late data may still come, one of more
the counts of its children. When it can change no more it is sealed into one sum.

Idempotent: a partial applied twice, late or out of order changes nothing.
"""

from typing import Any

import msgspec

from schemas.partials import Stats
from streams.measure.digests import STORED_LIMIT, Engine
from streams.measure.stats import merge_stats

#: A member stands for itself in its own row; in overflow's row members are told apart by name.
OWN = ""


#: A minute's base, which many small blocks are merged into, is compressed when twice too large.
_ROOM = 2


class OpenBlock(msgspec.Struct, array_like=True, gc=False):
    """What a source partition's latest block has told of a minute: of each member the last."""

    block: int
    members: dict[str, tuple[int, Stats]]
    """(last offset, sums over the block) by member."""


class Minute(msgspec.Struct, array_like=True, gc=False):
    """A minute: blocks that are over, merged, and each source's latest one."""

    base: Stats | None = None
    open: dict[int, OpenBlock] = {}
    published: int = 0
    """See published_as."""
    revision: int = 0
    """How many operations it holds."""

    def apply(
        self, source: int, block: int, member: str, told: tuple[int, Stats], engine: Engine
    ) -> bool:
        """Take in a row of a partial; return whether it said anything new."""
        latest = self.open.get(source)
        if latest is not None and block < latest.block:
            return False
        before = latest.members.get(member) if latest and block == latest.block else None
        if before is not None and told[0] <= before[0]:
            return False
        self.revision += told[1].sums.count - (before[1].sums.count if before else 0)
        if latest is not None and block == latest.block:
            latest.members[member] = told
            return True
        if latest is not None:
            over = [stats for _, stats in latest.members.values()]
            self.base = merge_stats([*self._based(), *over], engine, STORED_LIMIT, _ROOM)
        self.open[source] = OpenBlock(block, {member: told})
        return True

    def _based(self) -> list[Stats]:
        return [] if self.base is None else [self.base]

    def parts(self) -> list[Stats]:
        """Return the disjoint sums that make up the minute."""
        blocks = self.open.values()
        return self._based() + [stats for one in blocks for _, stats in one.members.values()]

    def count(self) -> int:
        """Return how many operations it holds."""
        return self.revision


class Row(msgspec.Struct, array_like=True, gc=False):
    """A window of five minutes or more of one series."""

    revision: int = 0
    """How many operations it holds. Stands first, so that it can be read alone."""
    published: int = 0
    """See published_as."""
    sealed: bool = False
    """Whether it can change no more: it then holds its sums, and outlives its children."""
    minutes: list[Minute | None] | None = None
    """Of five minutes that are not sealed."""
    stats: Stats | None = None
    """Of an hour, and of what is sealed; else they are merged from the children when asked for."""
    children: list[tuple[int, int]] = []
    """(operations, failures) of each child window, of an hour or more."""

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
        parts = [part for minute in self.minutes if minute for part in minute.parts()]
        return sum([part.sums.failures for part in parts])


class Removed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Records of a source that Kafka removed before they were read, and when they were."""

    source: int
    first_offset: int
    count: int
    """At most."""
    since_ms: int
    until_ms: int


class State(msgspec.Struct, array_like=True, gc=False):
    """What a target partition knows besides its rows; it has a row of its own in the table."""

    version: int = 0
    """Only grows."""
    horizon_ms: int = 0
    """Minutes that could be late no more at this time are sealed or gone."""
    next_offset: dict[int, int] = {}
    """Of each source partition, the first offset that is not yet in the rows."""
    removed: list[Removed] = []
    """What windows that are kept may be missing."""
    removals: int = 0
    """How often that changed."""


class _Head(msgspec.Struct, array_like=True, gc=False):
    revision: int
    published: int
    third: Any
    """Whether a row is sealed; something else of a State."""


_decode = msgspec.msgpack.Decoder(Row).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_encode = msgspec.msgpack.Encoder().encode


def pack_row(row: Row) -> bytes:
    """Return the row as bytes for the table."""
    return _encode(row)


def unpack_row(packed: bytes) -> Row:
    """Return the row that pack_row was given."""
    return _decode(packed)


def revision_of(packed: bytes) -> tuple[int, int, bool]:
    """Return a packed row's version: it only grows, so of two rows the higher one stands."""
    head = _decode_head(packed)
    return head.revision, head.published, head.third is True


def published_as(revision: int, *, final: bool) -> int:
    """Return a number for a published revision that grows with it, and once more when final."""
    return 2 * revision + final
