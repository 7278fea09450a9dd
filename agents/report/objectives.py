"""Report objectives: how each burn_rate rule's was met, and how much error budget is left."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from agents.report.history import StoredHistory
from agents.report.table import Column, Report, ReportSpan, Row
from schemas.rule_file import RuleFile
from schemas.rule_kinds import BurnRate
from streams.measure.series import ALL
from streams.rules.aggregate_reader import DIMENSION
from streams.rules.error_budget import ErrorBudget, Objectives

ROLLING = timedelta(days=30)


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
        for it in await history.counts(span, of_operation):
            labels = _labels(it.operation, platform=it.platform, confidence=it.confidence)
            for rule in aims.of("operations", labels):
                bad = it.failures if rule.below is None else slow[it.series, rule.below]
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
