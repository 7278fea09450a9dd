"""Find the end of a broken record batch, whose length and offsets may be wrong.

Kafka's batch format: https://kafka.apache.org/documentation/#recordbatch
"""

import re
import struct
from itertools import islice

from aiokafka.record.util import calc_crc32c

#: The highest number of records in a batch.
MAX_BATCH_RECORDS = 500_000
NO_TIMESTAMP = -1

HEADER = struct.Struct(">qiibIhiqqqhii")
#: Offset and length: every format begins with them.
FRAME = struct.Struct(">qi")
ATTRIBUTES_AT = 21
MAGIC_AT = 16
#: The format since Kafka 0.11.
MAGIC = 2
#: How a batch begins: an offset below 2**40, a length below 2**31, the format.
_MAY_BEGIN = re.compile(rb"(?=\x00\x00\x00.{5}[\x00-\x7f].{7}\x02)", re.DOTALL)
#: The highest number of places that are tried.
_TRIED = 200


def length_at(view: memoryview, at: int) -> int | None:
    """Return the size of the batch there in bytes; None if it is not complete."""
    if len(view) - at < FRAME.size:
        return None
    _, length = FRAME.unpack_from(view, at)
    whole = int(length) + FRAME.size
    return whole if MAGIC_AT < whole <= len(view) - at else None


def is_good(view: memoryview, at: int, position: int) -> bool:
    """Return whether a batch with later offsets and a correct checksum begins there."""
    length = length_at(view, at)
    if length is None or length < HEADER.size or view[at + MAGIC_AT] != MAGIC:
        return False
    base, _, _, _, crc, _, last, *_ = HEADER.unpack_from(view, at)
    if base + last < position:
        return False
    return bool(calc_crc32c(view[at + ATTRIBUTES_AT : at + length]) == crc)


def extent(view: memoryview, at: int, until: int, position: int) -> tuple[int, int, int]:
    """Return a broken batch's offsets (first, first after it), and where its bytes end.

    Neither its length nor its offsets can be relied on; a good batch after it tells both. Without
    one, and without offsets that make sense, twice as far is tried with each fetch.
    """
    base = int.from_bytes(view[at : at + 8], "big", signed=True)
    start = base if 0 <= base <= position else position
    if not is_good(view, until, position):
        until = _next_good(view, at + FRAME.size, position)
    if until < len(view):
        return start, int.from_bytes(view[until : until + 8], "big"), until
    last = HEADER.unpack_from(view, at)[6] if len(view) - at >= HEADER.size else -1
    is_sure = last < MAX_BATCH_RECORDS or is_good(view, at, -1)
    if start == base and position - base <= last and is_sure:
        return start, base + last + 1, until
    return start, 2 * position - start + 1, until


def _next_good(view: memoryview, at: int, position: int) -> int:
    """Return where the next good batch begins, or where the bytes end."""
    for place in islice(_MAY_BEGIN.finditer(view, at), _TRIED):
        if is_good(view, place.start(), position):
            return place.start()
    return len(view)


def timestamp_of(raw: bytes) -> int:
    """Return a broken batch's newest timestamp, if it has one."""
    if len(raw) < HEADER.size:
        return NO_TIMESTAMP
    return max(NO_TIMESTAMP, int(HEADER.unpack_from(raw)[8]))
