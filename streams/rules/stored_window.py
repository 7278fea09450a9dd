"""Make of an aggregate what the table stores of a window, and read its digest and exemplars."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from schemas.aggregates import Exemplar
from schemas.fast import struct_of
from streams.measure.digests import PUBLISHED_LIMIT, pack, thinned
from streams.rules.records import AggregateRecord, OperationsRecord
from streams.rules.series_state import StoredWindow
from streams.rules.sums import sums_of


class _Centroid(msgspec.Struct, gc=False):
    m: Annotated[float, msgspec.Meta(ge=0, le=1e16)]
    c: Annotated[float, msgspec.Meta(gt=0, le=1e16)]


class _Digest(msgspec.Struct, gc=False):
    centroids: list[_Centroid]


#: A packed digest begins with its weights' type, JSON with a character.
_PACKED_UP_TO = b"\x03"
_read_digest = msgspec.json.Decoder(_Digest).decode
_read_exemplars = msgspec.json.Decoder(list[struct_of(Exemplar)]).decode  # type: ignore[misc]
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def window_of(record: AggregateRecord, *, has_digest: bool) -> StoredWindow:
    """Return what is stored of an aggregate; its digest stays as it came."""
    sums = tuple(sums_of(record))
    if not isinstance(record, OperationsRecord):
        status = "silent" if record.silent and record.status == "down" else record.status
        return StoredWindow(record.revision, record.final, sums, status=status)
    digest = bytes(record.digest) if has_digest else b""
    exemplars = bytes(record.exemplars) if record.window.size == "1m" else b""
    return StoredWindow(record.revision, record.final, sums, digest, exemplars)


def exemplars_of(window: StoredWindow) -> Sequence[Any]:
    """Return the window's exemplars; none where what came cannot be read."""
    try:
        return _read_exemplars(window.exemplars) if window.exemplars else ()
    except _UNREADABLE:
        return ()


def digest_of(window: StoredWindow) -> bytes:
    """Return the window's packed digest, empty if it has none, or what came cannot be read."""
    digest = window.digest
    if digest[:1] <= _PACKED_UP_TO:
        return digest
    window.digest = b""
    try:
        centroids = _read_digest(digest).centroids
    except _UNREADABLE:
        return b""
    if centroids:
        means: Sequence[float] = [centroid.m for centroid in centroids]
        weights = [max(1.0, centroid.c) for centroid in centroids]
        packed = pack(np.array(means, np.float64), np.array(weights, np.float64))
        window.digest = thinned(packed, PUBLISHED_LIMIT)
    return window.digest
