"""Keep a distribution in few bytes, so that any percentile of any merge can still be asked.

A packed digest is bytes: up to its limit every sample (unit weights), beyond it t-digest
centroids. Two engines merge the latter: `fastdigest` (Rust, the default) and `tdigest` (the
reference, pure Python). Both pass tests/unit/streams/test_digests.py.

Layout: one byte for the weights' type, then float32 means, then the weights (absent when all
are one). Little-endian.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import fastdigest
import numpy as np
import numpy.typing as npt
import tdigest

Floats = npt.NDArray[np.floating[Any]]

#: Centroids kept of one block's share of a minute, of a stored window, of a published one.
PARTIAL_LIMIT = 300
STORED_LIMIT = 1_000
PROVISIONAL_LIMIT = 200
FINAL_LIMIT = 500

_UNIT = 0
_WEIGHTS: dict[int, np.dtype[Any]] = {1: np.dtype("<u2"), 2: np.dtype("<u4"), 3: np.dtype("<f8")}
_MEAN = np.dtype("<f4")
EMPTY = bytes([_UNIT])


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


def centroid_count(packed: bytes) -> int:
    """Return how many centroids a packed digest has."""
    width = _MEAN.itemsize + (_WEIGHTS[packed[0]].itemsize if packed[0] else 0)
    return (len(packed) - 1) // width


def pack_samples(samples: Floats, limit: int) -> bytes:
    """Return samples (ms) as a digest of at most about `limit` centroids.

    Up to the limit every sample is kept; beyond it they are cut in one pass by t-digest's k1
    scale, which needs no engine.
    """
    if len(samples) <= limit:
        return b"\0" + samples.astype(_MEAN).tobytes()
    return pack(*_cut(np.sort(samples), limit))


def _cut(ordered: Floats, limit: int) -> tuple[Floats, Floats]:
    starts = _k1_starts(len(ordered), limit)
    weights = np.diff(starts, append=len(ordered))
    return np.add.reduceat(ordered, starts) / weights, weights


def _k1_starts(count: int, limit: int) -> npt.NDArray[np.intp]:
    """Return where each of `limit` buckets begins: small at the tails, large in the middle."""
    starts = (_k1_ranks(limit) * count + 0.5).astype(np.intp).clip(0, count - 1)
    distinct = np.empty(limit, np.bool_)
    distinct[0] = True
    np.not_equal(starts[1:], starts[:-1], out=distinct[1:])
    return starts[distinct]


@lru_cache(maxsize=8)
def _k1_ranks(limit: int) -> npt.NDArray[np.float64]:
    return (np.sin(math.pi * (np.arange(limit) / limit - 0.5)) + 1) / 2


class Engine(Protocol):
    """Merges weighted centroids and asks them for quantiles."""

    def compress(self, means: Floats, weights: Floats, limit: int) -> tuple[Floats, Floats]:
        """Return at most `limit` centroids that stand for the ones given."""

    def quantiles(self, means: Floats, weights: Floats, ranks: Sequence[float]) -> list[float]:
        """Return the values at the ranks (0 to 1)."""


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
        told = fastdigest.TDigest.from_values(values, counts, max_centroids=limit).to_bytes()
        assert told.startswith(_FAST_FORM), "fastdigest packs its digests in another form"
        centroids = np.frombuffer(told, "<f8", offset=_FAST_HEADER).reshape(-1, 2)
        return centroids[:, 0], centroids[:, 1]

    def quantiles(self, means: Floats, weights: Floats, ranks: Sequence[float]) -> list[float]:
        """See Engine. Between the middles of centroids; making a TDigest costs five times more."""
        means, weights = _ordered(means, weights)
        ends = np.cumsum(weights)
        wanted = np.array(ranks) * (ends[-1] - 1) + 0.5  # of single samples: as numpy's default
        asked: list[float] = np.interp(wanted, ends - weights / 2, means).tolist()
        return asked


class ReferenceEngine:
    """The `tdigest` package: pure Python, what consumers are likely to use."""

    def compress(self, means: Floats, weights: Floats, limit: int) -> tuple[Floats, Floats]:
        """See Engine."""
        delta = 1 / limit
        digest = self._digest(means, weights, delta)
        while len(digest.C) > limit:
            delta *= 1.5
            digest = self._digest(means, weights, delta)
        centroids = np.array([(c.mean, c.count) for c in digest.C.values()])
        return centroids[:, 0], centroids[:, 1]

    def quantiles(self, means: Floats, weights: Floats, ranks: Sequence[float]) -> list[float]:
        """See Engine."""
        digest = self._digest(means, weights, 1 / len(means))
        return [float(digest.percentile(100 * rank)) for rank in ranks]

    def _digest(self, means: Floats, weights: Floats, delta: float) -> Any:
        digest = tdigest.TDigest(delta=delta)
        for mean, weight in zip(means.tolist(), weights.tolist(), strict=True):
            digest.update(mean, weight)
        return digest


ENGINES: dict[str, Engine] = {"fastdigest": FastEngine(), "tdigest": ReferenceEngine()}


def merge(packed: Sequence[bytes], engine: Engine, limit: int, room: int = 1) -> bytes:
    """Return one digest for all that is in the ones given.

    Args:
        packed: disjoint digests, at least one.
        engine: compresses.
        limit: at most so many centroids, …
        room: … once there would be more than so many times the limit: compressing at each of
            many small merges costs the most.
    """
    if sum(map(centroid_count, packed)) <= room * limit:
        if len(packed) == 1:
            return packed[0]
        if not any(one[0] for one in packed):
            return EMPTY + b"".join(one[1:] for one in packed)
        return pack(*_concatenated(packed))
    return pack(*engine.compress(*_concatenated(packed), limit))


def thinned(packed: bytes, limit: int) -> bytes:
    """Return a digest of at most `limit` centroids, cut by the k1 scale: for show, not to keep."""
    means, weights = in_order(packed)
    return packed if len(means) <= limit else pack(*_thinned(means, weights, limit))


def shown(
    packed: bytes, engine: Engine, ranks: Sequence[float], limit: int
) -> tuple[list[float], Floats, Floats | None]:
    """Return the quantiles of a digest, and it thinned: ascending means, and weights or None."""
    means, weights = in_order(packed)
    asked = _quantiles(means, weights, engine, ranks)
    return (asked, *(_thinned(means, weights, limit) if len(means) > limit else (means, weights)))


def _thinned(means: Floats, weights: Floats | None, limit: int) -> tuple[Floats, Floats]:
    if weights is None:
        return _cut(means, limit)
    heavy = weights.astype(np.float64)
    ends = np.cumsum(heavy)
    ranks = (ends - heavy / 2) / ends[-1]
    buckets = np.searchsorted(_k1_ranks(limit), ranks, side="right")
    starts = np.flatnonzero(np.diff(buckets, prepend=-1))
    sums = np.add.reduceat(heavy, starts)
    return np.add.reduceat(means * heavy, starts) / sums, sums


def in_order(packed: bytes) -> tuple[Floats, Floats | None]:
    """Return the means (ms), ascending, and their weights, None where all are one."""
    means, weights = unpack(packed)
    if weights is not None:
        return _ordered(means, weights)
    if len(means) > 1:
        means = means.copy()
        means.sort()  # twice as fast as np.sort where there are few
    return means, None


def _ordered(means: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the centroids by mean; what an engine compressed is so already."""
    if (means[1:] >= means[:-1]).all():
        return means, weights
    order = np.argsort(means, kind="stable")
    return means[order], weights[order]


def _concatenated(packed: Sequence[bytes]) -> tuple[Floats, Floats]:
    parts = [unpack(one) for one in packed]
    means = np.concatenate([means for means, _ in parts]).astype(np.float64)
    weights = [np.ones(len(m)) if w is None else w.astype(np.float64) for m, w in parts]
    return means, np.concatenate(weights)


def quantiles(packed: bytes, engine: Engine, ranks: Sequence[float]) -> list[float]:
    """Return the values (ms) at the ranks (0 to 1) of a digest that is not empty.

    While it still holds every sample, linear interpolation between them: numpy's default, and
    the same for both engines.
    """
    return _quantiles(*in_order(packed), engine, ranks)


def _quantiles(
    means: Floats, weights: Floats | None, engine: Engine, ranks: Sequence[float]
) -> list[float]:
    if weights is not None:
        return engine.quantiles(means.astype(np.float64), weights.astype(np.float64), ranks)
    sample, last = means.item, len(means) - 1
    return [_interpolated(sample, last, rank) for rank in ranks]


def _interpolated(sample: Callable[[int], float], last: int, rank: float) -> float:
    place = rank * last
    below = int(place)
    if below == last:
        return sample(last)
    low = sample(below)
    return low + (sample(below + 1) - low) * (place - below)
