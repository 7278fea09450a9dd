"""Keep a distribution in few centroids that can be read without interpolation.

A centroid of weight c stands for c equal values. While there are at most `limit` distinct values
each is a centroid of its own, and every percentile is exact:

    1  1  1  2  3  3  503          ->  1 (x3)  2 (x1)  3 (x2)  503 (x1)

Beyond the limit neighbours become one where a reader cannot miss them: first those within 0.5 %
in value, then, if there are still too many, those within about 0.1 point in rank.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from streams.measure.runs import Places, sizes_of, starts_of, starts_where

Floats = npt.NDArray[np.floating[Any]]

#: Centroids kept of one block's share of a minute, of a stored window, of a published one.
PARTIAL_LIMIT = 1_200
STORED_LIMIT = 1_200
PUBLISHED_LIMIT = 500

#: Values in one cell differ by at most this much.
_VALUE_CELL = math.log(1.005)
#: A value with more than this many times the average share of a centroid is never joined to others
#: within 0.5 %: many equal values stay exact, also where others are close.
_HEAVY = 4
#: Percentiles are promised from p50 to p99: four fifths of the centroids lie there, evenly
#: (with a margin), and a fifth by t-digest's k1 scale, fine at both tails.
_PROMISED = (0.485, 0.995)
_EVENLY = 0.8


class Centroids(NamedTuple):
    """Centroids by ascending mean, no two with the same."""

    means: Floats
    """float32, in milliseconds."""
    weights: Floats


def counted(values: Floats, weights: Floats | None = None) -> Centroids:
    """Return values that ascend as centroids: of equal ones one, with the sum of their weights."""
    starts = starts_of(values)
    if weights is None:
        return Centroids(values[starts], sizes_of(starts, len(values)).astype(np.float64))
    return Centroids(values[starts], np.add.reduceat(weights, starts, dtype=np.float64))


def close_joined(centroids: Centroids, limit: int) -> Centroids:
    """Return centroids with those within 0.5 % in value joined, if there are more than the limit.

    The cells are the same for every digest, so joining again and again does not add errors up.
    """
    means = centroids.means
    if len(means) <= limit:
        return centroids
    cells = np.floor(np.log(np.maximum(means, np.float32(1e-30))) / np.float32(_VALUE_CELL))
    heavy = is_heavy(centroids, limit)
    return _joined(centroids, starts_where((cells[1:] != cells[:-1]) | heavy[1:] | heavy[:-1]))


def is_heavy(centroids: Centroids, limit: int) -> npt.NDArray[np.bool_]:
    """Return which centroids stand for this many values that they stay as they are."""
    weights = centroids.weights
    heavy: npt.NDArray[np.bool_] = weights * limit >= _HEAVY * weights.sum()
    return heavy


def ranks_joined(centroids: Centroids, limit: int) -> Centroids:
    """Return centroids with neighbours in rank joined, if there are more than the limit.

    One whose share is twice as large as a cell, or more, always stays alone.
    """
    if len(centroids.means) <= limit:
        return centroids
    cells = np.searchsorted(_rank_cells(limit), middles(centroids), side="right")
    return _joined(centroids, starts_of(cells))


def middles(centroids: Centroids) -> Floats:
    """Return the rank (0 to 1) of each centroid's middle."""
    ends = np.cumsum(centroids.weights)
    middles: Floats = (ends - centroids.weights / 2) / ends[-1]
    return middles


def upper_half(centroids: Centroids) -> npt.NDArray[np.bool_]:
    """Return which centroids lie where percentiles are promised, or above."""
    return middles(centroids) >= _PROMISED[0]


@lru_cache(maxsize=8)
def _rank_cells(limit: int) -> Floats:
    """Return the ranks at which `limit` cells begin."""
    share = np.linspace(0, 1, 20 * limit)
    ranks = (np.sin(math.pi * (share - 0.5)) + 1) / 2
    low, high = _PROMISED
    evenly = ((ranks - low) / (high - low)).clip(0, 1)
    return np.interp(np.arange(limit) / limit, (1 - _EVENLY) * share + _EVENLY * evenly, ranks)


def _joined(centroids: Centroids, starts: Places) -> Centroids:
    means, weights = centroids
    sums = np.add.reduceat(weights, starts)
    joined = (np.add.reduceat(means * weights, starts) / sums).astype(np.float32)
    alone = np.flatnonzero(sizes_of(starts, len(means)) == 1)
    joined[alone] = means[starts[alone]]  # a mean that stays must stay the same to the last bit
    return Centroids(joined, sums)


def quantiles(means: Floats, weights: Floats | None, ranks: Sequence[float]) -> list[float]:
    """Return the values at the ranks (0 to 1): numpy's default, "linear", of what they stand for.

    Args:
        means: float32, ascending.
        weights: how many values each stands for; None: one each.
        ranks: from 0 to 1.
    """
    ends = None if weights is None else np.cumsum(weights, dtype=np.float64)
    last = len(means) - 1 if ends is None else float(ends[-1]) - 1
    places = [rank * last for rank in ranks]
    wanted = [min(int(place) + step, last) for place in places for step in (0, 1)]
    at: Any = wanted if ends is None else np.searchsorted(ends, wanted, side="right")
    values = decimals(means[at])
    return [
        low + (high - low) * (place - int(place))
        for place, low, high in zip(places, values[0::2], values[1::2], strict=True)
    ]


def decimals(means: Floats) -> list[float]:
    """Return the numbers with the fewest digits that float32 can mean: 0.1, not 0.10000000149."""
    found: list[float] = orjson.loads(orjson.dumps(means, option=orjson.OPT_SERIALIZE_NUMPY))
    return found
