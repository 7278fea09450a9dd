"""Report operations: by platform or operation, the worst, failures by type."""

from collections.abc import Iterable

from agents.report.history import RANKS, SeriesSums, StoredHistory
from agents.report.table import Column, Report, ReportSpan
from streams.measure.series import ALL

#: Charts draw this many lines: the series with the most operations.
_LINES = 8
_FIGURES = [
    Column("operations", "operations", "count"),
    Column("success_rate", "success %", "percent"),
    Column("success_rate_change", "change", "points"),
    Column("mean_ms", "mean ms", "ms"),
    Column("p50_ms", "p50", "ms"),
    Column("p90_ms", "p90", "ms"),
    Column("p95_ms", "p95", "ms"),
    Column("p95_ms_before", "before", "ms"),
    Column("p99_ms", "p99", "ms"),
    Column("hit_rate", "cache hit %", "percent"),
    Column("hit_rate_before", "before", "percent"),
]


async def by_platform(
    history: StoredHistory, span: ReportSpan, operation: str, *, draws: bool
) -> Report:
    """Return success rate, percentiles and cache by platform, beside the span before."""
    title = "Platforms" if operation == ALL else f"Platforms of {operation}"
    named = Column("platform", "platform")
    return await _beside(history, span, operation, named, title, draws=draws)


async def by_operation(history: StoredHistory, span: ReportSpan, *, draws: bool) -> Report:
    """Return success rate, percentiles and cache by operation, beside the span before."""
    named = Column("operation", "operation")
    return await _beside(history, span, None, named, "Operations", draws=draws)


async def _beside(
    history: StoredHistory,
    span: ReportSpan,
    operation: str | None,
    named: Column,
    title: str,
    *,
    draws: bool,
) -> Report:
    condition = "w.confidence IS NULL"
    if operation is None:
        condition += " AND w.platform IS NULL"
    found = await history.measured(span, operation, condition)
    before = await history.measured(span.before, operation, condition)
    ordered = sorted(
        found, key=lambda name: (_name(found[name], named) is not None, -found[name].operations)
    )
    rows = []
    for series in ordered:
        it, earlier = found[series], before.get(series)
        p50, p90, p95, p99 = it.percentiles()
        row = {
            named.name: _name(it, named) or "(all)",
            "operations": it.operations,
            "success_rate": it.success_rate,
            "mean_ms": it.mean_ms,
            "p50_ms": p50,
            "p90_ms": p90,
            "p95_ms": p95,
            "p99_ms": p99,
            "hit_rate": it.hit_rate,
        }
        if earlier is not None:
            row |= {
                "success_rate_change": it.success_rate - earlier.success_rate,
                "p95_ms_before": earlier.percentiles()[RANKS.index(0.95)],
                "hit_rate_before": earlier.hit_rate,
            }
        rows.append(row)
    return Report(
        name=f"{named.name}s",
        title=title,
        span=span,
        columns=[named, *_FIGURES],
        rows=rows,
        notes=[*_removed(found.values()), *await history.reservations(span)],
        charts=await history.charts(span, ordered[: _LINES if draws else 0]),
    )


def _name(measured: SeriesSums, named: Column) -> str | None:
    name: str | None = getattr(measured, named.name)
    return None if name == ALL else name


def _removed(measured: Iterable[SeriesSums]) -> list[str]:
    missing = max((it.missing for it in measured), default=0)
    if not missing:
        return []
    return [f"Kafka removed up to {missing:,} records before they were counted: they are missing"]


async def worst(
    history: StoredHistory, span: ReportSpan, operation: str, least_count: int
) -> Report:
    """Return the platforms with the lowest success rates first."""
    found = await history.rows(
        "SELECT * FROM opwatch.worst_platforms($1, $2, $3, $4)", *span, least_count, operation
    )
    columns = [
        Column("platform", "platform"),
        Column("count", "operations", "count"),
        Column("failures", "failures", "count"),
        Column("success_rate", "success %", "percent"),
        Column("success_rate_before", "before", "percent"),
        Column("share_of_failures", "% of all failures", "percent"),
    ]
    return Report(
        name="worst",
        title=f"Worst platforms, of those with {least_count:,} operations or more",
        span=span,
        columns=columns,
        rows=[dict(row) for row in found],
        notes=await history.reservations(span),
    )


async def failures(
    history: StoredHistory, span: ReportSpan, operation: str, platform: str | None
) -> Report:
    """Return failures by type, beside the span before."""
    query = "SELECT * FROM opwatch.failures_by_type($1, $2, $3, $4)"
    found = await history.rows(query, *span, operation, platform)
    before = {
        row["error_type"]: row["failures"]
        for row in await history.rows(query, *span.before, operation, platform)
    }
    columns = [
        Column("error_type", "error type"),
        Column("failures", "failures", "count"),
        Column("share", "%", "percent"),
        Column("failures_before", "before", "count"),
    ]
    rows = [dict(row) | {"failures_before": before.get(row["error_type"], 0)} for row in found]
    of = " ".join(name for name in (operation, platform) if name not in (ALL, None))
    return Report(
        name="failures",
        title=f"Failures by type{f' of {of}' if of else ''}",
        span=span,
        columns=columns,
        rows=rows,
        notes=await history.reservations(span),
    )
