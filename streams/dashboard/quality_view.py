"""Show the quality of analyses: scores, findings, the worst, remedies, calibration."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from streams.dashboard.book import SeriesBook
from streams.dashboard.calibrations import Calibration
from streams.dashboard.changes import Movement, score_change
from streams.dashboard.drawing import LinePaths
from streams.dashboard.lines import QUALITY, small_line
from streams.dashboard.points import QualityPoint, QualitySum
from streams.dashboard.remediations import RemediationRow, Remediations
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.sums import SpanSums
from streams.dashboard.targets import WORDS, State, Target
from streams.quality.score_series import SCORE_DIMENSIONS
from streams.rules.aggregate_reader import ScoreSeriesFields

_WORST = 12
_MOST_ID = 200


class ScoreRow(NamedTuple):
    """Scores of a series over a span."""

    name: str
    series: str
    sum: QualitySum
    state: State
    word: str
    change: Movement
    line: LinePaths | None


class WorstAnalysis(NamedTuple):
    """An analysis with a low score."""

    id: str
    score: float
    finding: str | None
    at_ms: int


class QualityView(NamedTuple):
    """All that the page shows."""

    span: TrailingSpan
    dimensions: tuple[ScoreRow, ...]
    breakdowns: tuple[ScoreRow, ...]
    """By platform or by model: the lowest mean first."""
    worst: tuple[WorstAnalysis, ...]
    calibrations: tuple[Calibration, ...]
    remediations: tuple[RemediationRow, ...]
    """Of all requests, then by action; empty without any."""
    remedies_since_ms: int
    """From when on they are known."""


def quality_view(
    sums: SpanSums,
    calibrations: Iterable[Calibration],
    remediations: Remediations,
    target: Target | None,
    span: TrailingSpan,
) -> QualityView:
    """Return the quality of all analyses over a span."""
    books = sums.books.quality
    dimensions = [
        _row(sums, dimension, f"{dimension}:*", target, span) for dimension in SCORE_DIMENSIONS
    ]
    breakdowns = []
    for book in list(books.values()):
        series = book.series
        assert isinstance(series, ScoreSeriesFields)
        name = series.platform or series.model
        if series.dimension == "overall" and series.operation == "*" and name is not None:
            row = _row(sums, name, book.name, target, span)
            if row.sum.count:
                breakdowns.append(row)
    return QualityView(
        span=span,
        dimensions=tuple(dimensions),
        breakdowns=tuple(sorted(breakdowns, key=lambda row: row.sum.mean or 0.0)),
        worst=tuple(_worst(books.get("overall:*"), span)),
        calibrations=tuple(sorted(calibrations, key=lambda it: -it.count)),
        remediations=remediations.rows(span),
        remedies_since_ms=remediations.known_from(span),
    )


def _row(
    sums: SpanSums, name: str, series: str, target: Target | None, span: TrailingSpan
) -> ScoreRow:
    found, before = sums.quality(series, span), sums.quality(series, span.before)
    state: State = "none" if target is None else target.state(found.mean, found.count)
    line = small_line(sums.books.quality.get(series), span, QUALITY)
    change = score_change(found.mean, before.mean)
    return ScoreRow(name, series, found, state, WORDS[state], change, line)


class _Exemplar(msgspec.Struct, gc=False):
    id: str
    score: float
    finding: str | None = None


_read = msgspec.json.Decoder(list[_Exemplar]).decode


def _worst(book: SeriesBook[QualityPoint] | None, span: TrailingSpan) -> list[WorstAnalysis]:
    """Return the analyses with the lowest scores, each once."""
    found: dict[str, WorstAnalysis] = {}
    if book is None:
        return []
    for start_ms, point in book.points(span.point_size, span.start_ms, span.end_ms):
        try:
            exemplars = _read(point.exemplars)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue  # anybody may write them
        for it in exemplars[:3]:
            finding = it.finding and it.finding[:_MOST_ID]
            found[it.id] = WorstAnalysis(it.id[:_MOST_ID], it.score, finding, start_ms)
    return sorted(found.values(), key=lambda it: it.score)[:_WORST]
