"""Make up a breach to show a channel's messages with."""

from typing import Any

from schemas.breaches import Breach
from schemas.rule_file import RuleFile
from schemas.rules import Severity
from streams.channels.message import Message

_MINUTE_MS = 60_000


def sample(rules: RuleFile, channel: str, now_ms: int) -> Breach:
    """Return a breach of the first rule that names the channel, with made-up figures."""
    defaults = rules.defaults
    routed = (one for one in rules.rules if channel in (one.channels or defaults.channels))
    rule = next(routed, None)
    severity: Severity = "high" if rule is None else rule.severity
    minute_ms = now_ms - now_ms % _MINUTE_MS
    body: dict[str, Any] = {
        "id": "0123456789abcdef",
        "revision": 1,
        "state": "opened",
        "why": "violated",
        "fingerprint": "fedcba9876543210",
        "rule": "high_error_rate" if rule is None else rule.name,
        "kind": "metric_threshold",
        "series": 'parse_job_data{platform="lever"}',
        "labels": {"operation": "parse_job_data", "platform": "lever"}
        | defaults.labels
        | ({} if rule is None else rule.labels),
        "severity": severity,
        "metric": "error_rate",
        "operator": "greater_than",
        "threshold": 5.0,
        "observed": 18.75,
        "unit": "%",
        "samples": 240,
        "span": {"start_ms": minute_ms - 5 * _MINUTE_MS, "end_ms": minute_ms},
        "since_ms": minute_ms - _MINUTE_MS,
        "opened_ms": minute_ms,
        "confirmed": False,
        "summary": "This is made up: 18.75 % of 240 operations failed in 5 minutes.",
        "exemplars": [
            {"id": "op-17", "success": False, "duration_ms": 812.5, "error_type": "TimeoutError"}
        ],
        "runbook": (rule.runbook if rule else None) or defaults.runbook,
        "dashboard": (rule.dashboard if rule else None) or defaults.dashboard,
        "routing": {"channels": [channel], "cooldown_ms": defaults.cooldown},
        "rules_hash": "",
    }
    return Breach.model_validate(body)


def message(breach: Breach, event: Any, now_ms: int) -> Message:
    """Return the message that tells of the event."""
    if event == "resolved" and breach.state != "resolved":
        over = {"state": "resolved", "why": "condition_gone", "resolved_ms": now_ms}
        breach = breach.model_copy(update=over)
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
