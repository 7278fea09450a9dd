"""Read and write spans of time as Prometheus does: `90s`, `5m`, `1h30m`."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
#: `aggregates` keeps a week.
LONGEST_MS = 7 * 24 * 60 * MINUTE_MS
MOST_MS = 100 * 366 * 24 * 60 * MINUTE_MS
_UNIT_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
PATTERN = r"^(0|(\d+(ms|s|m|h|d|w))+)$"
_MAX_TEXT = 40
_SPAN = re.compile(r"(\d+)(ms|s|m|h|d|w)")


def to_ms(value: object) -> object:
    """Return a span such as `90s`, `5m` or `1h30m` in milliseconds.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        message = f"{repr(value)[:_MAX_TEXT]} has no unit: write a span such as 30s, 5m or 1h30m"
        raise ValueError(message)  # noqa: TRY004 - pydantic reports ValueError only
    if len(value) > _MAX_TEXT:
        message = f"is no span: it is longer than {_MAX_TEXT} characters"
        raise ValueError(message)
    if value == "0":
        return 0
    parts = _SPAN.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        message = f"{value!r} is no span: write 30s, 5m or 1h30m (units ms s m h d w)"
        raise ValueError(message)
    span_ms = sum(int(number) * _UNIT_MS[unit] for number, unit in parts)
    if span_ms > MOST_MS:
        message = "is longer than a hundred years"
        raise ValueError(message)
    return span_ms


def as_text(span_ms: int) -> str:
    """Return a span as people write it: `1h30m`."""
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        number, span_ms = divmod(span_ms, _UNIT_MS[unit])
        text += f"{number}{unit}" if number else ""
    return text or "0s"


def whole_minutes(span_ms: int) -> int:
    """Return the span if it is composed of minutes, which is what windows are made of."""
    if span_ms % MINUTE_MS:
        minutes = max(round(span_ms / MINUTE_MS), 1)
        message = f"is not composed of whole minutes: write {minutes}m"
        raise ValueError(message)
    return span_ms


def some_minutes(span_ms: int) -> int:
    """Return the span if it is composed of minutes, at least one and at most a week."""
    if not 0 < whole_minutes(span_ms) <= LONGEST_MS:
        message = "must be from 1m to 7d"
        raise ValueError(message)
    return span_ms


def positive(span_ms: int) -> int:
    """Return the span if it takes any time."""
    if span_ms <= 0:
        message = "must be longer than 0: write 5m"
        raise ValueError(message)
    return span_ms


Span = Annotated[
    int,
    BeforeValidator(to_ms),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["5m"]}),
]
"""Milliseconds, written as in Prometheus: `5m`."""
Minutes = Annotated[Span, AfterValidator(whole_minutes)]
Window = Annotated[Span, AfterValidator(some_minutes)]
Positive = Annotated[Span, AfterValidator(positive)]
