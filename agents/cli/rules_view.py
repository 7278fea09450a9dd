"""Show rules as a table: what each looks at, in words, and who is told."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from schemas.rule_file import RuleFile
from schemas.rules import (
    BurnRate,
    MetricThreshold,
    Rule,
    ServiceStatus,
    TrendRule,
)
from schemas.spans import as_text

SIGNS = {
    "less_than": "<",
    "less_than_or_equal": "≤",
    "greater_than": ">",
    "greater_than_or_equal": "≥",
}
STYLES = {"low": "cyan", "medium": "yellow", "high": "red", "critical": "bold red"}
_DURATIONS = "duration_"
#: Columns that are never folded: names are copied from there.
_WHOLE = ("name", "severity", "channels")


def table(rules: RuleFile) -> Table:
    """Return the file's rules, a row each."""
    shown = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("name", "kind", "what", "series", "severity", "channels"):
        shown.add_column(heading, overflow="fold", no_wrap=heading in _WHOLE)
    for rule in rules.rules:
        severities = severities_of(rule)
        channels = rule.channels or rules.defaults.channels
        shown.add_row(
            Text(rule.name, style="bold"),
            rule.kind.replace("_", " "),
            Text(what(rule) + ("" if rule.enabled else " (not enabled)")),
            Text(series(rule)),
            Text("\n".join(severities), style=STYLES[severities[-1]]),
            Text("\n".join(channels) or "–"),
            style=None if rule.enabled else "dim",
        )
    return shown


def what(rule: Rule) -> str:
    """Return when a rule's breach opens, in a line."""
    if isinstance(rule, MetricThreshold):
        return _past(rule)
    if isinstance(rule, ServiceStatus):
        return " or ".join(rule.status) + _for(rule.hold)
    if isinstance(rule, BurnRate):
        pairs = (f"{it.rate:g}× {as_text(it.long)}/{as_text(it.short)}" for it in rule.pairs)
        return f"success {rule.objective:g}% burns " + ", ".join(pairs)
    if isinstance(rule, TrendRule):
        return f"degrading over {rule.window}, {rule.evaluations}× in a row"
    return f"nothing for {as_text(rule.after)}"


def series(rule: Rule) -> str:
    """Return for which series a rule judges, in a line."""
    each = f"each {', '.join(rule.each)}" if rule.each else ""
    return " ".join(part for part in (each, rule.match) if part) or "all together"


def severities_of(rule: Rule) -> list[str]:
    """Return the severities a rule may have, mildest first."""
    if isinstance(rule, MetricThreshold) and rule.tiers:
        return [tier.severity for tier in rule.tiers]
    if isinstance(rule, BurnRate):
        order = list(STYLES)
        return sorted({pair.severity for pair in rule.pairs}, key=order.index)
    return [rule.severity]


def figure(value: float, metric: str) -> str:
    """Return a threshold or an observed value with its unit."""
    return f"{value:.4g}{unit(metric)}"


def unit(metric: str) -> str:
    """Return the unit of a metric's thresholds."""
    if metric.startswith(_DURATIONS):
        return " ms"
    return {"cache_ttl": " s", "throughput": "/s"}.get(metric, "%")


def _past(rule: MetricThreshold) -> str:
    thresholds = [tier.threshold for tier in rule.tiers] or [rule.threshold or 0.0]
    listed = " / ".join(figure(threshold, rule.metric) for threshold in thresholds)
    least = f", ≥ {rule.min_samples} samples" if rule.min_samples > 1 else ""
    return (
        f"{rule.metric} {SIGNS[rule.operator]} {listed} over {as_text(rule.window)}"
        f"{_for(rule.hold)}{least}"
    )


def _for(hold_ms: int) -> str:
    return f" for {as_text(hold_ms)}" if hold_ms else ""
