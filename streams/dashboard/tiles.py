"""Make the tiles of the overview: a figure each, with its target, movement, line and samples."""

from typing import NamedTuple

from streams.dashboard import figures, lines
from streams.dashboard.book import SeriesBook
from streams.dashboard.changes import (
    UNKNOWN,
    Movement,
    duration_change,
    ratio_change,
    score_change,
)
from streams.dashboard.drawing import LinePaths
from streams.dashboard.figures import Quantity
from streams.dashboard.lines import Plotted, small_line
from streams.dashboard.objectives import budget_of, judged
from streams.dashboard.platforms import operation_values
from streams.dashboard.points import OperationsPoint, OperationsSum
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.sums import SpanSums
from streams.dashboard.targets import WORDS, Claim, Figure, State, Target

BUDGET = "error_budget"


class Tile(NamedTuple):
    """A figure with all that a reader needs to judge it."""

    figure: str
    title: str
    value: float | None
    """In per cent, milliseconds or a score."""
    shown: Quantity
    state: State
    word: str
    target: str
    change: Movement
    samples: int
    of_what: str
    """What the samples are."""
    note: str
    line: LinePaths | None


class Promises(NamedTuple):
    """What figures are judged by."""

    targets: dict[Figure, Target]
    claim: Claim | None
    objective: float | None
    """Of a rule of kind burn_rate on the operation, in per cent."""


def tiles_of(
    sums: SpanSums, promises: Promises, span: TrailingSpan, operation: str
) -> tuple[Tile, ...]:
    """Return the tiles of an operation over a span."""
    total, before = sums.operations(operation, span), sums.operations(operation, span.before)
    return (
        *_operation_tiles(sums, promises, span, operation),
        _quality_tile(sums, promises, span, operation),
        _uptime_tile(sums, promises, span),
        _budget_tile(promises, total, before),
    )


_PLOTTED: dict[Figure, tuple[str, Plotted, str]] = {
    "success_rate": ("Success rate", lines.SUCCESS, "operations"),
    "p95": ("p95 duration", lines.P95, "operations"),
    "p99": ("p99 duration", lines.P99, "operations"),
    "cache_hit_rate": ("Cache hit rate", lines.HIT_RATE, "lookups"),
}


def _operation_tiles(
    sums: SpanSums, promises: Promises, span: TrailingSpan, operation: str
) -> list[Tile]:
    book: SeriesBook[OperationsPoint] | None = sums.books.operations.get(operation)
    now = operation_values(sums.operations(operation, span))
    before = operation_values(sums.operations(operation, span.before))
    trend = "" if book is None or book.trend is None else _TRENDS.get(book.trend[1], "")
    tiles = []
    for figure, (title, plotted, of_what) in _PLOTTED.items():
        value, samples = now[figure]
        is_duration = figure in ("p95", "p99")
        change = (
            duration_change(value, before[figure][0])
            if is_duration
            else ratio_change(_share(value), _share(before[figure][0]))
        )
        shown = figures.duration(value) if is_duration else figures.percent(_share(value))
        note = trend if figure == "success_rate" else ""
        line = small_line(book, span, plotted)
        tiles.append(
            _tile(figure, title, value, shown, promises, change, samples, of_what, note, line)
        )
    return tiles


#: The verdict on the newest hour against the one before.
_TRENDS = {
    "improving": "improving hour by hour",
    "degrading": "degrading hour by hour",
    "stable": "stable hour by hour",
}


def _quality_tile(sums: SpanSums, promises: Promises, span: TrailingSpan, operation: str) -> Tile:
    name = f"overall:{operation}"
    now, before = sums.quality(name, span), sums.quality(name, span.before)
    note = f"{figures.percent(now.good / now.count)} good" if now.count else ""
    return _tile(
        "quality",
        "Quality",
        now.mean,
        figures.score(now.mean),
        promises,
        score_change(now.mean, before.mean),
        now.count,
        "analyses",
        note,
        small_line(sums.books.quality.get(name), span, lines.QUALITY),
    )


def _uptime_tile(sums: SpanSums, promises: Promises, span: TrailingSpan) -> Tile:
    """Return the uptime of the service that was up for the smallest share."""
    found = [
        (uptime, book.name)
        for book in list(sums.books.services.values())
        if (uptime := sums.service(book.name, span).uptime) is not None
    ]
    if not found:
        note = "no service sends heartbeats"
        return _tile(
            "uptime", "Uptime", None, figures.MISSING, promises, UNKNOWN, 0, "services", note, None
        )
    uptime, name = min(found)
    book = sums.books.services[name]
    up = sum(
        it.service is not None and it.service.status in ("up", "degraded")
        for it in sums.books.services.values()
    )
    service = getattr(book.series, "service", "")
    note = f"{up} of {len(sums.books.services)} up"
    if len(found) > 1:
        note += f"; the worst is {service}"
    return _tile(
        "uptime",
        "Uptime",
        100 * uptime,
        figures.percent(uptime),
        promises,
        ratio_change(uptime, sums.service(name, span.before).uptime),
        len(found),
        "service" if len(found) == 1 else "services",
        note,
        small_line(book, span, lines.UPTIME),
    )


def _budget_tile(promises: Promises, total: OperationsSum, before: OperationsSum) -> Tile:
    """Return how much of the error budget of the span is left."""
    success = promises.targets.get("success_rate")
    objective = promises.objective or (success.aim if success is not None else None)
    if objective is None or objective >= 100:  # noqa: PLR2004, RUF100 - per cent
        note = "no objective is configured"
        missing = figures.MISSING
        return Tile(
            BUDGET, "Error budget left", None, missing, "none", note, "", UNKNOWN, 0, "", "", None
        )
    budget, earlier = budget_of(objective, total), budget_of(objective, before)
    state, word = judged(budget)
    left = budget and budget.left
    return Tile(
        figure=BUDGET,
        title="Error budget left",
        value=left,
        shown=figures.whole_percent(left),
        state=state,
        word=word,
        target=f"of {objective:g} % success",
        change=ratio_change(_share(left), _share(earlier and earlier.left)),
        samples=total.count,
        of_what="operations",
        note=f"{figures.count(budget.bad)} failed, {figures.count(budget.allowed)} may"
        if budget
        else "",
        line=None,
    )


def _tile(
    figure: Figure,
    title: str,
    value: float | None,
    shown: Quantity,
    promises: Promises,
    change: Movement,
    samples: int,
    of_what: str,
    note: str,
    line: LinePaths | None,
) -> Tile:
    target = promises.targets.get(figure)
    state: State = "none" if target is None else target.state(value, samples)
    word = WORDS[state]
    if target is None and value is not None:
        word = "no target"
    return Tile(
        figure,
        title,
        value,
        shown,
        state,
        word,
        "" if target is None else target_text(target),
        change,
        samples,
        of_what,
        note,
        line,
    )


def target_text(target: Target) -> str:
    """Return a target for people: ≥ 95 %, ≤ 2 s."""
    if target.is_upper:
        return f"≤ {figures.plain(figures.duration(target.aim))}"
    return f"≥ {target.aim:g}" + ("" if target.figure == "quality" else " %")


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
