"""Write and read published digests, in both forms that they have on the wire.

A final aggregate carries its digest in the `tdigest` package's form; one that will be published
again as a packed digest in base64, which takes a quarter of the time and of the bytes. Everybody
who reads published digests reads them here.
"""

import base64
import sys
from array import array
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from streams.measure.centroids import PUBLISHED_LIMIT, Floats
from streams.measure.digests import EMPTY, are_packed, centroid_count, pack, shown, thinned

_MOST = 1e16


class _Centroid(msgspec.Struct, gc=False):
    m: Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
    c: Annotated[float, msgspec.Meta(gt=0, le=_MOST)]


class _Digest(msgspec.Struct, gc=False):
    centroids: list[_Centroid]


_read_digest = msgspec.json.Decoder(_Digest).decode
_read_text = msgspec.json.Decoder(str).decode
_read_numbers = msgspec.json.Decoder(list[float]).decode
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
#: As they are written here.
_FIRST, _MEAN = b'"centroids":[{"m":', b'{"m":'
_LEFT_OUT, _LEFT_OUT_OF_EACH = b'{}":mc', 10


class PublishedDigest(NamedTuple):
    """A digest as an aggregate carries it, and the quantiles of the whole of it."""

    quantiles: list[float]
    wire: msgspec.Raw


def published_digest(
    packed: bytes, count: int, ranks: Sequence[float], *, final: bool
) -> PublishedDigest:
    """Return a digest of at most PUBLISHED_LIMIT centroids as an aggregate carries it.

    Args:
        packed: the digest.
        count: how many durations it stands for.
        ranks: of the quantiles, from 0 to 1.
        final: whether the aggregate is.
    """
    quantiles, means, weights = shown(packed, ranks, PUBLISHED_LIMIT, distinct=final)
    if not final:
        text = base64.b64encode(pack(means, weights))
        return PublishedDigest(quantiles, msgspec.Raw(b'"%b"' % text))
    pairs = _centroids(means, weights)
    return PublishedDigest(quantiles, msgspec.Raw(b'{"n":%d,"centroids":[%b]}' % (count, pairs)))


def _centroids(means: Floats, weights: Floats | None) -> bytes:
    """Return the `tdigest` package's form; float32 means in the digits they have, not float64's."""
    values = _digits(means)
    if weights is None:
        return b'{"m":' + values.replace(b",", b',"c":1},{"m":') + b',"c":1}'
    counts = _digits(weights.astype(np.int64))
    both = zip(values.split(b","), counts.split(b","), strict=True)
    return b'{"m":' + b'},{"m":'.join(map(b',"c":'.join, both)) + b"}"


def _digits(numbers: npt.NDArray[Any]) -> bytes:
    return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


def packed_digest(wire: bytes) -> bytes:
    """Return a digest, packed; no bytes if it is empty, or cannot be read."""
    try:
        if wire[:1] == b'"':
            packed = base64.b64decode(_read_text(wire), validate=True)
            return _checked(packed)
        return _packed(wire)
    except _UNREADABLE:
        return b""


def _checked(packed: bytes) -> bytes:
    if not packed or not are_packed([packed]):
        return b""
    return packed if centroid_count(packed) <= PUBLISHED_LIMIT else thinned(packed, PUBLISHED_LIMIT)


def _packed(wire: bytes) -> bytes:
    found = _fast_columns(wire)
    if found is None:
        centroids = _read_digest(wire).centroids
        found = [centroid.m for centroid in centroids], [centroid.c for centroid in centroids]
    means, weights = found
    if not means:
        return b""
    if weights.count(1.0) == len(weights):  # each is an operation, as in most windows
        packed = EMPTY + _little_endian(means)
    else:
        packed = pack(np.array(means), np.maximum(1.0, weights))
    return packed if len(means) <= PUBLISHED_LIMIT else thinned(packed, PUBLISHED_LIMIT)


def _little_endian(means: list[float]) -> bytes:
    packed = array("f", means)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _fast_columns(wire: bytes) -> tuple[list[float], list[float]] | None:
    """Return means and weights of what opwatch wrote; None if it looks any different.

    It makes no object of a centroid, and nothing of numpy, which costs more than it saves for the
    few centroids of a window.
    """
    begins = wire.find(_FIRST)
    if begins < 0 or not wire.endswith(b"}]}"):
        return None
    body = wire[begins + len(_FIRST) - len(_MEAN) : -2]
    digits = body.translate(None, _LEFT_OUT)
    try:
        numbers = _read_numbers(b"[" + digits + b"]")
    except msgspec.MsgspecError:
        return None
    count, odd = divmod(len(numbers), 2)
    if odd or body.count(_MEAN) != count or len(body) - len(digits) != _LEFT_OUT_OF_EACH * count:
        return None
    means, weights = numbers[0::2], numbers[1::2]
    if min(means) < 0 or max(means) > _MOST or min(weights) <= 0 or max(weights) > _MOST:
        return None
    return means, weights
