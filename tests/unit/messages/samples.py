"""Breaches, messages and channels to write about."""

from typing import Any

from schemas.breaches import Breach
from schemas.channels import Email, PagerDuty, Slack, Sms, Teams, Webhook
from streams.channels.message import Message

OPENED_MS = 1_800_000_000_000

ROUTING_KEY = "R0123456789abcdefghijklmnopqrstu"
SLACK_URL = "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
TEAMS_URL = (
    "https://prod-12.westeurope.logic.azure.com:443/workflows/0123456789abcdef/triggers/manual"
    "/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0"
    "&sig=Sig-0123456789_abcdefghij"
)
SIGNING_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_KEY = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

EMAIL = Email(
    name="engineering_email",
    type="email",
    to=["a@example.com", "b@example.com"],
    **{"from": "opwatch@example.com"},
)
SLACK = Slack(name="slack_engineering", type="slack", channel="#engineering-alerts")
PAGERDUTY = PagerDuty(name="pagerduty_oncall", type="pagerduty")
SMS = Sms(name="sms_oncall", type="sms", to=["+15005550006"])
TEAMS = Teams(name="teams_engineering", type="teams")
WEBHOOK = Webhook(name="hook", type="webhook", secret_env="HOOK_SECRET")
CHANNELS = (EMAIL, SLACK, PAGERDUTY, SMS, TEAMS, WEBHOOK)


def breach(**changed: Any) -> Breach:
    given = {
        "id": "3f6c1d0a9b8e7f65",
        "revision": 1,
        "state": "opened",
        "why": "violated",
        "fingerprint": "a1b2c3d4e5f60718",
        "rule": "parse_success",
        "kind": "metric_threshold",
        "series": 'parse_job_data{platform="lever"}',
        "labels": {"operation": "parse_job_data", "platform": "lever", "team": "search"},
        "severity": "high",
        "metric": "success_rate",
        "operator": "less_than",
        "threshold": 95.0,
        "observed": 81.25,
        "unit": "%",
        "samples": 240,
        "evidence": {"p95_ms": 812.5},
        "span": {"start_ms": OPENED_MS - 300_000, "end_ms": OPENED_MS},
        "since_ms": OPENED_MS - 60_000,
        "opened_ms": OPENED_MS,
        "confirmed": False,
        "summary": "81.25 % of 240 operations succeeded in 5 minutes; at least 95 % should.",
        "exemplars": [
            {"id": "op-17", "success": False, "duration_ms": 12.0, "error_type": "TimeoutError"}
        ],
        "runbook": "https://wiki.example.com/runbooks/parse?a=1&b=2",
        "dashboard": "https://opwatch.example.com/d/parse",
        "routing": {"channels": ["slack_engineering"], "cooldown_ms": 600_000},
        "rules_hash": "00",
    }
    return Breach.model_validate(given | changed)


def resolved(**changed: Any) -> Breach:
    given = {
        "state": "resolved",
        "why": "condition_gone",
        "revision": 2,
        "resolved_ms": OPENED_MS + 360_000,
        "summary": "99 % of 300 operations succeeded in 5 minutes.",
    }
    return breach(**(given | changed))


def message(of: Breach | None = None, **changed: Any) -> Message:
    given = {
        "delivery": "d0e1f2a3b4c5d6e7",
        "event": "opened",
        "breach": of or breach(),
        "created_ms": OPENED_MS + 1_000,
        "acknowledge_url": "https://opwatch.example.com/ack/abc",
    }
    return Message(**(given | changed))
