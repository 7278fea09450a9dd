"""List the reports there are, by the names that the command line has."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from agents.report import alerts, operations, quality
from agents.report.history import StoredHistory
from agents.report.table import Report, ReportSpan

if TYPE_CHECKING:
    from schemas.rule_file import RuleFile


class Options(NamedTuple):
    """What a report is about."""

    span: ReportSpan
    operation: str
    platform: str | None
    least_count: int
    months: int
    rules: "RuleFile | None"
    draws: bool
    """Whether it will be drawn."""


def _slo(history: StoredHistory, options: Options) -> Awaitable[Report]:
    from agents.report.objectives import objectives  # rules take long to import

    assert options.rules is not None
    return objectives(history, options.span.end, options.rules, options.months)


REPORTS: dict[str, Callable[[StoredHistory, Options], Awaitable[Report]]] = {
    "platforms": lambda history, it: operations.by_platform(
        history, it.span, it.operation, draws=it.draws
    ),
    "operations": lambda history, it: operations.by_operation(history, it.span, draws=it.draws),
    "worst": lambda history, it: operations.worst(history, it.span, it.operation, it.least_count),
    "failures": lambda history, it: operations.failures(
        history, it.span, it.operation, it.platform
    ),
    "slo": _slo,
    "alerts": lambda history, it: alerts.alerts(history, it.span),
    "ignored": lambda history, it: alerts.ignored(history, it.span),
    "pages": lambda history, it: alerts.pages(history, it.span),
    "quality": lambda history, it: quality.quality(history, it.span, it.operation),
    "calibration": lambda history, it: quality.calibration(history, it.span),
}
