"""Register each kind of rule; a file of this folder holds all that is particular to one kind."""

from typing import Any

from schemas.rule_kinds import Rule
from streams.rules.kind_protocol import Kind
from streams.rules.kinds import burn_rate, change, metric_threshold, no_data, service_status, trend

_KINDS: dict[str, type[Kind[Any]]] = {
    "metric_threshold": metric_threshold.MetricThresholdKind,
    "change": change.ChangeKind,
    "service_status": service_status.ServiceStatusKind,
    "burn_rate": burn_rate.BurnRateKind,
    "trend": trend.TrendKind,
    "no_data": no_data.NoDataKind,
}


def kind_for(rule: Rule) -> Kind[Any]:
    """Return a rule as its kind judges by it."""
    return _KINDS[rule.kind](rule)
