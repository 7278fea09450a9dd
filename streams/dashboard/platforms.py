"""List the platforms of an operation, the worst first."""

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
    line: LinePaths | None = None
    """Of the success rate."""


def platform_rows(
    sums: SpanSums, targets: dict[Figure, Target], span: TrailingSpan, operation: str
) -> list[PlatformRow]:
    """Return the platforms: the worst first, those with too few samples last; without lines."""
    failures = sums.operations(operation, span).failures
    rows = []
    for book in list(sums.books.operations.values()):
        series = book.series
        assert isinstance(series, SeriesFields)
        if series.operation != operation or series.platform is None:
            continue
        found = sums.operations(book.name, span)
        if not found.count:
            continue
        before = sums.operations(book.name, span.before)
        share = found.failures / failures if failures else None
        rows.append(
            PlatformRow(
                series.platform,
                book.name,
                found,
                operation_states(found, targets),
                ratio_change(found.success_rate, before.success_rate),
                None if share is None else min(share, 1.0),
            )
        )
    return sorted(rows, key=_badness)


def with_line(row: PlatformRow, sums: SpanSums, span: TrailingSpan) -> PlatformRow:
    """Return the row with its line."""
    return row._replace(line=small_line(sums.books.operations.get(row.series), span, SUCCESS))


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


def _badness(row: PlatformRow) -> tuple[bool, float, int]:
    rate = row.sum.success_rate
    return row.sum.count < ENOUGH, 1.0 if rate is None else rate, -row.sum.count
