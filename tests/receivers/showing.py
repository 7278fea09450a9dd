"""Show what arrived as a person would see it."""

import json
from typing import Any
from urllib.parse import parse_qs

from tests.receivers.everyone import VENDORS
from tests.receivers.http import Arrived
from tests.receivers.mail import MailArrived
from tests.receivers.says import Status


def record(name: str, arrived: Arrived | MailArrived) -> dict[str, Any]:
    """Return what arrived as plain values; times in epoch seconds."""
    if isinstance(arrived, MailArrived):
        mail = arrived.parsed
        text = mail.get_body(("plain",))
        return {
            "receiver": name,
            "at": arrived.at,
            "ok": arrived.said.startswith("2") and not arrived.mistakes,
            "mistakes": arrived.mistakes,
            "headers": dict(mail.items()),
            "recipients": arrived.recipients,
            "body": text.get_content() if text else "",
        }
    said = arrived.said
    return {
        "receiver": name,
        "at": arrived.at,
        "ok": isinstance(said, Status) and 200 <= said.status < 300,
        "status": said.status if isinstance(said, Status) else None,
        "mistakes": arrived.mistakes,
        "path": arrived.path,
        "headers": arrived.headers,
        "body": _body(arrived),
    }


def _body(arrived: Arrived) -> Any:
    if "x-www-form-urlencoded" in arrived.headers.get("content-type", ""):
        return {name: values[0] for name, values in parse_qs(arrived.body.decode()).items()}
    try:
        return json.loads(arrived.body)
    except ValueError:
        return arrived.body.decode("utf-8", "replace")


def shown(given: dict[str, Any]) -> str:
    """Return a few lines: who was told, and the message."""
    name, body = given["receiver"], given["body"]
    mark = "✓" if given["ok"] else "✗ " + (", ".join(given["mistakes"]) or "refused")
    return f"── {name} {mark}\n" + "\n".join(f"   {line}" for line in _lines(name, given, body))


def _lines(name: str, given: dict[str, Any], body: Any) -> list[str]:
    if name == "mail":
        return [f"Subject: {given['headers'].get('Subject')}", *str(body).splitlines()]
    if not isinstance(body, dict):
        return [str(body)]
    return VENDORS[name].lines(body)
