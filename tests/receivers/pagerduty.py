"""Take what PagerDuty's Events API v2 takes, and keep the incidents that it would keep."""

import base64
import json
from datetime import datetime
from typing import Any

from tests.receivers.http import Arrived, Status, Vendor

PATH = "/v2/enqueue"
ROUTING_KEY = base64.b16encode(b"opwatch-receiver").decode()
_TOP = {
    "routing_key", "event_action", "dedup_key", "payload", "images", "links", "client",
    "client_url",
}  # fmt: skip
_PAYLOAD = {
    "summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details",
}  # fmt: skip


class PagerDuty:
    """Validates events and follows which incidents they open and close."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        """Each open incident's dedup_key, and whether it is triggered or acknowledged."""
        self.resolved: set[str] = set()

    def __call__(self, arrived: Arrived) -> tuple[list[str], Status]:
        mistakes = _mistakes(arrived)
        if mistakes:
            refusal = {
                "status": "invalid event",
                "message": "Event object is invalid",
                "errors": mistakes,
            }
            return mistakes, Status(status=400, body=json.dumps(refusal).encode())
        event = json.loads(arrived.body)
        accepted = {
            "status": "success",
            "message": "Event processed",
            "dedup_key": event["dedup_key"],
        }
        return [], Status(status=202, body=json.dumps(accepted).encode())

    def accept(self, arrived: Arrived) -> None:
        """Open, acknowledge or close the incident of an event that was not refused."""
        event = json.loads(arrived.body)
        action, key = event["event_action"], event["dedup_key"]
        if action == "trigger":
            self.open.setdefault(key, "triggered")
            self.resolved.discard(key)
        elif action == "acknowledge" and key in self.open:
            self.open[key] = "acknowledged"
        elif action == "resolve" and self.open.pop(key, None):
            self.resolved.add(key)


def vendor() -> Vendor:
    """Return what reads requests as PagerDuty would."""
    return PagerDuty()


def environment(_url: str) -> dict[str, str]:
    """Return the environment with an integration key."""
    return {"PAGERDUTY_SERVICE_KEY": ROUTING_KEY}


def address(url: str) -> str:
    """Return the channel's `url`."""
    return url + PATH


def lines(body: dict[str, Any]) -> list[str]:
    """Return an event in a line."""
    summary = body.get("payload", {}).get("summary", "")
    return [f"{body.get('event_action')} {body.get('dedup_key')} {summary}"]


def _mistakes(arrived: Arrived) -> list[str]:
    if arrived.path != PATH or arrived.method != "POST":
        return [f"no such call: {arrived.method} {arrived.path}"]
    if len(arrived.body) > 512 * 1024:
        return ["more than 512 KB"]
    try:
        event = json.loads(arrived.body)
    except ValueError:
        return ["not JSON"]
    mistakes = [f"unknown: {name}" for name in set(event) - _TOP]
    if len(str(event.get("routing_key", ""))) != 32:
        mistakes.append("routing_key has not 32 characters")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        mistakes.append("event_action")
    if not 0 < len(event.get("dedup_key", "")) <= 255:
        mistakes.append("dedup_key")
    if event.get("event_action") == "trigger":
        mistakes += _payload(event.get("payload", {}))
    for link in event.get("links", []):
        if set(link) != {"href", "text"} or not link["href"].startswith(("http://", "https://")):
            mistakes.append("a link")
    return mistakes


def _payload(payload: dict[str, Any]) -> list[str]:
    mistakes = [f"unknown: payload.{name}" for name in set(payload) - _PAYLOAD]
    if not 0 < len(payload.get("summary", "")) <= 1024:
        mistakes.append("payload.summary")
    if not payload.get("source"):
        mistakes.append("payload.source")
    if payload.get("severity") not in ("critical", "error", "warning", "info"):
        mistakes.append("payload.severity")
    try:
        datetime.fromisoformat(payload.get("timestamp", "2027-01-01T00:00:00Z"))
    except ValueError:
        mistakes.append("payload.timestamp")
    return mistakes
