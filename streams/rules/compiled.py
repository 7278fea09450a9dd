"""Bring a rule into the form it is evaluated in, the file's defaults included."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from schemas.breaches import Routing, Step
from schemas.channels import Defaults
from schemas.rule_file import RuleFile
from schemas.rules import (
    SEVERITIES,
    BurnRate,
    MetricThreshold,
    NoData,
    Rule,
    ServiceStatus,
    TrendRule,
)
from streams.rules.history import History
from streams.rules.identity import appearance_of, condition_of, measure_of
from streams.rules.kinds import burn_rate, metric_threshold, no_data, service_status, trend
from streams.rules.verdict import Evidence, Verdict

_KINDS: dict[str, ModuleType] = {
    "metric_threshold": metric_threshold,
    "service_status": service_status,
    "burn_rate": burn_rate,
    "trend": trend,
    "no_data": no_data,
}
_MINUTE_MS = 60_000


class CompiledRule(NamedTuple):
    """A rule, ready to be evaluated."""

    rule: Rule
    measure: str
    """What it measures: of another measure it is another rule."""
    condition: str
    """A hash of what decides."""
    appearance: str
    """A hash of what its breaches show besides, of whom they are routed to, and of severity."""
    judge: Callable[[Any, History, int], Verdict | None]
    evidence: Callable[[Any, History, int], Evidence]
    hold: int
    """Minutes."""
    keep: int
    """Minutes."""
    level: int | None
    """Its one severity, as an index into SEVERITIES; None if it has several."""
    needs_operations: bool
    """Whether a minute without operations says nothing: neither good nor bad."""
    keeps_firing: bool
    """Whether what is open goes on to fire where no operations come."""
    labels: dict[str, str]
    runbook: str | None
    dashboard: str | None
    routing: Routing

    def judges(self, kind: str) -> bool:
        """Return whether it looks at series of a kind."""
        rule = self.rule
        if isinstance(rule, NoData):
            return True
        of_service = isinstance(rule, ServiceStatus) or (
            isinstance(rule, MetricThreshold) and rule.metric == "uptime"
        )
        return of_service == (kind == "service")


def compile_rules(file: RuleFile) -> tuple[CompiledRule, ...]:
    """Return the rules of a file that are enabled, in order."""
    return tuple(_compile(rule, file.defaults) for rule in file.rules if rule.enabled)


def _compile(rule: Rule, defaults: Defaults) -> CompiledRule:
    routing = Routing(
        channels=rule.channels or defaults.channels,
        cooldown_ms=defaults.cooldown if rule.cooldown is None else rule.cooldown,
        escalation=[Step(after_ms=one.after, channels=one.channels) for one in rule.escalation],
    )
    labels = defaults.labels | rule.labels
    runbook = rule.runbook or defaults.runbook
    dashboard = rule.dashboard or defaults.dashboard
    kind = _KINDS[rule.kind]
    shown = (routing.model_dump(mode="json", exclude_defaults=True), labels, runbook, dashboard)
    has_levels = isinstance(rule, BurnRate) or bool(getattr(rule, "tiers", None))
    return CompiledRule(
        rule,
        measure_of(rule),
        condition_of(rule),
        appearance_of(rule, *shown),
        kind.judge,
        kind.evidence,
        getattr(rule, "hold", 0) // _MINUTE_MS,
        rule.keep_firing_for // _MINUTE_MS,
        None if has_levels else SEVERITIES.index(rule.severity),
        isinstance(rule, BurnRate | TrendRule)
        or (isinstance(rule, MetricThreshold) and rule.metric != "throughput"),
        getattr(rule, "no_operations", "") == "keep_firing",
        labels,
        runbook,
        dashboard,
        routing,
    )
