"""Say what is wrong with the form of a field's value."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from pydantic import JsonValue

from schemas.quality_config import Format
from streams.quality.days import Day, day_of, is_meant_as_date
from streams.quality.figures import numbers_in
from streams.quality.text import words_of

#: What a program leaves in a value by mistake.
_LEFT_OVER = re.compile(
    r"\{\{.{0,80}?\}\}|\$\{.{0,80}?\}|\[object Object\]|</?[a-zA-Z][^<>]{0,200}>|\ufffd"
    r"|\A\s*(?:undefined|NaN|null|None|<unknown>|TODO|lorem ipsum)\s*\Z"
)
_EMAIL = re.compile(r"[^\s@<>,;]{1,64}@[^\s@<>,;.]+(?:\.[^\s@<>,;.]+)+")
_URL = re.compile(r"(?:https?://)?[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:[/?#]\S*)?", re.IGNORECASE)
_DATE_NAME = re.compile(r"date|deadline|posted|expires|until|start|birthday|_at\Z|_on\Z")
_EMAIL_NAME = re.compile(r"e_?mail\Z")
_MAX_TEXT = 2_000
_RANGES = (("min", "max"), ("from", "to"))
_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?!\d)")
_EXAMPLES: dict[Format, str] = {
    "text": "text",
    "number": "a number such as 120000",
    "date": "a date such as 2026-03-04",
    "url": "a link such as https://example.com/jobs",
    "email": "a mail address such as jobs@example.com",
    "boolean": "true or false",
}


def malformed(name: str, value: JsonValue, expected: Format | None) -> str | None:
    """Return what is wrong with the value's form, None if nothing.

    Args:
        name: of the field, in snake_case: one that names a date holds none that does not exist.
        value: not null.
        expected: its form, where it is configured.
    """
    if expected is not None and not _is_of(expected, value):
        return f"is not {_EXAMPLES[expected]}"
    if not isinstance(value, str):
        return None
    text = value[:_MAX_TEXT]
    if left_over := _LEFT_OVER.search(text):
        return f"holds {left_over[0].strip()[:40]!r}, which a program left there"
    if (_ISO.match(text) or _DATE_NAME.search(name)) and _is_no_day(text):
        return "is no date that exists"
    if _EMAIL_NAME.search(name) and not _EMAIL.search(text):
        return f"is not {_EXAMPLES['email']}"
    return None


def wrong_order(fields: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    """Yield each field that holds a least value above the field with the most, and a sentence."""
    for name, least in fields.items():
        if not isinstance(least, int | float):
            continue
        for other in _most_of(name):
            most = fields.get(other)
            if isinstance(most, int | float) and least > most:
                yield name, f"{name} {least} is above {other}, which is {most}"


@lru_cache(maxsize=10_000)
def _most_of(name: str) -> tuple[str, ...]:
    """Return the names of fields that have the most, where one has the least by its name."""
    others = (re.sub(rf"(?<![a-z]){low}(?![a-z])", high, name) for low, high in _RANGES)
    return tuple(other for other in others if other != name)


def _is_no_day(text: str) -> bool:
    words = words_of(text).split()
    if not is_meant_as_date(text, words):
        return False
    digits = re.match(r"\s*[\d./-]+", text)  # a time may follow
    return not (_days(digits[0].strip().rstrip("./-")) if digits else ()) and not _days(text)


def _days(text: str) -> frozenset[Day]:
    return day_of(text, words_of(text).split())


def _is_of(expected: Format, value: JsonValue) -> bool:
    match expected:
        case "number":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number or (isinstance(value, str) and bool(numbers_in(value[:_MAX_TEXT])))
        case "boolean":
            return isinstance(value, bool)
        case "text":
            return isinstance(value, str)
        case "date":
            return isinstance(value, str) and bool(_days(value[:_MAX_TEXT]))
        case "email":
            return isinstance(value, str) and bool(_EMAIL.fullmatch(value[:_MAX_TEXT].strip()))
        case "url":
            return isinstance(value, str) and bool(_URL.fullmatch(value[:_MAX_TEXT].strip()))
