"""Write and read the records of `beats`; say up to when all heartbeats are there."""

from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from schemas.beats import HeartbeatsRead, PassedBeat
from schemas.fast_structs import struct_of
from streams.validation import NotFit

_PassedBeat: Any = struct_of(PassedBeat)
_HeartbeatsRead: Any = struct_of(HeartbeatsRead)
_decode = msgspec.json.Decoder(_PassedBeat | _HeartbeatsRead).decode
_encode = msgspec.json.Encoder().encode


class BeatRecord(NamedTuple):
    """A record as it stands on `heartbeats`."""

    source: int
    """Its partition."""
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class ReadToEnd(NamedTuple):
    """Partitions of `heartbeats` that were read to their end at a time."""

    sources: frozenset[int]
    seen_ms: int


def passed_beat(source: int, record: Any) -> bytes:
    """Return the record that passes a heartbeat on."""
    return _encode(
        _PassedBeat(
            source=source,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            key=record.key,
            value=record.value,
        )
    )


def read_to_end(sources: Collection[int], seen_ms: int) -> bytes:
    """Return the record that says that all beats of these partitions stand before it."""
    bits = sum(1 << source for source in sources)
    return _encode(
        _HeartbeatsRead(
            sources=bits.to_bytes(-(-bits.bit_length() // 8), "little"), seen_ms=seen_ms
        )
    )


def read_beats(value: bytes) -> BeatRecord | ReadToEnd:
    """Return what a record on `beats` holds. Anybody with the right to write may have sent it.

    Raises:
        NotFit: it is none.
    """
    try:
        record = _decode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise NotFit("json", str(error)) from None
    if isinstance(record, _PassedBeat):
        return BeatRecord(
            record.source, record.offset, record.timestamp_ms, record.key, record.value
        )
    bits = int.from_bytes(record.sources, "little")
    sources = frozenset(at for at in range(bits.bit_length()) if bits >> at & 1)
    return ReadToEnd(sources, record.seen_ms)


def is_passed_beat(value: bytes) -> bool:
    """Return whether a record on `beats` passes a heartbeat on."""
    try:
        return isinstance(read_beats(value), BeatRecord)
    except NotFit:
        return False


class SourcesSeen:
    """When the end of each partition of `heartbeats` was last seen, by what was passed on."""

    def __init__(self) -> None:
        """Begin with none."""
        self._seen_ms: dict[int, int] = {}

    def note(self, read: ReadToEnd) -> None:
        """Note that partitions were read to their end."""
        for source in read.sources:
            self._seen_ms[source] = max(read.seen_ms, self._seen_ms.get(source, 0))

    def seen_ms(self, sources: int) -> int | None:
        """Return when the ends of all partitions were seen, at least; None while one was not.

        Args:
            sources: how many partitions there are; 0 while that is not known.
        """
        seen = [self._seen_ms[source] for source in range(sources) if source in self._seen_ms]
        return min(seen) if seen and len(seen) == sources else None
