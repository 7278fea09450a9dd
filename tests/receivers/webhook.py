"""Take what a receiver of Alertmanager's webhook takes, signed by Standard Webhooks."""

import json
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.receivers.http import Arrived, Status, Vendor

PATH = "/hook/a-long-secret-path-0123456789"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_GROUP = {
    "version": str, "groupKey": str, "truncatedAlerts": int, "status": str, "receiver": str,
    "groupLabels": dict, "commonLabels": dict, "commonAnnotations": dict, "externalURL": str,
    "alerts": list,
}  # fmt: skip
_ALERT = {
    "status": str, "labels": dict, "annotations": dict, "startsAt": str, "endsAt": str,
    "generatorURL": str, "fingerprint": str,
}  # fmt: skip


def webhook(arrived: Arrived) -> tuple[list[str], Status]:
    """Answer 200, or 401 to a signature that does not verify, or 400."""
    if arrived.path != PATH:
        return [f"no such path: {arrived.path}"], Status(status=404)
    try:
        body = Webhook(KEY).verify(arrived.body, arrived.headers)
    except WebhookVerificationError as error:
        return [str(error)], Status(status=401, body=b"the signature does not verify")
    mistakes = _typed(body, _GROUP)
    if not mistakes:
        mistakes = [one for alert in body["alerts"] for one in _alert(alert)]
    if mistakes:
        return mistakes, Status(status=400, body=json.dumps(mistakes).encode())
    return [], Status(status=200)


def vendor() -> Vendor:
    """Return what reads requests as a receiver of Alertmanager's webhook would."""
    return webhook


def environment(url: str) -> dict[str, str]:
    """Return the environment for the receiver at `url`."""
    return {"OPWATCH_WEBHOOK_URL": url + PATH, "OPWATCH_WEBHOOK_SECRET": KEY}


def address(_url: str) -> None:
    """Return None: the environment holds the address."""


def lines(body: dict[str, Any]) -> list[str]:
    """Return a line an alert."""
    alerts = body.get("alerts", [])
    return [f"{body.get('status')}: {alert['annotations'].get('summary')}" for alert in alerts]


def _typed(given: dict[str, Any], expected: dict[str, type]) -> list[str]:
    if set(given) != set(expected):
        return [f"fields {sorted(set(given) ^ set(expected))}"]
    return [name for name, kind in expected.items() if type(given[name]) is not kind]


def _alert(alert: dict[str, Any]) -> list[str]:
    mistakes = _typed(alert, _ALERT)
    if mistakes:
        return mistakes
    for named in ("labels", "annotations"):
        if not all(isinstance(value, str) for value in alert[named].values()):
            mistakes.append(f"{named} are no strings")
    starts, ends = (datetime.fromisoformat(alert[name]) for name in ("startsAt", "endsAt"))
    if alert["status"] not in ("firing", "resolved"):
        mistakes.append("status")
    if (alert["status"] == "resolved") != (ends.year > 1) or (ends.year > 1 and ends < starts):
        mistakes.append("endsAt")
    return mistakes
