"""Read what ingest tells windows out of a record of `partials`: anybody who may can write one."""

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from schemas.fast import struct_of
from schemas.partials import Missing, PartialRow, Partials, Progress
from streams.judge import NotFit
from streams.measure.rows import Removed
from streams.measure.series import is_series
from streams.measure.stats import are_sums
from streams.measure.watermarks import Reached

_decode = msgspec.json.Decoder(
    struct_of(Partials) | struct_of(Progress) | struct_of(Missing)
).decode
_Progress: Any = struct_of(Progress)
_Missing: Any = struct_of(Missing)
#: What starts a record of a worker's progress: each target partition gets the same one.
_PROGRESS = b'{"kind":"progress"'


class BlockRows(NamedTuple):
    """Rows of a source's block; see schemas.partials.Partials."""

    source: int
    block: int
    rows: list[PartialRow]
    next_offset: int


def read_partial(value: bytes) -> BlockRows | Reached | Removed:
    """Return what a record says.

    Raises:
        NotFit: it is no partial.
    """
    return _read_progress(value) if value.startswith(_PROGRESS) else _read(value)


def _read(value: bytes) -> BlockRows | Reached | Removed:
    try:
        told = _decode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise NotFit("json", str(error)) from None
    if isinstance(told, _Progress):
        sources = int.from_bytes(told.sources, "little")
        return Reached(sources, told.at_ms, told.newest_ms, told.quiet_ms)
    if isinstance(told, _Missing):
        return Removed(told.source, told.first_offset, told.count, told.since_ms, told.until_ms)
    if not are_sums(told.rows):
        raise NotFit("model", "its rows cannot be summed up")
    if not all(is_series(row.series) for row in told.rows):
        raise NotFit("model", "a row is of no series")
    return BlockRows(told.source, told.block, told.rows, told.next_offset)


_read_progress = lru_cache(maxsize=64)(_read)
