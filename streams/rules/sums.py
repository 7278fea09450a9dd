"""Add up windows: whole numbers, so that no order of addition shows."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.measure.stats import MAX_SUM
from streams.rules.records import AggregateRecord, OperationsRecord

_PPM = 1_000_000


class Sums(NamedTuple):
    """What windows of one series hold together."""

    count: int = 0  # type: ignore[assignment]  # hides tuple.count
    failures: int = 0
    duration_us: int = 0
    lookups: int = 0
    hits: int = 0
    evictions: int = 0
    ttl_weight: int = 0
    """Lookups of the windows that have a time to live: aggregates do not say how many had one."""
    ttl_ms: int = 0
    confidence_count: int = 0
    confidence_ppm: int = 0
    up_ms: int = 0
    """A service's time up or degraded."""
    known_ms: int = 0
    """A service's time that a heartbeat speaks for."""


NOTHING = Sums()


def sums_of(told: AggregateRecord) -> Sums:
    """Return an aggregate's sums."""
    if not isinstance(told, OperationsRecord):
        up_ms = told.up_ms + told.degraded_ms
        return NOTHING._replace(up_ms=up_ms, known_ms=up_ms + told.down_ms)
    cache = told.cache
    ttl_s, sure = cache.average_ttl_s, told.confidence_count
    return Sums(
        told.count,
        told.failures,
        _whole(told.duration_ms.sum * 1000),
        cache.lookups,
        cache.hits,
        cache.evictions,
        cache.lookups if ttl_s is not None else 0,
        _whole(ttl_s * 1000 * cache.lookups) if ttl_s is not None else 0,
        sure,
        _whole(told.mean_confidence * sure * _PPM) if told.mean_confidence is not None else 0,
    )


def _whole(value: float) -> int:
    return min(round(value), MAX_SUM)


def total(parts: Sequence[Sequence[int]]) -> Sums:
    """Return the sum of sums."""
    if not parts:
        return NOTHING
    if len(parts) == 1:
        return Sums._make(parts[0])
    return Sums._make(map(sum, zip(*parts, strict=True)))
