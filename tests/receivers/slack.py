"""Take what Slack's incoming webhooks take, and refuse what they refuse."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from tests.receivers.http import Arrived, Status, Vendor

PATH = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"
_TEXTS = {"fallback": 2000, "title": 150, "text": 3000, "footer": 300, "pretext": 3000}
_KNOWN = {*_TEXTS, "color", "title_link", "fields", "actions", "ts", "mrkdwn_in", "blocks"}
_PAYLOAD = {"text", "attachments", "blocks", "username", "icon_emoji"}
_CALL = re.compile(r"<!(here|channel|everyone)>|<@[UW]\w+>|<!subteam\^S\w+>")
_ENTITY = re.compile(r"&(?!(amp|lt|gt);)")
_MENTION = re.compile(r"<!|@(here|channel|everyone)", re.IGNORECASE)


def slack(arrived: Arrived) -> tuple[list[str], Status]:
    """Answer `ok`, or as Slack does to what it does not take."""
    if arrived.path != PATH:
        return [f"no such hook: {arrived.path}"], Status(status=404, body=b"no_service")
    mistakes = _mistakes(arrived)
    if mistakes:
        return mistakes, Status(status=400, body=b"invalid_payload")
    return [], Status(status=200, body=b"ok", headers={"content-type": "text/html"})


def vendor() -> Vendor:
    """Return what reads requests as Slack would."""
    return slack


def environment(url: str) -> dict[str, str]:
    """Return the environment for the receiver at `url`."""
    return {"SLACK_WEBHOOK_URL": url + PATH}


def address(_url: str) -> None:
    """Return None: the environment holds the address."""


def lines(body: dict[str, Any]) -> list[str]:
    """Return the attachments as a person would see them."""
    return [line for attachment in body.get("attachments", []) for line in _lines(attachment)]


def _lines(attachment: dict[str, Any]) -> list[str]:
    buttons = " ".join(f"[{action['text']}]" for action in attachment.get("actions", []))
    lines = [
        str(attachment.get("title")),
        *attachment.get("text", "").splitlines(),
        *(f"{field['title']}: {field['value']}" for field in attachment.get("fields", [])),
        *([buttons] if buttons else []),
    ]
    return [unescape(line) for line in lines]


def _mistakes(arrived: Arrived) -> list[str]:
    if not arrived.headers.get("content-type", "").startswith("application/json"):
        return ["not JSON by its content type"]
    try:
        payload = json.loads(arrived.body)
    except ValueError:
        return ["not JSON"]
    mistakes = [f"unknown: {name}" for name in set(payload) - _PAYLOAD]
    mistakes += [
        f"mentions {it}" for it in payload.get("text", "").split() if not _CALL.fullmatch(it)
    ]
    if len(arrived.body.decode()) > 9000:
        mistakes.append("more than 9000 characters")
    attachments = payload.get("attachments", [])
    if not attachments and not payload.get("text"):
        mistakes.append("no_text")
    for attachment in attachments:
        mistakes += _attachment(attachment)
    return mistakes


def _attachment(attachment: dict[str, Any]) -> list[str]:
    mistakes = [f"unknown: {name}" for name in set(attachment) - _KNOWN]
    for name, limit in _TEXTS.items():
        mistakes += _text(name, attachment.get(name, ""), limit)
    if not re.fullmatch(r"#[0-9a-f]{6}|good|warning|danger", attachment.get("color", "")):
        mistakes.append("no colour")
    if not attachment.get("fallback"):
        mistakes.append("no fallback")
    if len(attachment.get("fields", [])) > 10:
        mistakes.append("more than 10 fields")
    for field in attachment.get("fields", []):
        mistakes += _text("field", field["value"], 2000) + _text("field", field["title"], 150)
        if set(field) != {"title", "value", "short"} or not isinstance(field["short"], bool):
            mistakes.append(f"a field is {sorted(field)}")
    if len(attachment.get("actions", [])) > 5:
        mistakes.append("more than 5 actions")
    for action in attachment.get("actions", []):
        mistakes += _action(action)
    if not isinstance(attachment.get("ts", 0), int):
        mistakes.append("ts is no integer")
    return mistakes


def _action(action: dict[str, Any]) -> list[str]:
    parts = urlsplit(action["url"])
    mistakes = [] if action["type"] == "button" else ["an action is no button"]
    if not 0 < len(action["text"]) <= 75:
        mistakes.append("a button's label")
    if parts.scheme not in ("http", "https") or not parts.netloc or len(action["url"]) > 3000:
        mistakes.append("a button's url")
    return mistakes


def _text(name: str, text: str, limit: int) -> list[str]:
    mistakes = [f"{name} is longer than {limit}"] if len(text) > limit else []
    if _ENTITY.search(text) or "<" in re.sub(r"<https?://[^|>]+(\|[^>]*)?>", "", text):
        mistakes.append(f"{name} is not escaped")
    if _MENTION.search(text):
        mistakes.append(f"{name} mentions everybody")
    return mistakes
