"""A message as an attachment of Slack's incoming webhooks."""

import re
from typing import Any

import orjson

from schemas.breaches import Breach
from schemas.channels import SLACK_GROUPS, Slack
from streams.channels import wording
from streams.channels.message import Message, Traits
from streams.channels.request import JSON, Request, posted, shown
from streams.channels.response_meaning import (
    Answer,
    Rejected,
    Response,
    Retry,
    Sent,
    by_status,
    described,
)
from streams.channels.text_format import ELLIPSIS, fit

#: https://api.slack.com/reference/block-kit/blocks and /block-elements: what Slack shows of
#: blocks; attachments are documented without limits, so the same are kept.
MAX_TITLE = 150
MAX_TEXT = 3000
#: What happened to the first alert gives way to the names of the others, down to this.
MAX_SHORTENED = 300
_MORE = 40
MAX_FIELD = 2000
MAX_FIELDS = 10
MAX_URL = 3000
#: https://api.slack.com/reference/messaging/attachments#legacy_fields
MAX_BUTTONS = 5
#: https://docs.slack.dev/changelog/2018-truncating-really-long-messages
MAX_CHARACTERS = 9000

#: https://docs.slack.dev/apis/web-api/rate-limits: one message a second.
TRAITS = Traits(max_alerts=40, pace_ms=1_000)

COLOURS = {"critical": "#c0182a", "high": "#e8590c", "medium": "#f2b705", "low": "#3a7bd5"}
RESOLVED_COLOUR = "#2eb67d"
#: Of what nobody knows to be well again.
UNKNOWN_COLOUR = "#8d8d8d"

#: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
PERMANENT = (
    "invalid_payload",
    "invalid_token",
    "no_service",
    "no_service_id",
    "no_team",
    "no_text",
    "team_disabled",
    "too_many_attachments",
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "posting_to_general_channel_denied",
    "user_not_found",
)

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MENTION = re.compile("@(?=here|channel|everyone)", re.IGNORECASE)
#: A space of no width between the @ and the word, so that Slack sees no mention.
_NO_MENTION = "@\u200b"


def request(message: Message, channel: Slack, url: str) -> Request:
    """Return the POST to the webhook."""
    return posted(url, orjson.dumps(payload(message, channel)), JSON)


def read(response: Response, now_ms: int) -> Answer:
    """Return what Slack means: success is 200 and the body `ok`, and nothing else is."""
    if response.status != 200:
        return by_status(response, now_ms)
    if response.text == "ok" and response.whole:
        return Sent(answer="200 ok")
    if response.text in PERMANENT:
        return Rejected(answer=described(response))
    if not response.whole:
        return Retry(answer=f"200 (cut off) {response.text}", ambiguous=True)
    return Retry(answer=f"200 (not Slack's ok) {response.text}")


def preview(message: Message, channel: Slack) -> bytes:
    """Return the POST, with the variable in place of its URL."""
    return shown(request(message, channel, f"${{{channel.webhook_url_env}}}"))


def payload(message: Message, channel: Slack) -> dict[str, Any]:
    """Return the attachment, in no more characters than Slack takes; names go last."""
    for max_fallback, max_field in ((MAX_FIELD, 500), (300, 100)):
        written = _payload(message, channel, max_fallback, max_field)
        if len(orjson.dumps(written).decode()) <= MAX_CHARACTERS:
            return written
    written["attachments"][0].pop("actions", None)  # only long links can take so much
    written["attachments"][0].pop("title_link", None)
    return written


def named(message: Message, channel: Slack) -> int:
    """Return how many of a message's alerts it names, the first ones."""
    missing = _text(message, wording.text(message, channel.template))[1]
    return 1 + (len(message.others) if missing is None else message.others.index(missing))


def _payload(message: Message, channel: Slack, max_fallback: int, max_field: int) -> dict[str, Any]:
    title = wording.title(message)
    what = wording.text(message, channel.template)
    attachment: dict[str, Any] = {
        "color": _colour(message),
        "fallback": escape(f"{title}: {what}", max_fallback),
        "title": escape(title, MAX_TITLE),
        "text": _text(message, what)[0],
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
    return _head(message, channel) | {"attachments": [attachment]}


def _head(message: Message, channel: Slack) -> dict[str, Any]:
    """Return whom the message calls, by the rule file alone, and as whom it is shown."""
    named = {"username": channel.username, "icon_emoji": channel.icon_emoji}
    called = channel.mention if message.event in wording.CALLS else ()
    named["text"] = " ".join(map(_mention, called)) or None
    return {name: value for name, value in named.items() if value is not None}


def _mention(who: str) -> str:
    """Return what calls somebody.

    Source: https://docs.slack.dev/messaging/formatting-message-text#mentioning-users
    """
    if who in SLACK_GROUPS:
        return f"<!{who}>"
    return f"<!subteam^{who}>" if who.startswith("S") else f"<@{who}>"


def _text(message: Message, what: str) -> tuple[str, Breach | None]:
    """Return the text, and the first alert that it has no room to name.

    The first alert's name, where the title is too short for it; what happened; the other alerts.
    """
    title = wording.title(message)
    first = [escape(wording.name(message.breach), MAX_TEXT)] if _is_cut(title) else []
    room = MAX_TEXT - sum(len(line) + 1 for line in first)
    if not message.others:
        return "\n".join([*first, escape(what, room)]), None
    for text, line_of in (
        (what, wording.listed),
        (fit(what, MAX_SHORTENED), wording.listed),
        (fit(what, MAX_SHORTENED), wording.short),
    ):
        others = wording.unnamed(message, text)
        lines = [f"• {escape(line_of(other), MAX_TEXT)}" for other in others]
        escaped = escape(text, 10 * MAX_TEXT)
        if sum(len(line) + 1 for line in lines) + len(escaped) <= room:
            return "\n".join([*first, escaped, *lines]), None
    most = max(min(2 * MAX_SHORTENED, room - _MORE), 0)
    text = wording.shortened(text, lambda part: len(escape(part, 10 * MAX_TEXT)) <= most)
    others = wording.unnamed(message, text)
    lines = [f"• {escape(wording.short(other), MAX_TEXT)}" for other in others]
    escaped = escape(text, most)
    room -= len(escaped) + _MORE
    for count, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            rest = f"{ELLIPSIS} and {len(lines) - count} more."
            return "\n".join([*first, escaped, *lines[:count], rest]), others[count]
    return "\n".join([*first, escaped, *lines]), None


def _is_cut(title: str) -> bool:
    return len(escape(title, MAX_TEXT)) > MAX_TITLE


def _colour(message: Message) -> str:
    if wording.is_unknown(message):
        return UNKNOWN_COLOUR
    if message.event == "resolved":
        return RESOLVED_COLOUR
    return COLOURS[message.breach.severity]


def escape(text: str, limit: int) -> str:
    """Return the text so that Slack shows it as it is, without markup, cut to the limit.

    Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    text = _MENTION.sub(_NO_MENTION, text)
    whole = text.translate(_ESCAPED)
    if len(whole) <= limit:
        return whole
    fitting, size = [], len(ELLIPSIS)
    for character in (character.translate(_ESCAPED) for character in text):
        size += len(character)
        if size > limit:
            break
        fitting.append(character)
    return "".join(fitting) + ELLIPSIS
