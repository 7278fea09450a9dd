"""Write a message as an attachment of Slack's incoming webhooks."""

import re
from typing import Any

import orjson

from schemas.channels import Slack
from streams.messages import wording
from streams.messages.message import Message
from streams.messages.plain import ELLIPSIS
from streams.messages.request import JSON, Request, posted

#: https://api.slack.com/reference/block-kit/blocks and /block-elements: what Slack shows of
#: blocks; attachments are documented without limits, so the same are kept.
MAX_TITLE = 150
MAX_TEXT = 3000
MAX_FIELD = 2000
MAX_FIELDS = 10
MAX_BUTTON = 75
MAX_URL = 3000
#: https://api.slack.com/reference/messaging/attachments#legacy_fields
MAX_BUTTONS = 5
#: https://docs.slack.dev/changelog/2018-truncating-really-long-messages
MAX_CHARACTERS = 9000

COLOURS = {"critical": "#c0182a", "high": "#e8590c", "medium": "#f2b705", "low": "#3a7bd5"}
RESOLVED_COLOUR = "#2eb67d"
#: Of what nobody knows to be well again.
UNKNOWN_COLOUR = "#8d8d8d"

_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MENTION = re.compile("@(?=here|channel|everyone)", re.IGNORECASE)
#: A space of no width between the @ and the word, so that Slack sees no mention.
_NO_MENTION = "@\u200b"


def request(message: Message, channel: Slack, url: str) -> Request:
    """Return the POST to the webhook."""
    return posted(url, orjson.dumps(payload(message, channel)), JSON)


def payload(message: Message, channel: Slack) -> dict[str, Any]:
    """Return the attachment, in no more characters than Slack takes."""
    for max_text, max_field in ((MAX_TEXT, 500), (1000, 250), (300, 100)):
        written = _payload(message, channel, max_text, max_field)
        if len(orjson.dumps(written).decode()) <= MAX_CHARACTERS:
            return written
    written["attachments"][0].pop("actions", None)  # long links are all that can be left
    written["attachments"][0].pop("title_link", None)
    return written


def _payload(message: Message, channel: Slack, max_text: int, max_field: int) -> dict[str, Any]:
    title = wording.title(message)
    text = wording.text(message, channel.template)
    attachment: dict[str, Any] = {
        "color": _colour(message),
        "fallback": escape(f"{title}: {text}", MAX_FIELD if max_text == MAX_TEXT else max_text),
        "title": escape(title, MAX_TITLE),
        "text": escape(text, max_text),
        "fields": [
            {"title": field.title, "value": escape(field.value, max_field), "short": field.short}
            for field in wording.fields(message)[:MAX_FIELDS]
        ],
        "footer": escape(f"opwatch · {message.breach.rule}", MAX_TITLE),
        "ts": message.created_ms // 1000,
        # Our words are no markup: an underscore in a series' name is an underscore.
        "mrkdwn_in": ["text"] if channel.template else [],
    }
    links = wording.links(message)[:MAX_BUTTONS]
    if links:
        attachment["actions"] = [
            {"type": "button", "text": link.text, "url": link.url} for link in links
        ]
    if dashboard := next((link.url for link in links if link.text == "View dashboard"), None):
        attachment["title_link"] = dashboard
    return {"attachments": [attachment]}


def _colour(message: Message) -> str:
    if wording.is_unknown(message):
        return UNKNOWN_COLOUR
    if message.event == "resolved":
        return RESOLVED_COLOUR
    return COLOURS[message.breach.severity]


def escape(text: str, limit: int) -> str:
    """Return the text as Slack shows it and nothing in it means anything, cut to the limit.

    Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    text = _MENTION.sub(_NO_MENTION, text)
    escaped = [_ESCAPED.get(character, character) for character in text]
    if sum(map(len, escaped)) <= limit:
        return "".join(escaped)
    kept, size = [], len(ELLIPSIS)
    for character in escaped:
        size += len(character)
        if size > limit:
            break
        kept.append(character)
    return "".join(kept) + ELLIPSIS
