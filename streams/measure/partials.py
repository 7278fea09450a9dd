"""Read and write the records of `partials`: from ingest to windows, one format in one place."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from schemas.fast_structs import struct_of
from schemas.partials import Missing, PartialRow, Partials, Progress
from streams.measure.merge import are_sums
from streams.measure.series import is_series
from streams.measure.watermarks import Reached
from streams.measure.window_state import RemovedRecords
from streams.validation import NotFit

_Partials: Any = struct_of(Partials)
_Progress: Any = struct_of(Progress)
_Missing: Any = struct_of(Missing)
_decode = msgspec.json.Decoder(_Partials | _Progress | _Missing).decode
_encode = msgspec.json.Encoder().encode
_last_offset = attrgetter("last_offset")
#: What a record of a worker's progress begins with: each target partition gets the same record.
_PROGRESS = b'{"kind":"progress"'
#: Bytes of the rows in a record; a single row may take more.
ROWS_BYTES = 512 * 1024


class BlockRows(NamedTuple):
    """Rows of a source's block; see schemas.partials.Partials."""

    source: int
    block: int
    rows: list[PartialRow]
    next_offset: int


def read_partial(
    value: bytes, is_series: Callable[[str], bool] = is_series
) -> BlockRows | Reached | RemovedRecords:
    """Return what a record holds. Anybody with the right to write may have sent it.

    Args:
        value: the record's.
        is_series: whether a name is that of a series.

    Raises:
        NotFit: it is no partial.
    """
    if value.startswith(_PROGRESS):
        return _read_progress(value, is_series)
    return _read(value, is_series)


def _read(value: bytes, is_series: Callable[[str], bool]) -> BlockRows | Reached | RemovedRecords:
    try:
        record = _decode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise NotFit("json", str(error)) from None
    if isinstance(record, _Progress):
        sources = int.from_bytes(record.sources, "little")
        return Reached(sources, record.at_ms, record.newest_ms, record.quiet_ms)
    if isinstance(record, _Missing):
        times = record.since_ms, record.until_ms
        return RemovedRecords(record.source, record.first_offset, record.count, *times)
    if not are_sums(record.rows):
        raise NotFit("model", "its rows cannot be summed up")
    if not all(is_series(row.series) for row in record.rows):
        raise NotFit("model", "a row is of no series")
    return BlockRows(record.source, record.block, record.rows, record.next_offset)


_read_progress = lru_cache(maxsize=64)(_read)


def read_progress(value: bytes) -> Reached | None:
    """Return a worker's progress; None if a record holds none, or cannot be read."""
    if not value.startswith(_PROGRESS):
        return None
    try:
        found = read_partial(value)
    except NotFit:
        return None
    return found if isinstance(found, Reached) else None


def rows_records(
    source: int, block: int, rows: Iterable[PartialRow], next_offset: int
) -> Iterator[bytes]:
    """Yield records with rows for one target partition, each of about ROWS_BYTES at most.

    Args:
        source: the source partition.
        block: the block's first offset.
        rows: all that changed.
        next_offset: the rows are complete up to it. A record before the last has the last
            offset of the next record's first row, since all rows before that are in it or earlier.
    """
    ordered = sorted(rows, key=_last_offset)
    encoded = [_encode(row) for row in ordered]
    begin = 0
    while begin < len(ordered):
        end, size = begin + 1, len(encoded[begin])
        while end < len(ordered) and size + len(encoded[end]) <= ROWS_BYTES:
            size += len(encoded[end])
            end += 1
        yield _encode(
            _Partials(
                source=source,
                block=block,
                rows=[msgspec.Raw(row) for row in encoded[begin:end]],
                next_offset=ordered[end].last_offset if end < len(ordered) else next_offset,
            )
        )
        begin = end


def progress_record(reached: Reached) -> bytes:
    """Return the record that says how far a worker has read its sources."""
    sources = reached.sources.to_bytes(-(-reached.sources.bit_length() // 8), "little")
    return _encode(
        _Progress(
            sources=sources,
            at_ms=reached.at_ms,
            newest_ms=reached.newest_ms,
            quiet_ms=reached.quiet_ms,
        )
    )


def missing_record(removed: RemovedRecords) -> bytes:
    """Return the record that says which records of a source were removed."""
    return _encode(_Missing(**msgspec.structs.asdict(removed)))
