"""Read label matchers as Prometheus writes them: `operation="parse", platform=~"lever|ashby"`."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from re import _constants, _parser  # type: ignore[attr-defined]  # what a pattern is made of
from typing import Any

from schemas.commands import Matcher

MAX_PATTERN = 200
#: A text of this length is what a repeat without an end is counted as.
_LENGTH = 100
#: Three of those, one after the other, and some alternatives.
_MAX_WAYS = 10 * _LENGTH**3
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)

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
    """Return whether all matchers hold; a label that is not there is the empty text.

    With a pattern that `pattern_problem` refuses, as an old row may have one, none holds.
    """
    return all(_holds(matcher, labels.get(matcher.label, "")) for matcher in matchers)


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern, None if nothing: it is none, or may take for ever."""
    if len(pattern) > MAX_PATTERN:
        return f"is longer than {MAX_PATTERN} characters"
    try:
        re.compile(pattern)
        ways = _ways(_parser.parse(pattern), repeated=False)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    except _Slow as slow:
        return str(slow)
    if ways > _MAX_WAYS:
        return "has too many repeats and alternatives: three repeats without an end at most"
    return None


class _Slow(Exception):
    """A pattern may be matched in so many ways that to find none takes for ever."""


def _ways(items: Any, *, repeated: bool) -> int:
    """Return in how many ways a text may be tried, at most and roughly.

    Raises:
        _Slow: a repeat is in a repeat, or alternatives are.
    """
    ways = 1
    for operation, given in items:
        if operation in _REPEATS:
            least, most, inner = given
            ways *= _ways(inner, repeated=repeated or most > 1)
            if least != most:
                _refuse(repeated, "a repeat")
                ways *= min(most - least + 1, _LENGTH)
        elif operation is _constants.BRANCH:
            _refuse(repeated, "alternatives")
            ways *= sum(_ways(one, repeated=repeated) for one in given[1])
        elif operation is _constants.GROUPREF_EXISTS:
            _refuse(repeated, "alternatives")
            ways *= sum(_ways(one, repeated=repeated) for one in given[1:] if one)
        elif operation is _constants.SUBPATTERN:
            ways *= _ways(given[3], repeated=repeated)
        elif operation in (_constants.ASSERT, _constants.ASSERT_NOT):
            ways *= _ways(given[1], repeated=repeated)
        elif operation is _constants.ATOMIC_GROUP:
            ways *= _ways(given, repeated=repeated)
    return ways


def _refuse(repeated: bool, what: str) -> None:
    if repeated:
        message = f"can take for ever, with {what} inside a repeat: write it without"
        raise _Slow(message)


def _holds(matcher: Matcher, value: str) -> bool:
    if matcher.operator == "=":
        return value == matcher.value
    if matcher.operator == "!=":
        return value != matcher.value
    pattern = _compiled(matcher.value)
    if pattern is None:
        return False
    return (pattern.fullmatch(value) is not None) is (matcher.operator == "=~")


@lru_cache(maxsize=1_000)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    return re.compile(pattern) if pattern_problem(pattern) is None else None


def _matcher(match: re.Match[str]) -> Matcher:
    operator, value = match["operator"], re.sub(r'\\(["\\])', r"\1", match["value"])
    if operator in ("=~", "!~"):
        why = pattern_problem(value)
        if why is not None:
            message = f"{value!r} {why}"
            raise ValueError(message)
    return Matcher.model_validate({"label": match["label"], "operator": operator, "value": value})


def _wanted(rest: str) -> str:
    label = _LABEL.match(rest)
    name = label[1] if label else "operation"
    operator = label[2] if label and label[2] in ("=", "!=", "=~", "!~") else "="
    return f'{rest.strip()!r} is no matcher: write {name}{operator}"…", its value in double quotes'
