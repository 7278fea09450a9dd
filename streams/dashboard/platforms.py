"""List the platforms of an operation, the worst first."""

import heapq
from typing import NamedTuple

from streams.dashboard.changes import Movement, ratio_change
from streams.dashboard.drawing import LinePaths
from streams.dashboard.lines import SUCCESS, small_line
from streams.dashboard.points import OperationsSum
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.sums import SpanSums
from streams.dashboard.targets import ENOUGH, Figure, State, Target
from streams.rules.aggregate_reader import SeriesFields


class PlatformRow(NamedTuple):
    """What a platform came to."""

    platform: str
    series: str
    sum: OperationsSum
    states: dict[Figure, State]
    """How figures stand that have a target."""
    change: Movement
    """Of the success rate."""
    share_of_failures: float | None
    line: LinePaths | None
    """Of the success rate."""


class _Badness(NamedTuple):
    """What platforms are sorted by: the worst success rate first, too few samples last."""

    has_few: bool
    success_rate: float
    minus_count: int
    name: str


def platform_rows(
    sums: SpanSums, targets: dict[Figure, Target], span: TrailingSpan, operation: str, most: int
) -> tuple[list[PlatformRow], int]:
    """Return the worst platforms, `most` of them, and how many there are.

    Of thousands only the worst are added up whole: it is done again with each change.
    """
    found = []
    for book in list(sums.books.operations.values()):
        series = book.series
        assert isinstance(series, SeriesFields)
        if series.operation == operation and series.platform is not None:
            count, failures = sums.tally(book.name, span)
            if count:
                found.append(_Badness(count < ENOUGH, 1 - failures / count, -count, book.name))
    worst = heapq.nsmallest(most, found)
    failures = sums.operations(operation, span).failures
    return [_row(sums, targets, span, it.name, failures) for it in worst], len(found)


def _row(
    sums: SpanSums, targets: dict[Figure, Target], span: TrailingSpan, name: str, failures: int
) -> PlatformRow:
    book = sums.books.operations[name]
    assert isinstance(book.series, SeriesFields)
    found, before = sums.operations(name, span), sums.operations(name, span.before)
    return PlatformRow(
        book.series.platform or "",
        name,
        found,
        operation_states(found, targets),
        ratio_change(found.success_rate, before.success_rate),
        min(found.failures / failures, 1.0) if failures else None,
        small_line(book, span, SUCCESS),
    )


def operation_states(found: OperationsSum, targets: dict[Figure, Target]) -> dict[Figure, State]:
    """Return how each figure stands that has a target."""
    values = operation_values(found)
    return {
        figure: targets[figure].state(value, samples)
        for figure, (value, samples) in values.items()
        if figure in targets
    }


def operation_values(found: OperationsSum) -> dict[Figure, tuple[float | None, int]]:
    """Return each figure in the unit of its target, and its samples."""
    rate, hit_rate, percentiles = found.success_rate, found.hit_rate, found.percentiles
    return {
        "success_rate": (None if rate is None else 100 * rate, found.count),
        "p95": (None if percentiles is None else percentiles.p95_ms, found.count),
        "p99": (None if percentiles is None else percentiles.p99_ms, found.count),
        "cache_hit_rate": (None if hit_rate is None else 100 * hit_rate, found.lookups),
    }
