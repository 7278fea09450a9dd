"""Read label matchers as Prometheus writes them: `operation="parse", platform=~"lever|ashby"`.

Patterns are RE2's, as Prometheus' are: it never backtracks, so a match takes time in proportion to
the text, whatever the pattern.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]  # it has no stubs

from schemas.commands import Matcher

#: Of a silence, or of a rule.
MAX_MATCHERS = 20
#: Of all matchers together, as they are typed.
MAX_TEXT = 4_000
MAX_PATTERN = 200
#: Instructions of RE2: what one character of a text costs at most. `lever|ashby` has 14.
_MAX_PROGRAM = 1_000
#: Bytes, of a pattern and what RE2 remembers while it matches.
_MAX_MEMORY = 1 << 18
_TOO_LARGE = "has too many repeats and alternatives"
_NOT_IN_RE2 = "it has no backreferences, no lookaround and no possessive repeats"

#: RE2 takes such a repeat for plain text, which nobody means.
_ENDLESS = re.compile(r"\{\d*,?\d{5,}")

_MATCHER = re.compile(
    r'\s*(?P<label>[A-Za-z_]\w*)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*'
)
_LABEL = re.compile(r"\s*([A-Za-z_]\w*)\s*(==|=~|!~|!=|=|:)?")


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Return the matchers of a text; surrounding braces are allowed.

    Raises:
        ValueError: it is not written so; the message says what to write.
    """
    if len(text) > MAX_TEXT:
        message = f"matchers are longer than {MAX_TEXT} characters"
        raise ValueError(message)
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
    if len(found) > MAX_MATCHERS:
        message = f"{len(found)} matchers are too many: at most {MAX_MATCHERS}"
        raise ValueError(message)
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
    """Return what is wrong with a pattern, None if nothing: it is none, or too large."""
    if len(pattern) > MAX_PATTERN:
        return f"is longer than {MAX_PATTERN} characters"
    compiled = _compiled(pattern)
    return compiled if isinstance(compiled, str) else None


def _holds(matcher: Matcher, value: str) -> bool:
    if matcher.operator == "=":
        return value == matcher.value
    if matcher.operator == "!=":
        return value != matcher.value
    found = _found(matcher.value, value)
    return found is not None and found is (matcher.operator == "=~")


@lru_cache(maxsize=20_000)
def _found(pattern: str, value: str) -> bool | None:
    """Return whether the whole value fits the pattern, None if that is none."""
    compiled = _compiled(pattern) if len(pattern) <= MAX_PATTERN else ""
    if isinstance(compiled, str):
        return None
    return compiled.fullmatch(value.encode("utf-8", "replace").decode()) is not None


@lru_cache(maxsize=6_000)
def _compiled(pattern: str) -> Any:
    """Return the compiled pattern, or what is wrong with it."""
    if _ENDLESS.search(pattern):
        return "is no regular expression: a repeat of more than 1000"
    options = re2.Options()
    options.max_mem, options.log_errors = _MAX_MEMORY, False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        return _refusal(pattern, error.args[0])
    except UnicodeEncodeError:
        return "is no regular expression: it holds half a character"
    return compiled if compiled.programsize <= _MAX_PROGRAM else _TOO_LARGE


def _refusal(pattern: str, raw: object) -> str:
    """Return why RE2 does not take a pattern; what Python does not take either it says better."""
    why = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    if "too large" in why:
        return _TOO_LARGE
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    return f"is no regular expression of RE2: {why} ({_NOT_IN_RE2})"


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
