"""Report operations: by platform or operation, the worst, failures by type, objectives."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta

from agents.report.history import Figures, StoredHistory
from agents.report.table import Column, Report, ReportSpan, Row
from schemas.rule_file import RuleFile
from schemas.rule_kinds import BurnRate
from streams.measure.series import ALL
from streams.rules.aggregate_reader import DIMENSION
from streams.rules.error_budget import ErrorBudget, Objectives

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
ROLLING = timedelta(days=30)


async def by_platform(history: StoredHistory, span: ReportSpan, operation: str) -> Report:
    """Return success rate, percentiles and cache by platform, beside the span before."""
    title = "Platforms" if operation == ALL else f"Platforms of {operation}"
    named = Column("platform", "platform")
    return await _beside(history, span, operation, named, title)


async def by_operation(history: StoredHistory, span: ReportSpan) -> Report:
    """Return the same by operation."""
    return await _beside(history, span, None, Column("operation", "operation"), "Operations")


async def _beside(
    history: StoredHistory, span: ReportSpan, operation: str | None, named: Column, title: str
) -> Report:
    condition = "w.confidence IS NULL"
    if operation is None:
        condition += " AND w.platform IS NULL"
    figures = await history.figures(span, operation)
    before = await history.figures(span.before, operation)
    percentiles = await history.percentiles(span, operation, condition)
    percentiles_before = await history.percentiles(span.before, operation, condition)
    found = [it for it in figures.values() if it.series in percentiles]
    found.sort(key=lambda it: (_name(it, named) is not None, -it.operations))
    rows = []
    for it in found:
        p50, p90, p95, p99 = percentiles[it.series]
        earlier = before.get(it.series)
        change = None if earlier is None else it.success_rate - earlier.success_rate
        rows.append(
            {
                named.name: _name(it, named) or "(all)",
                "operations": it.operations,
                "success_rate": it.success_rate,
                "success_rate_change": change,
                "mean_ms": it.mean_ms,
                "p50_ms": p50,
                "p90_ms": p90,
                "p95_ms": p95,
                "p99_ms": p99,
                "hit_rate": it.hit_rate,
                "p95_ms_before": percentiles_before[it.series][2] if earlier else None,
                "hit_rate_before": earlier.hit_rate if earlier else None,
            }
        )
    return Report(
        name=f"{named.name}s",
        title=title,
        span=span,
        columns=[named, *_FIGURES],
        rows=rows,
        notes=[*_removed(found), *await history.reservations(span)],
        charts=await history.charts(span, [it.series for it in found[:_LINES]]),
    )


def _name(figures: Figures, named: Column) -> str | None:
    name: str | None = getattr(figures, named.name)
    return None if name == ALL else name


def _removed(figures: Iterable[Figures]) -> list[str]:
    missing = max((it.missing for it in figures), default=0)
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


async def objectives(history: StoredHistory, end: datetime, rules: RuleFile, months: int) -> Report:
    """Return how each burn_rate rule's objective was met: 30 days up to `end`, and by month."""
    aims = Objectives(rules)
    periods = [("30 days", ReportSpan(end - ROLLING, end)), *_months(end, months)]
    rows: list[Row] = []
    for name, span in periods if aims.rules else ():
        rows += [{"period": name, **row} async for row in _budgets(history, span, aims)]
    order = list(aims.rules)
    rows.sort(key=lambda row: (order.index(row["rule"]), row["series"]))
    columns = [
        Column("rule", "rule"),
        Column("series", "series"),
        Column("period", "period"),
        Column("objective", "objective %", "plain"),
        Column("operations", "operations", "count"),
        Column("bad", "bad", "count"),
        Column("compliance", "compliance %", "percent"),
        Column("is_met", "met", "yes"),
        Column("budget_left", "budget left %", "percent"),
        Column("burn_rate", "burn rate", "number"),
    ]
    notes = [] if aims.rules else ["no rule of kind burn_rate is enabled in the rule file"]
    notes += await history.reservations(periods[0][1])
    return Report(
        name="slo",
        title="Objectives and error budgets",
        span=ReportSpan(min(span.start for _, span in periods), end),
        columns=columns,
        rows=rows,
        notes=notes,
    )


def _months(end: datetime, months: int) -> list[tuple[str, ReportSpan]]:
    """Return the last calendar months, the current one up to the end."""
    begins = end.replace(day=1, hour=0, minute=0)
    found = []
    until = end
    for _ in range(months):
        if begins < until:
            found.append((f"{begins:%Y-%m}", ReportSpan(begins, until)))
        until = begins
        begins = (begins - timedelta(days=1)).replace(day=1)
    return found


async def _budgets(
    history: StoredHistory, span: ReportSpan, aims: Objectives
) -> AsyncIterator[Row]:
    """Yield the rows of a period: a rule and a series each."""
    if aims.are_about("operations"):
        of_operation = None if any(map(_names_operation, aims.rules.values())) else ALL
        slow = await history.slow(span, aims.bounds_ms, of_operation)
        for it in (await history.figures(span, of_operation)).values():
            labels = _labels(it.operation, platform=it.platform, confidence=it.confidence)
            for rule in aims.of("operations", labels):
                bad = it.failures if rule.below is None else slow.get((it.series, rule.below), 0)
                yield _budget(rule, it.series, it.operations, bad)
    if aims.are_about("quality"):
        found = await history.rows(
            "SELECT series, dimension, operation, platform, model, sum(count)::bigint AS count,"
            " sum(good)::bigint AS good FROM opwatch.quality_windows_in($1, $2)"
            " GROUP BY series, dimension, operation, platform, model",
            *span,
        )
        for row in found:
            labels = _labels(row["operation"], platform=row["platform"], model=row["model"])
            for rule in aims.of("quality", labels | {DIMENSION: row["dimension"]}):
                yield _budget(rule, row["series"], row["count"], row["count"] - row["good"])


def _names_operation(rule: BurnRate) -> bool:
    return "operation" in rule.dimensions or "operation" in (rule.match or "")


def _labels(operation: str, **others: str | None) -> dict[str, str]:
    labels = {name: value for name, value in others.items() if value is not None}
    return labels if operation == ALL else labels | {"operation": operation}


def _budget(rule: BurnRate, series: str, operations: int, bad: int) -> Row:
    budget = ErrorBudget(rule.objective, operations, bad)
    return {
        "rule": rule.name,
        "series": series,
        "objective": rule.objective,
        "operations": operations,
        "bad": bad,
        "compliance": budget.compliance,
        "is_met": budget.is_met,
        "budget_left": budget.left,
        "burn_rate": budget.burn_rate,
    }
