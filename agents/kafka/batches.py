"""Read the record batches of a fetch; skip and describe those that cannot be read.

Of a log nothing is trusted: aiokafka ends its consumer, or reads the same batch for ever, where a
checksum, a length, a codec or a record is wrong, and it decompresses without a bound. A batch that
cannot be read stands for its offsets, so that whoever reads them again finds the same.

    offset  100 ....... 149 | 150 ....... 199 | 200 ..
            records         | UnreadableBatch      | records

Kafka's batch format: https://kafka.apache.org/documentation/#recordbatch
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import calc_crc32c

from agents.kafka.batch_format import (
    ATTRIBUTES_AT,
    FRAME,
    HEADER,
    MAGIC,
    MAGIC_AT,
    MAX_BATCH_RECORDS,
    NO_TIMESTAMP,
    extent,
    is_good,
    length_at,
    timestamp_of,
)
from agents.kafka.decompression import CODECS, Broken, decompress

_LEGACY_KEY_AT = (18, 26)
_CODEC, _TRANSACTIONAL, _CONTROL = 0x07, 0x10, 0x20


class BatchHeader(NamedTuple):
    """The used fields of a batch's header."""

    base_offset: int
    end_offset: int
    """The first offset after the batch."""
    producer_id: int
    is_transactional: bool
    is_control: bool


class UnreadableBatch(NamedTuple):
    """A batch that cannot be read."""

    start: int
    end: int
    """The first offset after it."""
    detail: str
    raw: bytes
    timestamp_ms: int


class Hole(NamedTuple):
    """Offsets of which compaction removed some."""

    start: int
    end: int
    """The first offset after them."""
    removed: int


class ReadBatch(NamedTuple):
    """A batch: either its records, or why there are none."""

    end: int
    """The first offset after it."""
    records: Sequence[Any]
    unreadable: UnreadableBatch | None = None
    holes: tuple[Hole, ...] = ()
    """The offsets before and in it that compaction has emptied."""
    epoch: int = -1
    """The leader epoch: it grows with each election of the partition's leader."""


class PlainRecord(NamedTuple):
    """A copy of a record with another offset, or with -1 where aiokafka has no timestamp."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    checksum: int | None
    timestamp: int = NO_TIMESTAMP
    timestamp_type: int = 0

    @classmethod
    def of(cls, record: Any, offset: int) -> "PlainRecord":
        """Return a record at another offset."""
        return cls(
            offset,
            record.key,
            record.value,
            record.headers,
            record.checksum,
            record.timestamp,
            record.timestamp_type,
        )


class FetchedBytes:
    """The bytes of a fetch; replaces aiokafka's MemoryRecords."""

    def __init__(self, data: bytes) -> None:
        """Take the record set of a partition in a fetch response."""
        self.data = data

    def size_in_bytes(self) -> int:
        """Return how many bytes there are."""
        return len(self.data)

    def has_next(self) -> bool:
        """Return whether there are bytes: broken ones are read and described too."""
        return bool(self.data)


def read_batches(
    data: bytes,
    position: int,
    is_skipped: Callable[[BatchHeader], bool] = lambda head: head.is_control,
) -> Iterator[ReadBatch]:
    """Yield each batch of a fetch that ends after a position; positions only grow.

    Args:
        data: the record set.
        position: the offset that was asked for.
        is_skipped: tells of each batch whether its records do not count.
    """
    view, at, size = memoryview(data), 0, len(data)
    while at < size:
        length = length_at(view, at)
        if length is None and at:
            return  # the rest comes with the next fetch
        until = size if length is None else at + length
        began = at
        try:
            read = _read(view[at:until], is_skipped, whole=length is not None)
            _check_next(view, until, position, read.end)
        except Exception as error:  # noqa: BLE001 - parsers raise whatever they meet
            start, end, until = extent(view, at, until, position)
            raw = bytes(view[at:until])
            read = ReadBatch(
                end, (), UnreadableBatch(start, end, _why(raw, error), raw, timestamp_of(raw))
            )
        at = until
        if read.end <= position:
            continue
        base = int.from_bytes(view[began : began + 8], "big", signed=True)
        if not read.unreadable and base > position and view[began + MAGIC_AT] == MAGIC:
            before = Hole(position, base, base - position)
            read = read._replace(holes=(before, *read.holes))
        if not read.unreadable and read.records and read.records[0].offset < position:
            wanted = [record for record in read.records if record.offset >= position]
            read = read._replace(records=wanted)
        position = read.end
        yield read


def _check_next(view: memoryview, at: int, position: int, end: int) -> None:
    """Check a batch's end by the next batch: the checksum does not cover its offset.

    Raises:
        Broken: a good batch follows whose offsets come before that end.
    """
    begins_early = len(view) - at >= FRAME.size and FRAME.unpack_from(view, at)[0] < end
    if begins_early and is_good(view, at, position):
        raise Broken(f"its offsets are not its own: it ends at {end}")


def _read(
    batch: memoryview, is_skipped: Callable[[BatchHeader], bool], *, whole: bool
) -> ReadBatch:
    """Return a batch's records.

    Raises:
        Exception: it cannot be read.
    """
    if not whole:
        raise Broken("it is not whole, or its length is wrong")
    magic = batch[MAGIC_AT]
    if magic < MAGIC:
        return _read_legacy(batch, magic)
    if magic > MAGIC or len(batch) < HEADER.size:
        raise Broken(f"unknown format: version {magic}, {len(batch)} bytes")
    (base, _, epoch, _, crc, attributes, last, _, _, producer, _, _, count) = HEADER.unpack_from(
        batch
    )
    if calc_crc32c(batch[ATTRIBUTES_AT:]) != crc:
        raise Broken("its checksum does not match")
    end = base + last + 1
    if base < 0 or last < 0 or not 0 <= count <= last + 1:
        raise Broken(f"{count} records for {last + 1} offsets from {base} on")
    transactional, control = bool(attributes & _TRANSACTIONAL), bool(attributes & _CONTROL)
    if is_skipped(BatchHeader(base, end, producer, transactional, control)):
        return ReadBatch(end, (), epoch=epoch)
    if count > MAX_BATCH_RECORDS:
        raise Broken(f"{count} records, more than {MAX_BATCH_RECORDS}")
    records = list(DefaultRecordBatch(_decompressed(batch, attributes)))
    removed = end - base - count
    holes = (Hole(base, end, removed),) if removed else ()
    return ReadBatch(end, _checked(records, base, end), holes=holes, epoch=epoch)


def _read_legacy(batch: memoryview, magic: int) -> ReadBatch:
    """Return a message in a format before Kafka 0.11, or the messages compressed in it.

    Raises:
        Exception: it cannot be read.
    """
    legacy = LegacyRecordBatch(bytes(batch), magic)
    if not legacy.validate_crc():
        raise Broken("its checksum does not match")
    if codec := batch[MAGIC_AT + 1] & _CODEC:
        key_at = _LEGACY_KEY_AT[magic]
        (key_size,) = struct.unpack_from(">i", batch, key_at)
        decompress(codec, batch[key_at + 4 + max(0, key_size) + 4 :])  # aiokafka has no bound
    records = list(legacy)
    (last,) = struct.unpack_from(">q", batch)
    return ReadBatch(last + 1, _checked(records, records[0].offset if records else last, last + 1))


def _checked(records: list[Any], base: int, end: int) -> list[Any]:
    """Return the records; those without a timestamp as Kafka has them.

    Raises:
        Broken: their offsets are not the batch's.
    """
    offsets = [record.offset for record in records]
    if offsets and (
        offsets[0] < max(base, 0) or offsets[-1] >= end or sorted(set(offsets)) != offsets
    ):
        raise Broken("its records' offsets are not the batch's")
    if None in [record.timestamp for record in records]:
        return [
            PlainRecord(record.offset, record.key, record.value, record.headers, record.checksum)
            if record.timestamp is None
            else record
            for record in records
        ]
    return records


def _decompressed(batch: memoryview, attributes: int) -> Any:
    """Return the batch with its records as they are."""
    codec = attributes & _CODEC
    if not codec:
        return batch
    body = decompress(codec, batch[HEADER.size :])
    fields = list(HEADER.unpack_from(batch))
    fields[1], fields[5] = len(body) + HEADER.size - FRAME.size, attributes & ~_CODEC
    return HEADER.pack(*fields) + body


def _why(raw: bytes, error: Exception) -> str:
    if isinstance(error, Broken):
        return str(error)
    codec = raw[ATTRIBUTES_AT + 1] & _CODEC if len(raw) >= HEADER.size else 0
    what = f"its records ({CODECS[codec]})" if 0 < codec < len(CODECS) else "its records"
    return f"{what} cannot be read: {type(error).__name__}: {error}"[:300]
