"""A message as an Adaptive Card for a webhook of Microsoft Teams' Workflows app."""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from schemas.breaches import Breach
from schemas.channels import Teams
from schemas.mail_addresses import mail_address
from streams.channels import wording
from streams.channels.message import Message, Traits
from streams.channels.request import JSON, Request, posted, shown
from streams.channels.response_meaning import Answer, Response, Sent, by_status, described
from streams.channels.text_format import ELLIPSIS, fit

#: https://learn.microsoft.com/en-us/connectors/teams/#known-issues-and-limitations-with-actions:
#: about 28 KB. Some of it is the workflow's own, and people found that it is counted in UTF-16: so
#: a message is smaller in both encodings.
MAX_SIZE = 27 * 1024
#: What happened to the first alert gives way to the names of the others, down to this.
MAX_SHORTENED = 300
#: Room for the line that says how many are not named.
_MORE = 100
MAX_FALLBACK = 200
MAX_FOOTER = 150
#: https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
#: Four requests a second.
TRAITS = Traits(max_alerts=40, pace_ms=250)

#: https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards/cards/cards-reference
#: Workflows do not show cards of version 1.5.
VERSION = "1.4"
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
CARD = "application/vnd.microsoft.card.adaptive"
#: The colour of the title's box; the title has the severity in words, too.
STYLES = {"critical": "attention", "high": "warning", "medium": "accent", "low": "emphasis"}
RESOLVED_STYLE = "good"
#: Of what nobody knows to be well again.
UNKNOWN_STYLE = "default"

#: The workflow has the request; nobody learns whether the message appears.
ACCEPTED = 202
#: A retired connector answers 200 and writes what went wrong into the body.
_INNER_STATUS = re.compile(r"HTTP error (\d{3})")

#: https://learn.microsoft.com/en-us/adaptive-cards/authoring-cards/text-features
_MARKUP = re.compile(r"[\\`*_\[\]<>&~|]|(?<=\{)\{")
#: What makes a heading, a list or a quotation where a line begins with it.
_LINE_START = re.compile(r"^(\s*)([#+-](?=[\s#+-]|$)|\d+(?=[.)](?:\s|$)))")


def request(message: Message, channel: Teams, url: str) -> Request:
    """Return the POST to the webhook."""
    return posted(url, orjson.dumps(payload(message, channel)), JSON)


def payload(message: Message, channel: Teams) -> dict[str, Any]:
    """Return the message with its card."""
    return _filled(message, channel)[0]


def named(message: Message, channel: Teams) -> int:
    """Return how many of a message's alerts it names, the first ones."""
    return _filled(message, channel)[1]


def preview(message: Message, channel: Teams) -> bytes:
    """Return the POST, with the variable in place of its URL."""
    return shown(request(message, channel, f"${{{channel.webhook_url_env}}}"))


def read(response: Response, now_ms: int) -> Answer:
    """Return what Teams means: 202 is accepted by the workflow, which is not delivered."""
    if not 200 <= response.status < 300:
        return by_status(response, now_ms, _words(response))
    if inner := _INNER_STATUS.search(response.text):
        return by_status(replace(response, status=int(inner[1])), now_ms)
    if response.status == ACCEPTED:
        return Sent(answer="202 accepted by the workflow", confirmed=False)
    return Sent(answer=described(response))


def _words(response: Response) -> str | None:
    """Return the workflow's error; None if the body is another."""
    error = response.json.get("error")
    if not isinstance(error, dict):
        return None
    return ": ".join(str(error[name]) for name in ("code", "message") if error.get(name)) or None


def _filled(message: Message, channel: Teams) -> tuple[dict[str, Any], int]:
    """Return the payload with as much text as it has room for, and how many alerts it names."""
    for max_field in (500, 100):
        room = MAX_SIZE - size(_payload(message, channel, "", max_field))
        if room > MAX_SIZE // 2:
            break
    text, missing = _text(message, wording.text(message, channel.template), room)
    count = len(message.others) if missing is None else message.others.index(missing)
    return _payload(message, channel, text, max_field), count + 1


def _payload(message: Message, channel: Teams, text: str, max_field: int) -> dict[str, Any]:
    title = wording.title(message)
    facts = [
        {"title": field.title, "value": escape(fit(field.value, max_field))}
        for field in wording.fields(message)
    ]
    footer = escape(fit(f"opwatch · {message.breach.rule}", MAX_FOOTER))
    card: dict[str, Any] = {
        "$schema": SCHEMA,
        "type": "AdaptiveCard",
        "version": VERSION,
        "fallbackText": fit(title, MAX_FALLBACK),
        "msteams": {"width": "Full"},
        "body": [
            {
                "type": "Container",
                "style": _style(message),
                "bleed": True,
                "items": [_block(escape(title), size="Medium", weight="Bolder")],
            },
            _block(text),
            {"type": "FactSet", "facts": facts},
            _block(footer, size="Small", isSubtle=True),
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": link.text, "url": link.url}
            for link in wording.links(message)
        ],
    }
    if called := _called(message, channel):
        card["msteams"] = {"width": "Full", "entities": called}
        card["body"].insert(1, _block(" ".join(person["text"] for person in called)))
    attachment = {"contentType": CARD, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _called(message: Message, channel: Teams) -> list[dict[str, Any]]:
    """Return whom the card calls, by the rule file alone.

    Source: https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards/cards/cards-format#user-mention-in-incoming-webhook-with-adaptive-cards
    """
    people = map(mail_address, channel.mention if message.event in wording.CALLS else ())
    return [
        {
            "type": "mention",
            "text": f"<at>{person.name or person.local}</at>",
            "mentioned": {"id": person.bare, "name": person.name or person.local},
        }
        for person in people
    ]


def _block(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **more}


def _text(message: Message, what: str, room: int) -> tuple[str, Breach | None]:
    """Return the text, and the first alert that it has no room to name.

    The title names the first alert; here stands what happened to it, then the other alerts.
    """
    if not message.others:
        return escape(what, room), None
    short = fit(what, MAX_SHORTENED)
    for text, line_of in (
        (what, wording.listed),
        (short, wording.listed),
        (short, wording.short),
    ):
        lines = _lines(wording.unnamed(message, text), line_of)
        whole = "\n\n".join([escape(text), *lines])
        if size(whole) <= room:
            return whole, None
    text = wording.shortened(short, lambda part: size(escape(part)) <= room - _MORE)
    others = wording.unnamed(message, text)
    lines = _lines(others, wording.short)
    room -= size(escape(text)) + _MORE
    for count, line in enumerate(lines):
        room -= size(f"\n\n{line}")
        if room < 0:
            rest = f"{ELLIPSIS} and {len(lines) - count} more."
            return "\n\n".join([escape(text), *lines[:count], rest]), others[count]
    return "\n\n".join([escape(text), *lines]), None


def _lines(others: list[Breach], line_of: Callable[[Breach], str]) -> list[str]:
    return [f"• {escape(line_of(other))}" for other in others]


def _style(message: Message) -> str:
    if wording.is_unknown(message):
        return UNKNOWN_STYLE
    if message.event == "resolved":
        return RESOLVED_STYLE
    return STYLES[message.breach.severity]


def escape(text: str, room: int | None = None) -> str:
    """Return the text so that a card shows it as it is, without markup; cut to a size."""
    escaped = "\n\n".join(map(_escaped_line, text.splitlines()))
    if room is None or size(escaped) <= room:
        return escaped
    fitting = bisect_right(range(len(text)), room, key=lambda n: size(_cut(text, n)))
    return _cut(text, fitting - 1) if fitting else ""


def _cut(text: str, length: int) -> str:
    return escape(text[:length]) + ELLIPSIS


def _escaped_line(line: str) -> str:
    line = _MARKUP.sub(r"\\\g<0>", line)
    return _LINE_START.sub(lambda match: _before_marker(match[1], match[2]), line)


def _before_marker(indent: str, marker: str) -> str:
    return f"{indent}{marker}\\" if marker.isdigit() else f"{indent}\\{marker}"


def size(part: Any) -> int:
    """Return how many bytes a part of the body takes, in UTF-8 or in UTF-16, whichever is more."""
    body = orjson.dumps(part)
    return max(len(body), len(body.decode().encode("utf-16-le")))
