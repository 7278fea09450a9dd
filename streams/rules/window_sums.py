"""Add up windows: whole numbers, so that no order of addition shows."""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from schemas.fields import MAX_SUM, SUMMED, Sums
from streams.rules.aggregate_reader import AggregateRecord, OperationsRecord, QualityRecord

#: What a score of 0 loses, in the unit of Sums.duration_us.
LOST_A_RESULT = 1_000_000


class ServiceTimes(NamedTuple):
    """What windows of one service hold together."""

    up_ms: int = 0
    """Time up or degraded."""
    observed_ms: int = 0
    """Time that a heartbeat speaks for."""


#: Of each sum: where an aggregate has it, times how much, and the sum it is the mean over.
_READ = [
    (
        attrgetter(summed.published),
        summed.times,
        attrgetter(SUMMED[summed.mean_of].published) if summed.mean_of else None,
    )
    for summed in SUMMED.values()
]


def sums_of(record: AggregateRecord) -> Sums | ServiceTimes:
    """Return an aggregate's sums."""
    if isinstance(record, QualityRecord):
        return _of_scores(record)
    if not isinstance(record, OperationsRecord):
        up_ms = record.up_ms + record.degraded_ms
        return ServiceTimes(up_ms, up_ms + record.down_ms)
    numbers = []
    for get, times, get_weight in _READ:
        value = get(record)
        if times != 1:
            weight = 1 if get_weight is None else get_weight(record)
            value = 0 if value is None else min(round(value * times * weight), MAX_SUM)
        numbers.append(value)
    return Sums._make(numbers)


def _of_scores(record: QualityRecord) -> Sums:
    """Return the sums of scores, in the fields that streams/quality/score_events.py says."""
    count = record.count
    acceptable = min(record.acceptable, count)
    return Sums(
        count=count,
        successes=min(record.good, count),
        duration_us=min(round((1 - record.mean) * LOST_A_RESULT * count), MAX_SUM),
        hits=acceptable,
        misses=count - acceptable,
    )


def nothing_of(kind: str) -> Sums | ServiceTimes:
    """Return the sums of no window, of a kind of series."""
    return ServiceTimes() if kind == "service" else Sums()


def total(parts: Sequence[Sequence[int]], kind: str) -> Sums | ServiceTimes:
    """Return the sum of sums of a kind of series."""
    if not parts:
        return nothing_of(kind)
    sums = ServiceTimes if kind == "service" else Sums
    return sums._make(parts[0] if len(parts) == 1 else map(sum, zip(*parts, strict=True)))
