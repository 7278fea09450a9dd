"""Make up a breach of a rule, and a message about it, to show and to try templates with."""

from typing import Any

from schemas.breaches import Breach
from schemas.channels import Defaults
from schemas.matchers import parse_matchers
from schemas.rule_file import RuleFile
from schemas.rule_kinds import Rule
from schemas.spans import MINUTE_MS
from streams.channels.message import Message
from streams.rules.kinds import kind_for

_LABELS = {
    "operation": "parse_job_data",
    "platform": "lever",
    "confidence": "high",
    "model": "parser-2",
    "service": "parser",
}
_PERCENT, _OBSERVED = 5.0, 18.75


def example_of(rules: RuleFile, channel: str, now_ms: int) -> Breach:
    """Return a breach of the first rule that notifies the channel, with made-up figures."""
    notified = (it for it in rules.rules if channel in channels_of(it, rules.defaults))
    return example_breach(next(notified, None), rules.defaults, channel, now_ms)


def channels_of(rule: Rule, defaults: Defaults) -> set[str]:
    """Return the channels that a rule notifies, by its escalation too."""
    steps = (name for step in rule.escalation for name in step.channels)
    return {*(rule.channels or defaults.channels), *steps}


def example_breach(rule: Rule | None, defaults: Defaults, channel: str, now_ms: int) -> Breach:
    """Return a breach of a rule with made-up figures; without one that of an error rate.

    Args:
        rule: of the rule file.
        defaults: of the same.
        channel: that is notified.
        now_ms: epoch milliseconds UTC.
    """
    minute_ms = now_ms - now_ms % MINUTE_MS
    body: dict[str, Any] = {
        "id": "0123456789abcdef",
        "revision": 1,
        "state": "opened",
        "why": "violated",
        "fingerprint": "fedcba9876543210",
        "rule": "high_error_rate",
        "kind": "metric_threshold",
        "severity": "high",
        "metric": "error_rate",
        "operator": "greater_than",
        "threshold": _PERCENT,
        "observed": _OBSERVED,
        "unit": "%",
        "samples": 240,
        "span": {"start_ms": minute_ms - 5 * MINUTE_MS, "end_ms": minute_ms},
        "since_ms": minute_ms - MINUTE_MS,
        "opened_ms": minute_ms,
        "confirmed": False,
        "summary": "This is made up: 18.75 % of 240 operations failed in 5 minutes.",
        "exemplars": [
            {"id": "op-17", "success": False, "duration_ms": 812.5, "error_type": "TimeoutError"}
        ],
        "routing": {"channels": [channel], "cooldown_ms": defaults.cooldown},
        "rules_hash": "",
    }
    labels = {name: _LABELS[name] for name in ("operation", "platform")}
    if rule is not None:
        labels = _labels(rule)
        body |= _measured(rule) | {"rule": rule.name, "kind": rule.kind, "severity": rule.severity}
    body |= {
        "series": _series(labels),
        "labels": labels | defaults.labels | (rule.labels if rule else {}),
        "runbook": (rule.runbook if rule else None) or defaults.runbook,
        "dashboard": (rule.dashboard if rule else None) or defaults.dashboard,
    }
    return Breach.model_validate(body)


def _series(labels: dict[str, str]) -> str:
    if "service" in labels:
        return labels["service"]
    of = [f'{name}="{value}"' for name, value in labels.items() if name != "operation"]
    return labels.get("operation", "*") + (f"{{{','.join(of)}}}" if of else "")


def _labels(rule: Rule) -> dict[str, str]:
    """Return labels of a series that the rule judges."""
    matchers = parse_matchers(rule.match) if rule.match else ()
    exact = {it.label: it.value for it in matchers if it.operator == "="}
    return {name: _LABELS[name] for name in rule.split_by} | exact


def _measured(rule: Rule) -> dict[str, Any]:
    """Return the figures of a breach of the rule."""
    metric, operator, unit = kind_for(rule).measured
    if rule.kind == "service_status":
        threshold, observed = None, None
    else:
        tiers = getattr(rule, "tiers", [])
        threshold = getattr(rule, "threshold", None) or (tiers[0].threshold if tiers else _PERCENT)
        falls = (operator or "").startswith("less")
        observed = threshold * (0.9 if falls and threshold > 0 else 1.5)
    return {
        "metric": metric,
        "operator": operator,
        "unit": unit,
        "threshold": threshold,
        "observed": observed,
        "samples": 0 if observed is None else 240,
        "summary": "This is made up.",
    }


def example_message(breach: Breach, event: Any, now_ms: int) -> Message:
    """Return the message about the event."""
    if event == "resolved" and breach.state != "resolved":
        resolved = {"state": "resolved", "why": "condition_gone", "resolved_ms": now_ms}
        breach = breach.model_copy(update=resolved)
    if event == "not_judged":
        why = "no longer judged: no operations for 5 min; before that: "
        unknown = {"state": "updated", "why": "no_operations", "judged": False}
        breach = breach.model_copy(update=unknown | {"summary": why + breach.summary})
    by = "ada" if event in ("acknowledged", "test") else ""
    return Message(
        delivery="preview",
        event=event,
        breach=breach,
        level=1 if event == "escalated" else 0,
        created_ms=now_ms,
        incident=f"{breach.fingerprint}/{breach.id}",
        acknowledged_by=by,
    )
