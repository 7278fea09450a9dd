"""A message as Alertmanager's webhook, version 4, so that its receivers understand it."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Any

import orjson

from schemas.breaches import Breach
from schemas.channels import Webhook
from streams.channels import wording
from streams.channels.message import Message, Traits
from streams.channels.request import JSON, Request, posted, shown
from streams.channels.response_meaning import Answer, Rejected, Response, Sent, by_status, described
from streams.channels.text_format import link, rfc3339

#: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
VERSION = "4"
#: Ours; how many were left out stands in truncatedAlerts.
MAX_ALERTS = 100
#: What Alertmanager writes for an alert that has not ended: Go's zero time.
NOT_ENDED = "0001-01-01T00:00:00Z"
#: How a signing secret begins.
KEY_PREFIX = "whsec_"

#: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the
#: server wants no more messages, and the sender should disable the endpoint.
GONE = 410

TRAITS = Traits(max_alerts=MAX_ALERTS, pace_ms=20, can_be_gone=True)


def request(
    message: Message, channel: Webhook, url: str, keys: tuple[str, ...], now_ms: int
) -> Request:
    """Return the POST, signed with each of the keys; the id is the same at each attempt."""
    body = orjson.dumps(payload(message, channel))
    if not keys:
        return posted(url, body, JSON)
    name, timestamp_s = message_id(message), now_ms // 1000
    return posted(
        url,
        body,
        JSON,
        webhook_id=name,
        webhook_timestamp=str(timestamp_s),
        webhook_signature=signature(keys, name, timestamp_s, body),
    )


def read(response: Response, now_ms: int) -> Answer:
    """Return what the endpoint means: only 2xx is success, and its status alone says so."""
    if 200 <= response.status < 300:
        return Sent(answer=described(response))
    if response.status == GONE:
        return Rejected(answer=described(response), gone=True)
    return by_status(response, now_ms)


def preview(message: Message, channel: Webhook) -> bytes:
    """Return the POST at the moment of its decision, with a mask in place of the signature."""
    # Signed with no key at all: the mask stands for what a key would make of it.
    keys = () if channel.secret_env is None else ("",)
    return shown(request(message, channel, f"${{{channel.url_env}}}", keys, message.created_ms))


def message_id(message: Message) -> str:
    """Return the delivery's id as Standard Webhooks takes it: without a full stop."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", message.delivery):
        return f"msg_{message.delivery}"
    hashed = hashlib.sha256(message.delivery.encode("utf-8", "surrogatepass"))
    return f"msg_{hashed.hexdigest()[:32]}"


def signature(keys: Iterable[str], name: str, timestamp_s: int, body: bytes) -> str:
    """Return `v1,…` for each key, separated by spaces: two while a key is rotated.

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    signed = f"{name}.{timestamp_s}.".encode() + body
    return " ".join(f"v1,{_mac(key, signed)}" for key in keys)


def _mac(key: str, signed: bytes) -> str:
    raw = base64.b64decode(key.removeprefix(KEY_PREFIX))
    return base64.b64encode(hmac.new(raw, signed, hashlib.sha256).digest()).decode()


def payload(message: Message, channel: Webhook) -> dict[str, Any]:
    """Return the body."""
    breaches = (message.breach, *message.others)
    alerts = [_alert(breach, message) for breach in breaches[:MAX_ALERTS]]
    if channel.template is not None:
        alerts[0]["annotations"]["description"] = wording.text(message, channel.template)
    firing = any(alert["status"] == "firing" for alert in alerts)
    group = {"alertname": message.breach.rule}
    return {
        "version": VERSION,
        "groupKey": f'{{}}:{{alertname="{message.breach.rule}"}}',
        "truncatedAlerts": len(breaches) - len(alerts),
        "status": "firing" if firing else "resolved",
        "receiver": channel.name,
        "groupLabels": group,
        "commonLabels": _common(alerts, "labels"),
        "commonAnnotations": _common(alerts, "annotations"),
        "externalURL": link(message.breach.dashboard) or "",
        "alerts": alerts,
    }


def named(message: Message, channel: Webhook) -> int:  # noqa: ARG001 - as the other channels'
    """Return how many of a message's alerts it names, the first ones."""
    return min(len(message.others) + 1, MAX_ALERTS)


def _alert(breach: Breach, message: Message) -> dict[str, Any]:
    is_first = breach is message.breach
    resolved = message.event == "resolved" if is_first else breach.state == "resolved"
    annotations = {
        "title": wording.title(message) if is_first else "",
        "summary": breach.summary,
        "observed": wording.observed(breach),
        "runbook_url": link(breach.runbook) or "",
        "dashboard_url": link(breach.dashboard) or "",
        "acknowledge_url": (link(message.acknowledge_url) or "") if is_first else "",
        "event": message.event,
    }
    ended_ms = breach.resolved_ms if breach.resolved_ms is not None else message.created_ms
    own = {"alertname": breach.rule, "severity": breach.severity, "series": breach.series}
    return {
        "status": "resolved" if resolved else "firing",
        "labels": dict(breach.labels) | own,
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": rfc3339(breach.opened_ms),
        "endsAt": rfc3339(ended_ms) if resolved else NOT_ENDED,
        "generatorURL": link(breach.dashboard) or "",
        "fingerprint": breach.fingerprint,
    }


def _common(alerts: list[dict[str, Any]], part: str) -> dict[str, str]:
    first, *rest = (alert[part] for alert in alerts)
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in rest)
    }
