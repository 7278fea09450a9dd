"""Report alerts: their history, how many pages a week, and what nobody acted on."""

from datetime import timedelta
from statistics import mean, median
from typing import Any

from agents.report.history import StoredHistory
from agents.report.table import Column, Report, ReportSpan, Row, span_text

_IDENTITY = [
    Column("opened_at", "opened", "time"),
    Column("rule", "rule"),
    Column("series", "series"),
    Column("severity", "severity"),
    Column("messages", "messages", "count"),
]


async def alerts(history: StoredHistory, span: ReportSpan) -> Report:
    """Return the episodes that opened in a span: who acted, and how long it took."""
    found = await history.rows(
        "SELECT * FROM opwatch.alert_history WHERE opened_at >= $1 AND opened_at < $2"
        " ORDER BY opened_at DESC, id",
        *span,
    )
    rows = [dict(row) for row in found]
    columns = [
        *_IDENTITY,
        Column("time_to_notify", "notified after", "span"),
        Column("time_to_acknowledge", "acknowledged", "span"),
        Column("acknowledged_by", "by"),
        Column("time_to_resolve", "resolved after", "span"),
        Column("why", "why"),
    ]
    return Report(
        name="alerts",
        title="Alerts",
        span=span,
        columns=columns,
        rows=rows,
        notes=_summary(rows),
    )


def _summary(rows: list[Row]) -> list[str]:
    notified = [row for row in rows if row["messages"]]
    acknowledged = [row for row in notified if row["acknowledged_at"] is not None]
    people = f"people were notified of {len(notified):,} and acknowledged {len(acknowledged):,}"
    notes = [f"{len(rows):,} alerts; {people}"] if rows else []
    for column, what in (
        ("time_to_acknowledge", "to acknowledge"),
        ("time_to_resolve", "to resolve"),
    ):
        spans = [row[column].total_seconds() for row in rows if row[column] is not None]
        if spans:
            middle, average = (span_text(timedelta(seconds=of(spans))) for of in (median, mean))
            notes.append(f"time {what}: median {middle}, mean {average}")
    return notes


async def ignored(history: StoredHistory, span: ReportSpan) -> Report:
    """Return the alerts that people were notified of and that nobody acknowledged."""
    found = await history.rows(
        "SELECT * FROM opwatch.alerts_nobody_acted_on WHERE opened_at >= $1 AND opened_at < $2"
        " ORDER BY opened_at DESC, id",
        *span,
    )
    columns = [
        *_IDENTITY,
        Column("channels", "channels", "names"),
        Column("time_to_resolve", "resolved after", "span"),
        Column("why", "why"),
    ]
    return Report(
        name="ignored",
        title="Alerts that nobody acted on",
        span=span,
        columns=columns,
        rows=[dict(row) for row in found],
        notes=_often(found),
    )


def _often(found: list[Any]) -> list[str]:
    rules: dict[str, int] = {}
    for row in found:
        rules[row["rule"]] = rules.get(row["rule"], 0) + 1
    most = sorted(rules.items(), key=lambda item: (-item[1], item[0]))
    return [f"{name}: {count:,} that nobody acted on" for name, count in most[:5]]


async def pages(history: StoredHistory, span: ReportSpan) -> Report:
    """Return the messages that asked people to act, by week, rule and severity."""
    found = await history.rows(
        "SELECT * FROM opwatch.pages_by_week WHERE week >= $1::date - 6 AND week < $2"
        " ORDER BY week DESC, pages DESC, rule, severity",
        *span,
    )
    columns = [
        Column("week", "week of", "day"),
        Column("rule", "rule"),
        Column("severity", "severity"),
        Column("pages", "pages", "count"),
        Column("alerts", "alerts", "count"),
        Column("acknowledged", "acknowledged", "count"),
        Column("nobody_acted", "nobody acted", "count"),
    ]
    return Report(
        name="pages",
        title="Pages by week",
        span=span,
        columns=columns,
        rows=[dict(row) for row in found],
    )
