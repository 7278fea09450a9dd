"""Keep a distribution in few bytes, so that any percentile of any merge can still be asked.

A packed digest is bytes: centroids, see streams/measure/centroids.py. Only what is too much for its
exact forms is left to a t-digest, and two engines can do that: `fastdigest` (Rust, the default) and
`tdigest` (the reference, pure Python). Both pass tests/unit/streams/test_digests.py.

Layout: one byte for the weights' type, then float32 means, then the weights (absent when all
are one). Little-endian.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import fastdigest
import numpy as np
import tdigest

from streams.measure import centroids
from streams.measure.centroids import Centroids, Floats
from streams.measure.runs import Places

_UNIT = 0
_WEIGHTS: dict[int, np.dtype[Any]] = {1: np.dtype("<u2"), 2: np.dtype("<u4"), 3: np.dtype("<f8")}
_MEAN = np.dtype("<f4")
EMPTY = bytes([_UNIT])
#: A weight of 1 where the heaviest has 16 bits.
_UNIT_WEIGHT = np.ones(1, _WEIGHTS[1]).tobytes()
#: Beyond what operations may take, and how many there may be.
_MOST_MS, _LEAST_WEIGHT, _MOST_WEIGHT = 1e11, 1e-9, 1e16
_WIDTHS = {_UNIT: _MEAN.itemsize} | {
    code: _MEAN.itemsize + kind.itemsize for code, kind in _WEIGHTS.items()
}


def pack(means: Floats, weights: Floats | None = None) -> bytes:
    """Return centroids as bytes; without weights each mean is one sample."""
    body = means.astype(_MEAN).tobytes()
    if weights is None or not len(weights) or weights.max() <= 1:
        return b"\0" + body
    heaviest = weights.max()
    code = 1 if heaviest < 1 << 16 else 2 if heaviest < 1 << 32 else 3
    return bytes([code]) + body + weights.astype(_WEIGHTS[code]).tobytes()


def unpack(packed: bytes) -> tuple[Floats, Floats | None]:
    """Return the means (ms) and the weights, None where all are one."""
    if packed[0] == _UNIT:
        return np.frombuffer(packed, _MEAN, offset=1), None
    kind = _WEIGHTS[packed[0]]
    size = (len(packed) - 1) // (_MEAN.itemsize + kind.itemsize)
    means = np.frombuffer(packed, _MEAN, size, offset=1)
    return means, np.frombuffer(packed, kind, size, offset=1 + size * _MEAN.itemsize)


def are_packed(digests: Iterable[bytes]) -> bool:
    """Return whether all are digests: whole centroids, of finite means and some weight."""
    means: list[bytes] = []
    weights: dict[int, list[bytes]] = {code: [] for code in _WEIGHTS}
    for packed in digests:
        code = packed[0] if packed else -1
        kind = weights.get(code)
        if kind is None and code != _UNIT:
            return False
        size, rest = divmod(len(packed) - 1, _WIDTHS[code])
        if rest:
            return False
        edge = 1 + size * _MEAN.itemsize
        means.append(packed[1:edge])
        if kind is not None:
            kind.append(packed[edge:])
    if not _lie_within(means, _MEAN, 0, _MOST_MS):
        return False
    return all(
        _lie_within(parts, _WEIGHTS[code], _LEAST_WEIGHT, _MOST_WEIGHT)
        for code, parts in weights.items()
    )


def _lie_within(parts: list[bytes], kind: np.dtype[Any], low: float, high: float) -> bool:
    values = np.frombuffer(b"".join(parts), kind)
    return not len(values) or bool(values.min() >= low and values.max() <= high)  # no NaN is


def centroid_count(packed: bytes) -> int:
    """Return how many centroids a packed digest has."""
    width = _MEAN.itemsize + (_WEIGHTS[packed[0]].itemsize if packed[0] else 0)
    return (len(packed) - 1) // width


def pack_samples(samples: Floats, limit: int) -> bytes:
    """Return samples (ms) as a digest of at most `limit` centroids; up to it, each sample."""
    samples = samples.astype(_MEAN)
    if len(samples) <= limit:
        return EMPTY + samples.tobytes()
    samples.sort()
    return pack(*_cut(centroids.counted(samples), limit))


def pack_each(samples: Floats, sizes: Places, limit: int) -> list[bytes]:
    """Return the digest of each run of samples (ms), of `sizes`, as pack_samples does."""
    packed = samples.astype(_MEAN).tobytes()
    ends = np.cumsum(sizes)
    spans = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
    width = _MEAN.itemsize
    return [
        EMPTY + packed[width * begin : width * end]
        if end - begin <= limit
        else pack_samples(samples[begin:end], limit)
        for begin, end in spans
    ]


def _cut(found: Centroids, limit: int) -> Centroids:
    """Return at most `limit` centroids, without an engine."""
    return centroids.ranks_joined(centroids.close_joined(found, limit), limit)


class Engine(Protocol):
    """A t-digest: merges weighted centroids."""

    def compress(self, means: Floats, weights: Floats, limit: int) -> tuple[Floats, Floats]:
        """Return at most `limit` centroids that stand for these, which ascend."""


#: How fastdigest packs: this, its sums, then (mean, weight) of each centroid. Its list of tuples
#: takes as long to make as the merge.
_FAST_FORM = b"FASTDIG~\x01"
_FAST_HEADER = 80


class FastEngine:
    """The `fastdigest` package: Rust, on the hot path."""

    def compress(self, means: Floats, weights: Floats, limit: int) -> tuple[Floats, Floats]:
        """See Engine."""
        values: Any = means  # it takes arrays too, though its types say only sequences
        counts: Any = weights
        merged = fastdigest.TDigest.from_values(values, counts, max_centroids=limit).to_bytes()
        assert merged.startswith(_FAST_FORM), "fastdigest packs its digests in another form"
        packed = np.frombuffer(merged, "<f8", offset=_FAST_HEADER).reshape(-1, 2)
        return packed[:, 0], packed[:, 1]


_GOLDEN = 0.618033988749895


class ReferenceEngine:
    """The `tdigest` package: pure Python, what consumers are likely to use."""

    def compress(self, means: Floats, weights: Floats, limit: int) -> tuple[Floats, Floats]:
        """See Engine. Scattered: of values that ascend it would join only the first ones."""
        order = np.argsort(np.arange(len(means)) * _GOLDEN % 1)
        pairs = list(zip(means[order].tolist(), weights[order].tolist(), strict=True))
        delta = 1 / limit
        while len((digest := self._digest(pairs, delta)).C) > limit:
            delta *= 1.1
        found = np.array([(centroid.mean, centroid.count) for centroid in digest.C.values()])
        return found[:, 0], found[:, 1]

    def _digest(self, pairs: list[tuple[float, float]], delta: float) -> Any:
        digest = tdigest.TDigest(delta=delta)
        for mean, weight in pairs:
            digest.update(mean, weight)
        return digest


ENGINES: dict[str, Engine] = {"fastdigest": FastEngine(), "tdigest": ReferenceEngine()}

#: Of the centroids that an engine may keep, the share for where percentiles are promised.
_UPPER_SHARE = 0.85


def merge(packed: Sequence[bytes], engine: Engine, limit: int, room: float = 1) -> bytes:
    """Return the digest of everything in several digests.

    Args:
        packed: disjoint digests, at least one.
        engine: merges what fits no more, and is neither many equal values nor close to others.
        limit: at most this many centroids, …
        room: … once there would be more than this many times the limit: compressing at each of
            many small merges costs the most.
    """
    together = _side_by_side(packed)
    if centroid_count(together) <= room * limit:
        return together
    joined = centroids.close_joined(centroids.counted(*_in_order(together)), limit)
    return pack(*(joined if len(joined.means) <= limit else _compressed(joined, engine, limit)))


def _compressed(joined: Centroids, engine: Engine, limit: int) -> Centroids:
    """Return at most `limit` centroids: heavy ones as they are, what is below and above by engine.

    Each half by itself: a t-digest is the coarsest in its middle, which would be the median.
    """
    heavy = centroids.is_heavy(joined, limit)
    room = limit - int(heavy.sum())
    upper = centroids.upper_half(joined)
    parts = [Centroids(joined.means[heavy], joined.weights[heavy])]
    for half, share in ((upper, _UPPER_SHARE), (~upper, 1 - _UPPER_SHARE)):
        light = half & ~heavy
        means, weights = joined.means[light], joined.weights[light]
        if len(means) > int(room * share):
            means, weights = engine.compress(means.astype(np.float64), weights, int(room * share))
        parts.append(Centroids(means.astype(_MEAN), weights))
    means, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    return centroids.counted(*_ordered(means, weights))


def thinned(packed: bytes, limit: int) -> bytes:
    """Return a digest of at most `limit` centroids, for show: no engine has a part in it."""
    if centroid_count(packed) <= limit:
        return packed
    return pack(*_cut(centroids.counted(*_in_order(packed)), limit))


class Shown(NamedTuple):
    """A digest to be published: ascending means, and the weights, None where all are one."""

    quantiles: list[float]
    """Of the whole digest."""
    means: Floats
    weights: Floats | None


def shown(packed: bytes, ranks: Sequence[float], limit: int, *, distinct: bool = True) -> Shown:
    """Return the quantiles of a digest, and it thinned.

    Args:
        packed: the digest.
        ranks: of the quantiles, from 0 to 1.
        limit: of the centroids.
        distinct: let no two have the same mean.
    """
    means, weights = _in_order(packed)
    asked = centroids.quantiles(means, weights, ranks)
    fits = len(means) <= limit
    if fits and (not distinct or (weights is None and (means[1:] != means[:-1]).all())):
        return Shown(asked, means, weights)
    return Shown(asked, *_cut(centroids.counted(means, weights), limit))


def quantiles(packed: bytes, ranks: Sequence[float]) -> list[float]:
    """Return the values (ms) at the ranks (0 to 1) of a digest that is not empty."""
    return centroids.quantiles(*_in_order(packed), ranks)


def quantiles_of_all(packed: Sequence[bytes], ranks: Sequence[float]) -> list[float]:
    """Return the values (ms) at the ranks (0 to 1) of all that is in several digests together.

    Nothing is joined, so that they are as near to the exact ones as the digests allow.
    """
    return centroids.quantiles(*_in_order(_side_by_side(packed)), ranks)


def count_from(packed: bytes, bound_ms: float) -> int:
    """Return how many durations of a digest are a bound or longer."""
    means, weights = unpack(packed)
    # Durations are float32, and an operation of exactly the bound is not below it.
    is_slow = means >= np.float32(bound_ms)
    return round(float(is_slow.sum() if weights is None else weights[is_slow].sum()))


def _in_order(packed: bytes) -> tuple[Floats, Floats | None]:
    """Return the means (ms), ascending, and their weights, None where all are one."""
    means, weights = unpack(packed)
    if weights is not None:
        return _ordered(means, weights)
    if len(means) > 1:
        means = means.copy()
        means.sort()  # twice as fast as np.sort where there are few
    return means, None


def _ordered(means: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the centroids by mean; what was compressed is so already."""
    if (means[1:] >= means[:-1]).all():
        return means, weights
    order = np.argsort(means, kind="stable")
    return means[order], weights[order]


def _side_by_side(packed: Sequence[bytes]) -> bytes:
    """Return one digest of the centroids of several, as they are."""
    widest = max([digest[0] for digest in packed])
    if widest == _UNIT:
        return EMPTY + b"".join([digest[1:] for digest in packed])
    if widest > 1:
        parts = [unpack(digest) for digest in packed]
        means = np.concatenate([means for means, _ in parts])
        return pack(means, np.concatenate([np.ones(len(m)) if w is None else w for m, w in parts]))
    # Without numpy, which takes as long for each of many small digests as for a large one.
    means_of, weights_of = [], []
    for digest in packed:
        size = centroid_count(digest)
        edge = 1 + size * _MEAN.itemsize
        means_of.append(digest[1:edge])
        weights_of.append(digest[edge:] if digest[0] else _UNIT_WEIGHT * size)
    return b"".join([b"\1", *means_of, *weights_of])
