"""Compute with the values of a template: none grows past a bound, and none takes long."""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.templates import MAX_INTEGER, MAX_PRECISION

MAX_RESULT = 8000


class Failed(Exception):
    """A template cannot be rendered; the message says why, without a full stop."""


@dataclass(frozen=True)
class Undefined:
    """A name without a value; a template can only ask whether it is defined."""

    why: str


def usable(value: Any) -> Any:
    """Return the value.

    Raises:
        Failed: there is none.
    """
    if isinstance(value, Undefined):
        raise Failed(f"UndefinedError: {value.why}")
    return value


def bounded(value: Any) -> Any:
    """Return the value.

    Raises:
        Failed: it is too large.
    """
    if isinstance(value, str | list | tuple | dict) and len(value) > MAX_RESULT:
        message = f"a value has more than {MAX_RESULT} characters or elements"
        raise Failed(message)
    if isinstance(value, int) and abs(value) >= MAX_INTEGER:
        message = "a number is too large"
        raise Failed(message)
    return value


def element(held: Any, name: Any) -> Any:
    """Return what a dictionary or list has there; never an attribute of Python's."""
    absent = Undefined(f"there is no {str(name)[:40]!r}")
    if isinstance(held, Mapping):
        return held.get(name, absent)
    if isinstance(held, str | list | tuple) and type(name) is int:
        return held[name] if -len(held) <= name < len(held) else absent
    return absent


def sliced(held: Any, start: Any, stop: Any, step: Any) -> Any:
    """Return a part of a text or list."""
    if not isinstance(held, str | list | tuple):
        message = "only texts and lists have parts"
        raise Failed(message)
    return held[start:stop:step]


def added(left: Any, right: Any) -> Any:
    """Return the sum of numbers, or texts or lists one after the other."""
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return [*left, *right]
    return _number(left) + _number(right)


def subtracted(left: Any, right: Any) -> Any:
    """Return the difference of numbers."""
    return _number(left) - _number(right)


def divided(left: Any, right: Any) -> Any:
    """Return the quotient of numbers."""
    return _number(left) / _number(right)


def _number(value: Any) -> Any:
    if not isinstance(value, int | float):
        message = f"{str(value)[:40]!r} is no number"
        raise Failed(message)
    return value


def _default(value: Any, other: Any = "", boolean: Any = False) -> Any:  # noqa: FBT002, RUF100 - as Jinja has it
    return other if isinstance(value, Undefined) or (boolean and not value) else value


def _round(value: Any, precision: Any = 0, method: Any = "common") -> Any:
    if type(precision) is not int or abs(precision) > MAX_PRECISION:
        message = f"round wants -{MAX_PRECISION} to {MAX_PRECISION} digits"
        raise Failed(message)
    if method == "common":
        return round(_number(value), precision)
    if method not in ("ceil", "floor"):
        message = "round wants common, ceil or floor"
        raise Failed(message)
    whole = math.ceil if method == "ceil" else math.floor
    return whole(_number(value) * 10**precision) / 10**precision


def _replace(value: Any, old: Any, new: Any, count: Any = None) -> str:
    text: str = str(value)
    old, new = str(old), str(new)
    times = text.count(old) if count is None else min(text.count(old), int(count))
    if len(text) + times * (len(new) - len(old)) > MAX_RESULT:
        message = f"replace would write more than {MAX_RESULT} characters"
        raise Failed(message)
    return text.replace(old, new, -1 if count is None else int(count))


def _join(value: Any, between: Any = "") -> str:
    parts, separator = [str(part) for part in value], str(between)
    if sum(map(len, parts)) + (len(parts) - 1) * len(separator) > MAX_RESULT:
        message = f"join would write more than {MAX_RESULT} characters"
        raise Failed(message)
    return separator.join(parts)


def _truncate(value: Any, length: Any = 255, killwords: Any = False, end: Any = "...") -> str:  # noqa: FBT002, RUF100 - as Jinja has it
    text: str = str(value)
    end = str(end)
    if len(text) <= length:
        return text
    cut: str = text[: max(0, length - len(end))]
    return f"{cut if killwords else cut.rsplit(' ', 1)[0]}{end}"


def _sort(value: Any, reverse: Any = False) -> list[Any]:  # noqa: FBT002, RUF100 - as Jinja has it
    return sorted(value, key=_folded, reverse=bool(reverse))


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _int(value: Any, default: Any = 0) -> Any:
    try:
        return int(float(value)) if isinstance(value, str) and "." in value else int(value)
    except (ValueError, TypeError, OverflowError):
        return default


def _float(value: Any, default: Any = 0.0) -> Any:
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError):
        return default


def _unique(value: Any) -> list[Any]:
    found: dict[Any, Any] = {}
    for element in value:
        found.setdefault(_folded(element), element)
    return list(found.values())


def _dictsort(value: Any) -> list[tuple[Any, Any]]:
    return sorted(value.items(), key=lambda item: _folded(item[0]))


def _end(at: int) -> Callable[[Any], Any]:
    def end(value: Any) -> Any:
        held = list(value)
        return held[at] if held else Undefined("an empty list has no first or last")

    return end


FILTERS: Mapping[str, Callable[..., Any]] = {
    "abs": lambda value: abs(_number(value)),
    "capitalize": lambda value: str(value).capitalize(),
    "count": len,
    "d": _default,
    "default": _default,
    "dictsort": _dictsort,
    "first": _end(0),
    "float": _float,
    "int": _int,
    "items": lambda value: list(value.items()),
    "join": _join,
    "last": _end(-1),
    "length": len,
    "lower": lambda value: str(value).lower(),
    "replace": _replace,
    "round": _round,
    "sort": _sort,
    "string": str,
    "title": lambda value: str(value).title(),
    "trim": lambda value, letters=None: str(value).strip(letters),
    "truncate": _truncate,
    "unique": _unique,
    "upper": lambda value: str(value).upper(),
}
TESTS: Mapping[str, Callable[..., bool]] = {
    "defined": lambda value: not isinstance(value, Undefined),
    "undefined": lambda value: isinstance(value, Undefined),
    "none": lambda value: usable(value) is None,
    "true": lambda value: usable(value) is True,
    "false": lambda value: usable(value) is False,
    "number": lambda value: isinstance(usable(value), int | float),
    "string": lambda value: isinstance(usable(value), str),
    "mapping": lambda value: isinstance(usable(value), Mapping),
}
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
    "in": lambda left, right: left in right,
    "notin": lambda left, right: left not in right,
}
