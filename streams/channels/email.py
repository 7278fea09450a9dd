"""A message as a mail: text and HTML, threaded by incident, and no header made of its values."""

import hashlib
import html
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from schemas.channels import Email
from schemas.mail_addresses import MailAddress, mail_address
from streams.channels import wording
from streams.channels.mail_headers import address_header, text_header
from streams.channels.message import Message, Traits
from streams.channels.text_format import fit

MAX_SUBJECT = 200
#: Ours; the rest is a number.
MAX_LISTED = 500

TRAITS = Traits(max_alerts=MAX_LISTED, pace_ms=50)

_COLOURS = {"critical": "#c0182a", "high": "#e8590c", "medium": "#b58900", "low": "#3a7bd5"}
_RESOLVED_COLOUR = "#2e8b57"
_UNKNOWN_COLOUR = "#6c757d"


def build(message: Message, channel: Email, *, smtputf8: bool = False) -> bytes:
    """Return the mail, the same bytes for the same message.

    Args:
        message: what it says.
        channel: from whom and to whom.
        smtputf8: whether the server takes addresses beyond ASCII; else none is named, and the
            mail has 7 bits only.
    """
    sender, to = addresses(channel)
    root = f"<incident.{_named(message.breach.id)}@{sender.domain}>"
    headers = {
        "Date": format_datetime(datetime.fromtimestamp(message.created_ms // 1000, UTC)),
        "Message-ID": f"<{_named(message.delivery)}@{sender.domain}>",
        "In-Reply-To": root,
        "References": root,
        "Subject": fit(wording.title(message), MAX_SUBJECT),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "X-Opwatch-Rule": message.breach.rule,
        "X-Opwatch-Severity": message.breach.severity,
    }
    named = [it for it in to if smtputf8 or not it.needs_smtputf8]
    head = address_header("From", [sender]) + address_header("To", named)
    head += "".join(text_header(name, value) for name, value in headers.items())
    body = EmailMessage(policy=SMTP)
    text = _described(message, channel)
    body.set_content(_text(message, text), cte="quoted-printable")
    body.add_alternative(_html(message, text), subtype="html", cte="quoted-printable")
    body.set_boundary(f"opwatch-{_named(message.delivery)[:40]}")
    return head.encode() + body.as_bytes()


def addresses(channel: Email) -> tuple[MailAddress, list[MailAddress]]:
    """Return the sender and the recipients."""
    return mail_address(channel.sender), list(map(mail_address, channel.to))


def preview(message: Message, channel: Email) -> bytes:
    """Return the mail, which holds no secret."""
    return build(message, channel)


def named(message: Message, channel: Email) -> int:  # noqa: ARG001 - as the other channels'
    """Return how many of a message's alerts it names, the first ones."""
    return min(len(message.others), MAX_LISTED) + 1


def _described(message: Message, channel: Email) -> str:
    text = wording.text(message, channel.template)
    others = wording.unnamed(message, text)
    lines = [text, *(f"• {wording.listed(other)}" for other in others[:MAX_LISTED])]
    if (rest := len(others) - MAX_LISTED) > 0:
        lines.append(f"… and {rest} more.")
    return "\n".join(lines)


def _named(identifier: str) -> str:
    """Return what may stand in a Message-ID: the identifier, or its hash if it does not fit."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", identifier):
        return identifier
    return hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _text(message: Message, text: str) -> str:
    fields = [f"{field.title}: {field.value}" for field in wording.fields(message)]
    links = [f"{link.text}: {link.url}" for link in wording.links(message)]
    parts = [wording.title(message), text, "\n".join(fields), "\n".join(links)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(message: Message, text: str) -> str:
    colour = _COLOURS[message.breach.severity]
    if wording.is_unknown(message):
        colour = _UNKNOWN_COLOUR
    elif message.event == "resolved":
        colour = _RESOLVED_COLOUR
    rows = "".join(
        f'<tr><td style="color:#666;padding:2px 12px 2px 0">{html.escape(field.title)}</td>'
        f"<td>{html.escape(field.value)}</td></tr>\n"
        for field in wording.fields(message)
    )
    links = " &nbsp; ".join(
        f'<a href="{html.escape(link.url)}">{html.escape(link.text)}</a>'
        for link in wording.links(message)
    )
    escaped = html.escape(text).replace("\n", "<br>\n")
    return (
        '<!doctype html>\n<html><body style="font-family:sans-serif">\n'
        f'<div style="border-left:4px solid {colour};padding-left:12px">\n'
        f'<h2 style="font-size:16px">{html.escape(wording.title(message))}</h2>\n'
        f"<p>{escaped}</p>\n<table>\n{rows}</table>\n<p>{links}</p>\n"
        "</div>\n</body></html>\n"
    )
