"""Say at a glance whether promises are met: tiles, claim beside truth, platforms, alerts."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.audit.status import AlertStatus
from streams.dashboard.changes import ClaimCheck, check_claim
from streams.dashboard.platforms import PlatformRow, platform_rows
from streams.dashboard.points import OperationsSum
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.sums import SpanSums
from streams.dashboard.tiles import Promises, Tile, tiles_of
from streams.measure.series import ALL
from streams.rules.aggregate_reader import SeriesFields

#: The most platforms that the overview lists; a link leads to all.
MOST_PLATFORMS = 12


class Overview(NamedTuple):
    """All that the page shows."""

    span: TrailingSpan
    since_ms: int
    """When the figures begin: later than the span where there is no older window."""
    operation: str
    operations: tuple[str, ...]
    """The names to choose from."""
    total: OperationsSum
    tiles: tuple[Tile, ...]
    claim: ClaimCheck | None
    platforms: tuple[PlatformRow, ...]
    platforms_in_all: int
    alerts: tuple[AlertStatus, ...]
    """Those that are not resolved."""


def overview(
    sums: SpanSums,
    alerts: Sequence[AlertStatus],
    promises: Promises,
    span: TrailingSpan,
    operation: str,
) -> Overview:
    """Return the overview of a trailing span.

    Args:
        sums: of all series.
        alerts: how each stands.
        promises: targets, claim and objective.
        span: the span.
        operation: whose operations; `*` for all.
    """
    total = sums.operations(operation, span)
    rows, in_all = platform_rows(sums, promises.targets, span, operation, MOST_PLATFORMS)
    book = sums.books.operations.get(operation)
    first_ms = None if book is None else book.first_in(span)
    return Overview(
        span=span,
        since_ms=max(span.start_ms, span.start_ms if first_ms is None else first_ms),
        operation=operation,
        operations=operation_names(sums),
        total=total,
        tiles=tiles_of(sums, promises, span, operation),
        claim=None if promises.claim is None else check_claim(promises.claim, total),
        platforms=tuple(rows),
        platforms_in_all=in_all,
        alerts=tuple(alert for alert in alerts if alert.state != "resolved"),
    )


def operation_names(sums: SpanSums) -> tuple[str, ...]:
    """Return the names of operations that there are series of."""
    names = {
        book.series.operation
        for book in list(sums.books.operations.values())
        if isinstance(book.series, SeriesFields)
    }
    return ALL, *sorted(names - {ALL})
