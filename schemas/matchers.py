"""Read label matchers as Prometheus writes them: `operation="parse", platform=~"lever|ashby"`."""

import re
from collections.abc import Mapping, Sequence

from schemas.commands import Matcher

_MATCHER = re.compile(
    r'\s*(?P<label>[A-Za-z_]\w*)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*'
)
_LABEL = re.compile(r"\s*([A-Za-z_]\w*)\s*(==|=~|!~|!=|=|:)?")


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Return the matchers of a text; surrounding braces are allowed.

    Raises:
        ValueError: it is not written so; the message says what to write.
    """
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    found: list[Matcher] = []
    at = 0
    while text[at:].strip():
        match = _MATCHER.match(text, at)
        if match is None:
            raise ValueError(_wanted(text[at:]))
        at = match.end()
        if at < len(text):
            if text[at] != ",":
                message = f"a comma is missing before {text[at:]!r}"
                raise ValueError(message)
            at += 1
        found.append(_matcher(match))
    if not found:
        message = 'no matcher: write operation="parse" or leave `match` out'
        raise ValueError(message)
    return tuple(found)


def matches(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Return whether all matchers hold; a label that is not there is the empty text."""
    return all(_holds(matcher, labels.get(matcher.label, "")) for matcher in matchers)


def _holds(matcher: Matcher, value: str) -> bool:
    if matcher.operator == "=":
        return value == matcher.value
    if matcher.operator == "!=":
        return value != matcher.value
    found = re.fullmatch(matcher.value, value) is not None
    return found is (matcher.operator == "=~")


def _matcher(match: re.Match[str]) -> Matcher:
    operator, value = match["operator"], re.sub(r'\\(["\\])', r"\1", match["value"])
    if operator in ("=~", "!~"):
        try:
            re.compile(value)
        except re.error as error:
            message = f"{value!r} is no regular expression: {error}"
            raise ValueError(message) from None
    return Matcher.model_validate({"label": match["label"], "operator": operator, "value": value})


def _wanted(rest: str) -> str:
    label = _LABEL.match(rest)
    name = label[1] if label else "operation"
    operator = label[2] if label and label[2] in ("=", "!=", "=~", "!~") else "="
    return f'{rest.strip()!r} is no matcher: write {name}{operator}"…", its value in double quotes'
