"""Take what Twilio's Messages API takes."""

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs

from tests.receivers.http import Arrived, Status, Vendor

ACCOUNT = "AC" + "0" * 32
TOKEN = "tw-token-0123456789abcdef01234567"
SENDER = "+15005550001"
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
_KNOWN = {"To", "From", "MessagingServiceSid", "Body", "StatusCallback", "ValidityPeriod"}


def twilio(arrived: Arrived) -> tuple[list[str], Status]:
    """Answer 201 and a sid, or as Twilio does to what it does not take."""
    basic = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    if arrived.headers.get("authorization") != f"Basic {basic}":
        return ["not authenticated"], _refused(401, 20003, "Authenticate")
    if arrived.path != PATH:
        return [f"no such resource: {arrived.path}"], _refused(404, 20404, "Not found")
    form = parse_qs(arrived.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    mistakes = [f"unknown: {name}" for name in set(form) - _KNOWN]
    if any(len(values) > 1 for values in form.values()):
        mistakes.append("a field is there twice")
    if not re.fullmatch(r"\+[1-9]\d{6,14}", form.get("To", [""])[0]):
        mistakes.append("To is not E.164")
        return mistakes, _refused(400, 21211, "Invalid 'To' Phone Number")
    if ("From" in form) == ("MessagingServiceSid" in form):
        mistakes.append("either From or MessagingServiceSid")
    if not 0 < len(form.get("Body", [""])[0]) <= 1600:
        mistakes.append("Body")
        return mistakes, _refused(400, 21617, "The message body exceeds 1600 characters")
    if mistakes:
        return mistakes, _refused(400, 21604, "Bad request")
    sid = "SM" + hashlib.sha256(arrived.body).hexdigest()[:32]
    said = {"sid": sid, "status": "queued", "error_code": None}
    return [], Status(status=201, body=json.dumps(said).encode())


def vendor() -> Vendor:
    """Return what reads requests as Twilio would."""
    return twilio


def environment(_url: str) -> dict[str, str]:
    """Return the environment with an account."""
    return {
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": SENDER,
    }


def address(url: str) -> str:
    """Return the channel's `url`."""
    return url


def lines(body: dict[str, Any]) -> list[str]:
    """Return a text message in a line."""
    return [f"to {body.get('To')}: {body.get('Body')}"]


def _refused(status: int, code: int, message: str) -> Status:
    more = f"https://www.twilio.com/docs/errors/{code}"
    said = {"code": code, "message": message, "more_info": more, "status": status}
    return Status(status=status, body=json.dumps(said).encode())
