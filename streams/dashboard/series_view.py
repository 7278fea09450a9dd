"""Show a series over a span: charts, what happened meanwhile, and the windows as a table."""

from typing import NamedTuple

from streams.audit.log import Log
from streams.dashboard.changes import Movement, duration_change, ratio_change
from streams.dashboard.charts import DrawnChart, Mark, frame_of
from streams.dashboard.marks import marks_of
from streams.dashboard.points import OperationsSum
from streams.dashboard.series_charts import series_charts
from streams.dashboard.series_rows import WindowRow, window_rows
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.sums import SpanSums
from streams.dashboard.targets import Figure, Target
from streams.measure.series import published_name, series_name
from streams.rules.aggregate_reader import SeriesFields


class SeriesView(NamedTuple):
    """All that the page shows."""

    name: str
    operation: str
    platform: str | None
    confidence: str | None
    span: TrailingSpan
    first_ms: int | None
    """When the first window in it begins that is known."""
    total: OperationsSum
    before: OperationsSum
    success_change: Movement
    p95_change: Movement
    charts: tuple[DrawnChart, ...]
    marks: tuple[Mark, ...]
    rows: tuple[WindowRow, ...]
    """The newest first."""


def series_of(labels: tuple[str, str | None, str | None]) -> str:
    """Return the name of a series by its operation, platform and confidence level."""
    operation, platform, confidence = labels
    return published_name(operation, platform, "confidence", confidence)


def scores_of(labels: tuple[str, str | None, str | None]) -> str | None:
    """Return the name of the scores that belong to a series; a level of confidence has none."""
    operation, platform, confidence = labels
    if confidence is not None:
        return None
    return f"overall:{series_name(operation, 'platform', platform)}"


def series_view(
    sums: SpanSums,
    log: Log,
    targets: dict[Figure, Target],
    labels: tuple[str, str | None, str | None],
    span: TrailingSpan,
    now_ms: int,
    *,
    compares: bool,
) -> SeriesView:
    """Return what a series was over a span.

    Args:
        sums: of all series.
        log: what was breached, asked and decided.
        targets: of figures.
        labels: operation, platform and confidence level of the series.
        span: the span.
        now_ms: the clock.
        compares: whether lines show the span before, too.
    """
    name = series_of(labels)
    book = sums.books.operations.get(name)
    quality = sums.books.quality.get(scores_of(labels) or "")
    if span.is_fixed and book is not None:
        span = span._replace(size=book.size_for(span))
    total, before = sums.operations(name, span), sums.operations(name, span.before)
    marks = tuple(marks_of(log, name, span, quality))
    first_ms = None if book is None else book.first_in(span)
    frame = frame_of(span, first_ms, now_ms, marks)
    return SeriesView(
        name=name,
        operation=labels[0],
        platform=labels[1],
        confidence=labels[2],
        span=span,
        first_ms=first_ms,
        total=total,
        before=before,
        success_change=ratio_change(total.success_rate, before.success_rate),
        p95_change=duration_change(
            total.percentiles and total.percentiles.p95_ms,
            before.percentiles and before.percentiles.p95_ms,
        ),
        charts=()
        if book is None
        else tuple(series_charts(frame, book, quality, targets, total, compares=compares)),
        marks=marks,
        rows=() if book is None else tuple(window_rows(frame, book, quality)),
    )


def platform_names(sums: SpanSums, operation: str) -> list[str]:
    """Return the platforms that an operation has series of."""
    names = {
        book.series.platform
        for book in list(sums.books.operations.values())
        if isinstance(book.series, SeriesFields) and book.series.operation == operation
    }
    return sorted(name for name in names if name is not None)
