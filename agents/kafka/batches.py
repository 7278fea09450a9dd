"""Read the record batches of a fetch; what cannot be read is passed over and described.

Of a log nothing is trusted: aiokafka ends its consumer, or reads the same batch for ever, where a
checksum, a length, a codec or a record is wrong, and it decompresses without a bound. A batch that
cannot be read stands for its offsets, so that whoever reads them again finds the same.

    offset  100 ....... 149 | 150 ....... 199 | 200 ..
            records         | UnreadableBatch      | records

Kafka's batch format: https://kafka.apache.org/documentation/#recordbatch
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import calc_crc32c

from agents.kafka.decompression import CODECS, Broken, decompress

#: A batch may hold so many records.
MAX_BATCH_RECORDS = 500_000

_HEADER = struct.Struct(">qiibIhiqqqhii")
#: Of offset and length, which every format begins with.
_FRAME = struct.Struct(">qi")
_ATTRIBUTES_AT = 21
_MAGIC_AT = 16
#: Of the format since Kafka 0.11.
_MAGIC = 2
_LEGACY_KEY_AT = (18, 26)
#: How a batch begins: an offset below 2**40, a length below 2**31, the format.
_MAY_BEGIN = re.compile(rb"(?=\x00\x00\x00.{5}[\x00-\x7f].{7}\x02)", re.DOTALL)
#: So many places are tried.
_TRIED = 200
_CODEC, _TRANSACTIONAL, _CONTROL = 0x07, 0x10, 0x20
_NO_TIMESTAMP = -1


class BatchHeader(NamedTuple):
    """A batch's header, as far as it matters here."""

    base_offset: int
    end_offset: int
    """Of the first record after the batch."""
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


class ReadBatch(NamedTuple):
    """A batch: either its records, or why there are none."""

    end: int
    """The first offset after it."""
    records: Sequence[Any]
    unreadable: UnreadableBatch | None = None
    removed: int = 0
    """How many offsets before or in it compaction has left empty."""


class _Record(NamedTuple):
    """A record without a timestamp: aiokafka gives None for Kafka's -1."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    checksum: int | None
    timestamp: int = _NO_TIMESTAMP
    timestamp_type: int = 0


class FetchedBytes:
    """The bytes that a fetch brought; in aiokafka's place for its MemoryRecords."""

    def __init__(self, data: bytes) -> None:
        """Take the record set of a partition in a fetch response."""
        self.data = data

    def size_in_bytes(self) -> int:
        """Return how many bytes there are."""
        return len(self.data)

    def has_next(self) -> bool:
        """Return whether there is anything: also what is broken is read, and said."""
        return bool(self.data)


def read_batches(
    data: bytes,
    position: int,
    is_skipped: Callable[[BatchHeader], bool] = lambda head: head.is_control,
) -> Iterator[ReadBatch]:
    """Yield each batch of a fetch that reaches beyond a position; positions only grow.

    Args:
        data: the record set.
        position: the offset that was asked for.
        is_skipped: tells of each batch whether its records do not count.
    """
    view, at, size = memoryview(data), 0, len(data)
    while at < size:
        length = _length_at(view, at)
        if length is None and at:
            return  # the rest comes with the next fetch
        until = size if length is None else at + length
        began = at
        try:
            read = _read(view[at:until], is_skipped, whole=length is not None)
            _check_next(view, until, position, read.end)
        except Exception as error:  # noqa: BLE001 - parsers raise whatever they meet
            start, end, until = _extent(view, at, until, position)
            raw = bytes(view[at:until])
            read = ReadBatch(
                end, (), UnreadableBatch(start, end, _why(raw, error), raw, _timestamp_of(raw))
            )
        at = until
        if read.end <= position:
            continue
        base = int.from_bytes(view[began : began + 8], "big", signed=True)
        if not read.unreadable and base > position and view[began + _MAGIC_AT] == _MAGIC:
            read = read._replace(removed=read.removed + base - position)
        if not read.unreadable and read.records and read.records[0].offset < position:
            wanted = [record for record in read.records if record.offset >= position]
            read = read._replace(records=wanted)
        position = read.end
        yield read


def _check_next(view: memoryview, at: int, position: int, end: int) -> None:
    """Check a batch's end by the batch after it: its offset is not in its checksum.

    Raises:
        Broken: a good batch follows whose offsets come before that end.
    """
    begins_early = len(view) - at >= _FRAME.size and _FRAME.unpack_from(view, at)[0] < end
    if begins_early and _is_good(view, at, position):
        raise Broken(f"its offsets are not its own: it ends at {end}")


def _length_at(view: memoryview, at: int) -> int | None:
    """Return how many bytes the batch there has; None if it is not whole."""
    if len(view) - at < _FRAME.size:
        return None
    _, length = _FRAME.unpack_from(view, at)
    whole = int(length) + _FRAME.size
    return whole if _MAGIC_AT < whole <= len(view) - at else None


def _read(
    batch: memoryview, is_skipped: Callable[[BatchHeader], bool], *, whole: bool
) -> ReadBatch:
    """Return a batch's records.

    Raises:
        Exception: it cannot be read.
    """
    if not whole:
        raise Broken("it is not whole, or its length is wrong")
    magic = batch[_MAGIC_AT]
    if magic < _MAGIC:
        return _read_legacy(batch, magic)
    if magic > _MAGIC or len(batch) < _HEADER.size:
        raise Broken(f"unknown format: version {magic}, {len(batch)} bytes")
    (base, _, _, _, crc, attributes, last, _, _, producer, _, _, count) = _HEADER.unpack_from(batch)
    if calc_crc32c(batch[_ATTRIBUTES_AT:]) != crc:
        raise Broken("its checksum does not match")
    end = base + last + 1
    if base < 0 or last < 0 or not 0 <= count <= last + 1:
        raise Broken(f"{count} records for {last + 1} offsets from {base} on")
    transactional, control = bool(attributes & _TRANSACTIONAL), bool(attributes & _CONTROL)
    if is_skipped(BatchHeader(base, end, producer, transactional, control)):
        return ReadBatch(end, ())
    if count > MAX_BATCH_RECORDS:
        raise Broken(f"{count} records, more than {MAX_BATCH_RECORDS}")
    records = list(DefaultRecordBatch(_decompressed(batch, attributes)))
    return ReadBatch(end, _checked(records, base, end), removed=end - base - count)


def _read_legacy(batch: memoryview, magic: int) -> ReadBatch:
    """Return a message of the formats before Kafka 0.11, or those compressed in it.

    Raises:
        Exception: it cannot be read.
    """
    legacy = LegacyRecordBatch(bytes(batch), magic)
    if not legacy.validate_crc():
        raise Broken("its checksum does not match")
    if codec := batch[_MAGIC_AT + 1] & _CODEC:
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
            _Record(one.offset, one.key, one.value, one.headers, one.checksum)
            if one.timestamp is None
            else one
            for one in records
        ]
    return records


def _decompressed(batch: memoryview, attributes: int) -> Any:
    """Return the batch with its records as they are."""
    codec = attributes & _CODEC
    if not codec:
        return batch
    body = decompress(codec, batch[_HEADER.size :])
    fields = list(_HEADER.unpack_from(batch))
    fields[1], fields[5] = len(body) + _HEADER.size - _FRAME.size, attributes & ~_CODEC
    return _HEADER.pack(*fields) + body


def _extent(view: memoryview, at: int, until: int, position: int) -> tuple[int, int, int]:
    """Return a broken batch's offsets (first, first after it), and where its bytes end.

    Neither its length nor its offsets can be relied on; a good batch after it tells both. Without
    one, and without offsets that make sense, twice as far is tried with each fetch.
    """
    base = int.from_bytes(view[at : at + 8], "big", signed=True)
    start = base if 0 <= base <= position else position
    if not _is_good(view, until, position):
        until = _found(view, at + _FRAME.size, position)
    if until < len(view):
        return start, int.from_bytes(view[until : until + 8], "big"), until
    last = _HEADER.unpack_from(view, at)[6] if len(view) - at >= _HEADER.size else -1
    known = last < MAX_BATCH_RECORDS or _is_good(view, at, -1)
    if start == base and position - base <= last and known:
        return start, base + last + 1, until
    return start, 2 * position - start + 1, until


def _found(view: memoryview, at: int, position: int) -> int:
    """Return where a good batch stands behind a broken one, else where the bytes end."""
    for place in islice(_MAY_BEGIN.finditer(view, at), _TRIED):
        if _is_good(view, place.start(), position):
            return place.start()
    return len(view)


def _is_good(view: memoryview, at: int, position: int) -> bool:
    """Return whether a batch of later offsets begins there, whose checksum matches."""
    length = _length_at(view, at)
    if length is None or length < _HEADER.size or view[at + _MAGIC_AT] != _MAGIC:
        return False
    base, _, _, _, crc, _, last, *_ = _HEADER.unpack_from(view, at)
    if base + last < position:
        return False
    return bool(calc_crc32c(view[at + _ATTRIBUTES_AT : at + length]) == crc)


def _timestamp_of(raw: bytes) -> int:
    """Return a broken batch's newest timestamp, if it says one."""
    if len(raw) < _HEADER.size:
        return _NO_TIMESTAMP
    return max(_NO_TIMESTAMP, int(_HEADER.unpack_from(raw)[8]))


def _why(raw: bytes, error: Exception) -> str:
    if isinstance(error, Broken):
        return str(error)
    codec = raw[_ATTRIBUTES_AT + 1] & _CODEC if len(raw) >= _HEADER.size else 0
    what = f"its records ({CODECS[codec]})" if 0 < codec < len(CODECS) else "its records"
    return f"{what} cannot be read: {type(error).__name__}: {error}"[:300]
