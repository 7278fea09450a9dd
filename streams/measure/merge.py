"""Merge sums, digests and exemplars of disjoint sets of operations."""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter

from schemas.fields import MAX_SUM, Sums
from schemas.partials import MOST_CONFIGURATIONS, ExemplarRow, PartialRow, Stats
from streams.measure.digests import Engine, are_packed, merge
from streams.measure.tallies import are_tallies, merge_tallies

#: How many operations worth looking at a window names.
EXEMPLARS = 3
#: A block's share of a minute holds fewer by far.
_MOST = 1 << 40


def are_sums(rows: Sequence[PartialRow]) -> bool:
    """Return whether rows of a partial can be summed up: anybody may send one."""
    return are_packed(row.stats.digest for row in rows) and all(
        max(1, stats.sums.successes) <= stats.sums.count <= _MOST
        and len(stats.exemplars) <= EXEMPLARS
        and are_tallies(stats.tallies, stats.sums.failures)
        for _, _, _, stats in rows
    )


def best_exemplars(exemplars: Iterable[ExemplarRow]) -> tuple[ExemplarRow, ...]:
    """Return the three most worth looking at: failed ones first, then the slowest."""
    return tuple(sorted(exemplars, key=_worth, reverse=True)[:EXEMPLARS])


#: Whether it failed, its duration, and its id.
_worth = itemgetter(0, 1, 2)


def merge_stats(
    parts: Sequence[Stats], engine: Engine, digest_limit: int, digest_room: float = 1
) -> Stats:
    """Return the sum of at least one part; the order does not matter."""
    if len(parts) == 1:
        return parts[0]
    sums, squares, lows, highs, digests, exemplars, tallies, seen = zip(*parts, strict=True)
    return Stats(
        _added(sums),
        sum(squares),
        min(lows),
        max(highs),
        merge(digests, engine, digest_limit, digest_room),
        best_exemplars(chain.from_iterable(exemplars)),
        merge_tallies(tallies),
        merge_configurations(seen),
    )


def merge_configurations(parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the configurations of several sets of scores: the first few, in order."""
    if not any(parts):
        return ()
    seen = set().union(*parts)
    return tuple(sorted(seen)[:MOST_CONFIGURATIONS])


def _added(parts: Sequence[Sums]) -> Sums:
    added = Sums._make(map(sum, zip(*parts, strict=True)))
    return added if max(added) <= MAX_SUM else Sums._make(min(it, MAX_SUM) for it in added)
