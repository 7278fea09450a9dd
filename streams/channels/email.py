"""A message as a mail: text and HTML, threaded by incident, and no header made of its values."""

import hashlib
import html
import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from schemas.channels import Email
from streams.channels import wording
from streams.channels.message import Message, Traits
from streams.channels.text_format import fit, one_line

MAX_SUBJECT = 200
#: Ours; the rest is a number.
MAX_LISTED = 500
#: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.3
MAX_ADDRESS = 254

TRAITS = Traits(max_alerts=MAX_LISTED, pace_ms=50)

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_COLOURS = {"critical": "#c0182a", "high": "#e8590c", "medium": "#b58900", "low": "#3a7bd5"}
_RESOLVED_COLOUR = "#2e8b57"
_UNKNOWN_COLOUR = "#6c757d"


class NoAddress(Exception):
    """A text is configured as a mail address and is not one."""


def build(message: Message, channel: Email) -> bytes:
    """Return the mail, the same bytes for the same message.

    Raises:
        NoAddress: the sender or a recipient is no address.
    """
    domain = address(channel.sender).rpartition("@")[2]
    root = f"<incident.{_named(message.breach.id)}@{domain}>"
    mail = EmailMessage(policy=SMTP)
    headers = {
        "Date": format_datetime(datetime.fromtimestamp(message.created_ms // 1000, UTC)),
        "Message-ID": f"<{_named(message.delivery)}@{domain}>",
        "In-Reply-To": root,
        "References": root,
        "Subject": fit(wording.title(message), MAX_SUBJECT),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "X-Opwatch-Rule": message.breach.rule,
        "X-Opwatch-Severity": message.breach.severity,
    }
    mail["From"] = _shown(channel.sender)
    mail["To"] = tuple(_shown(to) for to in channel.to)
    for name, value in headers.items():
        mail[name] = one_line(value)
    text = _described(message, channel)
    mail.set_content(_text(message, text))
    mail.add_alternative(_html(message, text), subtype="html")
    mail.set_boundary(f"opwatch-{_named(message.delivery)[:40]}")
    return mail.as_bytes()


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


def address(written: str) -> str:
    """Return the bare address of `Name <a@b>` or `a@b`.

    Raises:
        NoAddress: there is none, or one that SMTP would stumble over.
    """
    _, bare = parseaddr(written)
    if len(bare) > MAX_ADDRESS or not _ADDRESS.fullmatch(bare):
        raise NoAddress(f"{fit(one_line(written), MAX_ADDRESS)!r} is not a mail address.")
    return bare


def _shown(written: str) -> Address:
    name, _ = parseaddr(written)
    return Address(one_line(name), addr_spec=address(written))


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
