"""Return how far behind the event time of source partitions is, by the workers' progress."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streams.measure.partials import read_progress

#: Ranges of partitions that are written; more are counted.
_RANGES = 6


class SourceDelay(NamedTuple):
    """How far behind some source partitions are: those that one worker reads."""

    partitions: str
    """Such as 0–3, 8."""
    delay_ms: float


def source_delays(records: Iterable[tuple[bytes, int]]) -> tuple[SourceDelay, ...]:
    """Return the delays of source partitions, the largest first.

    Args:
        records: value and timestamp of the newest records on `partials`, in their order.
    """
    newest: dict[int, float] = {}
    for value, timestamp_ms in records:
        found = read_progress(value)
        if found is not None and found.sources:
            # A source that moved between workers is in the records of both: the later one counts.
            newest = {
                left: delay for before, delay in newest.items() if (left := before & ~found.sources)
            }
            newest[found.sources] = max(0.0, timestamp_ms - found.at_ms)
    rows = [SourceDelay(_ranges(sources), delay) for sources, delay in newest.items()]
    return tuple(sorted(rows, key=lambda row: -row.delay_ms))


def _ranges(sources: int) -> str:
    found = list(_runs(sources))
    written = [f"{first}" if first == last else f"{first}–{last}" for first, last in found]
    if len(written) > _RANGES:
        written[_RANGES:] = [f"{len(written) - _RANGES} more"]
    return ", ".join(written)


def _runs(sources: int) -> Iterator[tuple[int, int]]:
    """Yield first and last of the bits that are set side by side."""
    begin: int | None = None
    for at in range(sources.bit_length() + 1):
        is_set = bool(sources >> at & 1)
        if is_set and begin is None:
            begin = at
        elif not is_set and begin is not None:
            yield begin, at - 1
            begin = None
