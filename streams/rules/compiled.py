"""Bring a rule into the form it is evaluated in, the file's defaults included."""

import hashlib
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from schemas.breaches import Routing, Step
from schemas.channels import Defaults
from schemas.rule_file import RuleFile
from schemas.rules import MetricThreshold, NoData, Rule, ServiceStatus, json_rule
from streams.rules.kinds import burn_rate, metric_threshold, no_data, service_status, trend
from streams.rules.seen import Seen
from streams.rules.verdict import Evidence, Verdict

_KINDS: dict[str, ModuleType] = {
    "metric_threshold": metric_threshold,
    "service_status": service_status,
    "burn_rate": burn_rate,
    "trend": trend,
    "no_data": no_data,
}
_MINUTE_MS = 60_000


class Compiled(NamedTuple):
    """A rule, ready to be evaluated."""

    rule: Rule
    made_of: str
    """A hash of all that its breaches say."""
    judge: Callable[[Any, Seen, int], Verdict | None]
    evidence: Callable[[Any, Seen, int], Evidence]
    hold: int
    """Minutes."""
    keep: int
    """Minutes."""
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


def compile_rules(file: RuleFile) -> tuple[Compiled, ...]:
    """Return the rules of a file that are enabled, in order."""
    return tuple(_compile(rule, file.defaults) for rule in file.rules if rule.enabled)


def _compile(rule: Rule, defaults: Defaults) -> Compiled:
    routing = Routing(
        channels=rule.channels or defaults.channels,
        cooldown_ms=defaults.cooldown if rule.cooldown is None else rule.cooldown,
        escalation=[Step(after_ms=one.after, channels=one.channels) for one in rule.escalation],
    )
    labels = defaults.labels | rule.labels
    runbook = rule.runbook or defaults.runbook
    dashboard = rule.dashboard or defaults.dashboard
    said = [json_rule(rule), routing.model_dump(mode="json"), labels, runbook, dashboard]
    kind = _KINDS[rule.kind]
    return Compiled(
        rule,
        hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16],
        kind.judge,
        kind.evidence,
        getattr(rule, "hold", 0) // _MINUTE_MS,
        rule.keep_firing_for // _MINUTE_MS,
        labels,
        runbook,
        dashboard,
        routing,
    )
