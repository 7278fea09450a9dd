"""Say how objectives are met: compliance, the error budget that is left, and how it went down."""

from collections.abc import Iterable
from typing import NamedTuple

from streams.dashboard.book import SeriesBook
from streams.dashboard.charts import DrawnChart, Frame, PlottedLine, chart, frame_of
from streams.dashboard.drawing import Sample
from streams.dashboard.figures import whole_percent
from streams.dashboard.points import OperationsPoint, OperationsSum
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.sums import SpanSums
from streams.dashboard.targets import State
from streams.measure.series import ALL
from streams.measure.window_times import SIZE_MS
from streams.rules.aggregate_reader import SeriesFields
from streams.rules.error_budget import ErrorBudget, Objectives

#: The most that a page shows, each with a chart.
MOST_OBJECTIVES = 24
#: Of a budget less than this share, in per cent, is little.
_LITTLE_LEFT = 25.0


class ObjectiveRow(NamedTuple):
    """An objective of a series over a span."""

    rule: str
    """Its name; of the target of the dashboard none."""
    series: str
    objective: float
    """In per cent."""
    total: OperationsSum
    budget: ErrorBudget | None
    """None without operations."""
    state: State
    word: str
    burn_down: DrawnChart | None = None


def objective_rows(
    sums: SpanSums, objectives: Objectives, aim: float | None, span: TrailingSpan
) -> list[ObjectiveRow]:
    """Return the objectives of all series: those with the least budget left first; no charts.

    Args:
        sums: of all series.
        objectives: of the rule file.
        aim: the success rate aimed at, which stands for all operations where no rule does.
        span: the span.
    """
    found = [
        _row(sums, book, rule.name, rule.objective, span)
        for book in list(sums.books.operations.values())
        for rule in objectives.of("operations", _labels(book))
        if rule.below is None
    ]
    total = sums.books.operations.get(ALL)
    if total is not None and aim is not None and aim < 100 and not found:  # noqa: PLR2004, RUF100 - per cent
        found.append(_row(sums, total, "", aim, span))
    return sorted(found, key=_urgency)


def with_burn_down(
    row: ObjectiveRow, sums: SpanSums, span: TrailingSpan, now_ms: int
) -> ObjectiveRow:
    """Return the row with a chart of how its budget went down."""
    book = sums.books.operations.get(row.series)
    if book is None or row.budget is None:
        return row
    frame = frame_of(span, book.first_in(span), now_ms)
    return row._replace(burn_down=_burn_down(frame, book, row.budget, row.rule, span))


def _urgency(row: ObjectiveRow) -> float:
    return 1e9 if row.budget is None else row.budget.left


def _labels(book: SeriesBook[OperationsPoint]) -> dict[str, str]:
    series = book.series
    assert isinstance(series, SeriesFields)
    labels = {} if series.operation == ALL else {"operation": series.operation}
    if series.platform is not None:
        labels["platform"] = series.platform
    if series.confidence is not None:
        labels["confidence"] = series.confidence
    return labels


def _row(
    sums: SpanSums,
    book: SeriesBook[OperationsPoint],
    rule: str,
    objective: float,
    span: TrailingSpan,
) -> ObjectiveRow:
    total = sums.operations(book.name, span)
    budget = budget_of(objective, total)
    state, word = judged(budget)
    return ObjectiveRow(rule, book.name, objective, total, budget, state, word)


def budget_of(objective: float, total: OperationsSum) -> ErrorBudget | None:
    """Return the error budget of an objective in per cent; None without operations."""
    return ErrorBudget(objective, total.count, total.failures) if total.count else None


def judged(budget: ErrorBudget | None) -> tuple[State, str]:
    """Return how a budget stands, and that in words."""
    if budget is None:
        return "none", "no data"
    if budget.left < 0:
        return "bad", "overspent"
    return ("near", "little left") if budget.left < _LITTLE_LEFT else ("good", "enough left")


def _burn_down(
    frame: Frame,
    book: SeriesBook[OperationsPoint],
    budget: ErrorBudget,
    rule: str,
    span: TrailingSpan,
) -> DrawnChart:
    """Return how the budget of the whole span went down with each failure."""
    size = span.point_size
    left = burned(book.points(size, span.start_ms, span.end_ms), SIZE_MS[size], budget.allowed)
    return chart(
        frame,
        f"budget-{book.name}-{rule}",
        "Error budget left",
        [PlottedLine("left", left, "line-1")],
        whole_percent,
        least=20.0,
        bounds=(-1e9, 100.0),
        target=(0.0, "spent"),
    )


def burned(
    points: Iterable[tuple[int, OperationsPoint]], size_ms: int, allowed: float
) -> list[Sample]:
    """Return how much of a budget was left at the end of each window, in per cent of it."""
    failures = 0
    found = []
    for start_ms, point in points:
        failures += point.failures
        left = 100 - 100 * failures / allowed if allowed else 0.0
        found.append(Sample(start_ms + size_ms, left, point.final))
    return found
