"""A message as events of PagerDuty's Events API v2, all of an episode on one key."""

import hashlib
from typing import Any, Literal

import orjson

from schemas.channels import PagerDuty
from streams.channels import wording
from streams.channels.message import Message, Traits
from streams.channels.request import JSON, Request, posted, shown
from streams.channels.response_meaning import Answer, Response, Sent, by_status, described
from streams.channels.text_format import fit, one_line, rfc3339

#: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
MAX_DEDUP_KEY = 255
MAX_SUMMARY = 1024
#: https://developer.pagerduty.com/docs/events-api-v2/overview/ (512 KB for the whole event)
MAX_BYTES = 512 * 1024
#: Ours, so that no event comes near that.
MAX_DETAIL = 1000
MAX_DETAILS = 60
MAX_OTHERS_BYTES = 300 * 1024
#: 120 requests a minute.
TRAITS = Traits(max_alerts=500, pace_ms=500, has_incidents=True)
#: As long as the key, so that the lengths that are shown are the lengths that are sent.
_MASKED_KEY = "*" * 32
#: https://developer.pagerduty.com/docs/events-api-v2/overview/#response-codes--retry-logic
ACCEPTED = 202

Action = Literal["trigger", "acknowledge", "resolve"]
SEVERITIES = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}


def requests(message: Message, channel: PagerDuty, routing_key: str) -> list[Request]:
    """Return the POSTs, in order.

    A resolve closes what each escalation level up to its own opened, and an acknowledgement quiets
    it. PagerDuty ignores a key that nothing opened, so an incident is opened first if need be. A
    test leaves nothing open.
    """
    return [
        posted(channel.url, orjson.dumps(event), JSON)
        for event in events(message, channel, routing_key)
    ]


def read(response: Response, now_ms: int) -> Answer:
    """Return what PagerDuty means: only 202 is accepted."""
    if response.status == ACCEPTED:
        return Sent(answer=described(response, _words(response)))
    return by_status(response, now_ms, _words(response))


def _words(response: Response) -> str | None:
    """Return PagerDuty's message and errors; None if the body is another."""
    errors = response.json.get("errors")
    listed = ", ".join(map(str, errors)) if isinstance(errors, list) else ""
    message = str(response.json.get("message") or "")
    return ": ".join(part for part in (message, listed) if part) or None


def preview(message: Message, channel: PagerDuty) -> bytes:
    """Return the POSTs, with a mask in place of the key."""
    return shown(*requests(message, channel, _MASKED_KEY))


def events(message: Message, channel: PagerDuty, routing_key: str) -> list[dict[str, Any]]:
    """Return the events that the requests carry."""
    levels = range(message.level + 1)
    match message.event:
        case "resolved":
            closing = [event("resolve", message, channel, routing_key, level) for level in levels]
            if not message.announces_opening:
                return closing
            return [event("trigger", message, channel, routing_key, message.level), *closing]
        case "acknowledged":
            return [event("acknowledge", message, channel, routing_key, level) for level in levels]
    opened = event("trigger", message, channel, routing_key, message.level)
    if message.event != "test":
        return [opened]
    return [opened, event("resolve", message, channel, routing_key, message.level)]


def event(
    action: Action, message: Message, channel: PagerDuty, routing_key: str, level: int
) -> dict[str, Any]:
    """Return one event; only a trigger says more than what it is about."""
    written: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(message, level),
    }
    if action == "trigger":
        written |= _described(message, channel)
    return written


def dedup_key(message: Message, level: int) -> str:
    """Return what the incident is known by at PagerDuty; an escalation level has its own."""
    incident = message.incident or f"{message.breach.fingerprint}/{message.breach.id}"
    key = incident + (f"/{level}" if level else "")
    if len(key) <= MAX_DEDUP_KEY:
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _described(message: Message, channel: PagerDuty) -> dict[str, Any]:
    breach = message.breach
    links = wording.links(message)
    text = wording.text(message, channel.template)
    dashboard = next((link.url for link in links if link.text == "View dashboard"), None)
    summary = fit(one_line(f"{wording.title(message)}: {text}"), MAX_SUMMARY)
    payload = {
        "summary": summary,
        "source": fit(wording.service(breach), MAX_SUMMARY) or "opwatch",
        "severity": SEVERITIES[breach.severity],
        "timestamp": rfc3339(breach.opened_ms),
        "component": fit(one_line(breach.labels.get("operation", breach.series)), MAX_DETAIL),
        "group": breach.rule,
        "class": breach.metric or breach.kind,
        "custom_details": _details(message, text),
    }
    named = {"client": "opwatch"} | ({"client_url": dashboard} if dashboard else {})
    return {
        "payload": payload,
        "links": [{"href": link.url, "text": link.text} for link in links],
    } | named


def _details(message: Message, text: str) -> dict[str, Any]:
    breach = message.breach
    values: dict[str, Any] = {field.title: field.value for field in wording.fields(message)}
    values |= {"Text": text, "Rule": breach.rule, "Series": breach.series}
    values |= {f"label {name}": value for name, value in breach.labels.items()}
    values |= {name: value for name, value in breach.evidence.items() if value is not None}
    details = {
        fit(name, 100): fit(value, MAX_DETAIL) if isinstance(value, str) else value
        for name, value in list(values.items())[:MAX_DETAILS]
    }
    if message.others:
        details["Others"] = _others(message)
    return details


def named(message: Message, channel: PagerDuty) -> int:  # noqa: ARG001 - as the other channels'
    """Return how many of a message's alerts it names, the first ones; an end names the incident."""
    opens = message.event not in ("resolved", "acknowledged") or message.announces_opening
    return (len(_others(message)) if opens else len(message.others)) + 1


def _others(message: Message) -> list[str]:
    left, lines = MAX_OTHERS_BYTES, []
    for other in message.others:
        line = wording.listed(other)
        left -= len(orjson.dumps(line)) + 1
        if left < 0:
            break
        lines.append(line)
    return lines
