"""Report the quality of analyses: scores over time, and how well estimates meet the truth."""

from datetime import timedelta

from agents.report.history import StoredHistory
from agents.report.table import Chart, Column, Report, ReportSpan, lines_of

_DAY = timedelta(days=1)


async def quality(history: StoredHistory, span: ReportSpan, operation: str) -> Report:
    """Return the scores of each dimension by hour, day or week, with the change."""
    size = _size(span)
    found = await history.rows(
        "SELECT * FROM opwatch.quality_trend WHERE size = $1 AND start_at >= $2 AND start_at < $3"
        " AND operation = $4 AND platform IS NULL AND model IS NULL"
        " ORDER BY dimension, start_at DESC",
        *(size, *span, operation),
    )
    columns = [
        Column("start_at", {"1h": "hour", "24h": "day", "7d": "week of"}[size], "time"),
        Column("dimension", "dimension"),
        Column("count", "results", "count"),
        Column("mean", "score", "number"),
        Column("change", "change", "points"),
        Column("p5", "p5", "number"),
        Column("good_share", "good %", "percent"),
        Column("acceptable_share", "acceptable %", "percent"),
        Column("verdict", "trend"),
    ]
    return Report(
        name="quality",
        title="Quality scores, 0 to 1",
        span=span,
        columns=columns,
        rows=[dict(row) for row in found],
        charts=[Chart("Mean score", "", lines_of(found, "dimension", "mean"))],
    )


async def calibration(history: StoredHistory, span: ReportSpan) -> Report:
    """Return how often analyses were right by their labels, by day or week, and by model."""
    size = "24h" if span.end - span.start <= 8 * _DAY else "7d"
    found = await history.rows(
        "SELECT *, service || ' ' || operation || ' ' || model AS series"
        " FROM opwatch.calibration_trend WHERE size = $1 AND start_at >= $2 AND start_at < $3"
        " ORDER BY service, operation, model, start_at DESC",
        *(size, *span),
    )
    columns = [
        Column("start_at", "day" if size == "24h" else "week of", "time"),
        Column("service", "service"),
        Column("operation", "operation"),
        Column("model", "model"),
        Column("count", "labels", "count"),
        Column("accuracy", "right %", "percent"),
        Column("change", "change", "points"),
        Column("confidence_error", "error of confidence", "number"),
        Column("score_error", "error of score", "number"),
    ]
    return Report(
        name="calibration",
        title="Right by their labels, and how well estimates say so (0 is best)",
        span=span,
        columns=columns,
        rows=[dict(row) for row in found],
        charts=[Chart("Right by their labels", "%", lines_of(found, "series", "accuracy"))],
    )


def _size(span: ReportSpan) -> str:
    length = span.end - span.start
    return "1h" if length <= 2 * _DAY else "24h" if length <= 60 * _DAY else "7d"
