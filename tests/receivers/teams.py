"""Take what a webhook of Teams' Workflows app takes, and refuse what it cannot show."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from tests.receivers.http import Arrived, Status, Vendor

#: A signature as Power Automate writes it, with what clients like to quote anew.
PATH = (
    "/workflows/0123456789abcdef/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2frun&sv=1.0&sig=SIGNATURE-0_1~2'3-abcdefghij"
)
#: About 28 KB, in whichever encoding it is counted.
MAX_SIZE = 28 * 1024
_MESSAGE = {"type", "attachments", "summary"}
_ATTACHMENT = {"contentType", "contentUrl", "content"}
_CARD = {"$schema", "type", "version", "fallbackText", "msteams", "body", "actions"}
_STYLES = {"default", "emphasis", "good", "attention", "warning", "accent"}
_BLOCK = {"type", "text", "wrap", "size", "weight", "isSubtle", "color", "spacing", "separator"}
_SIZES = {"Default", "Small", "Medium", "Large", "ExtraLarge"}
#: Markup that is not escaped: emphasis, code, a link, a tag, an entity, a function.
_MARKUP = re.compile(r"(?<!\\)[*_`~|<>&\[\]]|\{\{")
_LINE_START = re.compile(r"^\s*([#+-]+(\s|$)|\d+[.)](\s|$))", re.MULTILINE)


def teams(arrived: Arrived) -> tuple[list[str], Status]:
    """Answer 202, or as a workflow does to what it does not take."""
    if arrived.path != PATH or arrived.method != "POST":
        mistake = [f"no such workflow, or another signature: {arrived.path}"]
        return mistake, _error(401, "DirectApiAuthorizationRequired")
    if _size(arrived.body) > MAX_SIZE:
        return ["more than 28 KB"], _error(413, "RequestEntityTooLarge")
    found = _mistakes(arrived)
    if found:
        return found, _error(400, "InvalidRequestContent")
    return [], Status(status=202)


def vendor() -> Vendor:
    """Return what reads requests as a workflow would."""
    return teams


def environment(url: str) -> dict[str, str]:
    """Return the environment for the receiver at `url`."""
    return {"TEAMS_WEBHOOK_URL": url + PATH}


def address(_url: str) -> None:
    """Return None: the environment holds the address."""


def lines(body: dict[str, Any]) -> list[str]:
    """Return the card as a person would see it."""
    card = body["attachments"][0]["content"]
    buttons = " ".join(f"[{action['title']}]" for action in card["actions"])
    texts = [line for part in card["body"] for line in _texts(part)]
    return [*(line for text in texts for line in plain(text).splitlines()), buttons]


def plain(text: str) -> str:
    """Return a text of a card without its escapes."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text.replace("\n\n", "\n"))


def _texts(part: dict[str, Any]) -> list[str]:
    match part["type"]:
        case "Container":
            return [text for item in part["items"] for text in _texts(item)]
        case "FactSet":
            return [f"{fact['title']}: {fact['value']}" for fact in part["facts"]]
    return [part["text"]]


def _size(body: bytes) -> int:
    return max(len(body), len(body.decode().encode("utf-16-le")))


def _error(status: int, code: str) -> Status:
    body = {"error": {"code": code, "message": "The request is not valid."}}
    return Status(status=status, body=json.dumps(body).encode())


def _mistakes(arrived: Arrived) -> list[str]:
    if not arrived.headers.get("content-type", "").startswith("application/json"):
        return ["not JSON by its content type"]
    try:
        return mistakes(json.loads(arrived.body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"not a message: {error!r}"]


def mistakes(message: dict[str, Any]) -> list[str]:
    """Return what is wrong with a message."""
    found = [f"unknown: {name}" for name in set(message) - _MESSAGE]
    (attachment,) = message["attachments"]
    if set(attachment) != _ATTACHMENT or attachment["contentUrl"] is not None:
        found.append(f"an attachment is {sorted(attachment)}")
    if message["type"] != "message":
        found.append("type is not message")
    if attachment["contentType"] != "application/vnd.microsoft.card.adaptive":
        found.append("contentType")
    return found + _card(attachment["content"])


def _card(card: dict[str, Any]) -> list[str]:
    mistakes = [f"unknown: {name}" for name in set(card) - _CARD]
    if card["type"] != "AdaptiveCard" or card["version"] not in ("1.2", "1.3", "1.4"):
        mistakes.append("no card that a workflow shows")
    if not card["body"]:
        mistakes.append("no body")
    called = [it["text"] for it in card["msteams"].get("entities", ())]
    for entity in card["msteams"].get("entities", ()):
        text = f"<at>{entity['mentioned']['name']}</at>"
        by_address = "@" in entity["mentioned"]["id"]
        if entity["type"] != "mention" or entity["text"] != text or not by_address:
            mistakes.append(f"no mention that Teams shows: {entity}")
    for part in card["body"]:
        if called and part.get("text") == " ".join(called):
            called = []  # once
            continue
        mistakes += _part(part)
    if called:
        mistakes.append("a mention whose text stands nowhere")
    if len(card["actions"]) > 6:
        mistakes.append("more than 6 actions")
    for action in card["actions"]:
        mistakes += _action(action)
    return mistakes


def _part(part: dict[str, Any]) -> list[str]:
    match part["type"]:
        case "Container":
            known = set(part) == {"type", "style", "bleed", "items"} and part["style"] in _STYLES
            inner = [mistake for item in part["items"] for mistake in _part(item)]
            return inner if known else [f"a container is {part}", *inner]
        case "TextBlock":
            known = set(part) <= _BLOCK and part.get("size", "Default") in _SIZES
            mistakes = [] if known and part["wrap"] is True else [f"a text block is {sorted(part)}"]
            return mistakes + _text(part["text"])
        case "FactSet":
            return [
                mistake
                for fact in part["facts"]
                for mistake in ([] if set(fact) == {"title", "value"} else [f"a fact is {fact}"])
                + _text(fact["value"])
            ]
    return [f"an unknown part: {part['type']}"]


def _text(text: str) -> list[str]:
    if _MARKUP.search(text.replace("\\\\", "")) or _LINE_START.search(text):
        return [f"not escaped: {text[:100]!r}"]
    return []


def _action(action: dict[str, Any]) -> list[str]:
    parts = urlsplit(action["url"])
    mistakes = [] if set(action) == {"type", "title", "url"} else [f"an action is {action}"]
    if action["type"] != "Action.OpenUrl" or not action["title"]:
        mistakes.append("an action opens no URL")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        mistakes.append("an action's url")
    return mistakes
