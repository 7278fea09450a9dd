"""Compute with the values of a row: cells that may stand for numbers, and what JSON has."""

import operator
import re
from collections.abc import Callable
from typing import Any

from agents.replay.cells import Cell, number_of, truth_of

#: Segments of a path that name one thing among many: numbers, UUIDs, long hexadecimal ids.
_ID_SEGMENT = re.compile(r"\d+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{16,}")
_TEMPLATE_LENGTH = 100


class ExpressionError(ValueError):
    """The text is no expression, or a row lacks what it needs; the sentence says which."""


def template(path: str) -> str:
    """Return a path with `{id}` for each segment that names one thing among many."""
    segments = (
        "{id}" if _ID_SEGMENT.fullmatch(it) else it for it in path.partition("?")[0].split("/")
    )
    return "/".join(segments)[:_TEMPLATE_LENGTH]


def added(left: Any, right: Any) -> Any:
    """Return the sum of two numbers, else one text after the other.

    Raises:
        ExpressionError: it is none.
    """
    both = isinstance(left, Cell) and isinstance(right, Cell)
    numbers = (number_of(left), number_of(right)) if both else (None, None)
    if None not in numbers:
        return operator.add(*numbers)
    if both or _is_text(left) or _is_text(right):
        return text(left) + text(right)
    return number(left) + number(right)


def contained(left: Any, right: Any) -> bool:
    """Return whether a value is in a list, or a text in a text.

    Raises:
        ExpressionError: it is none.
    """
    if isinstance(right, list):
        return any(equal(left, element) for element in right)
    return text(left) in text(right)


def equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal, as numbers if one of them is one."""
    return bool(operator.eq(*_alike(left, right)))


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return what compares two values by their order."""

    def compared(left: Any, right: Any) -> bool:
        if left is None or right is None:
            raise ExpressionError(f"{_shown(None)} cannot be compared")
        return compare(*_alike(left, right))

    return compared


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Return both as numbers if one is a number and the other a text, or both are cells of them."""
    if isinstance(left, Cell) and isinstance(right, Cell):
        numbers = number_of(left), number_of(right)
        return (left, right) if None in numbers else numbers
    if isinstance(left, bool) and isinstance(right, str):
        return left, truth(right)
    if isinstance(right, bool) and isinstance(left, str):
        return truth(left), right
    if isinstance(left, str) and isinstance(right, int | float):
        return number(left), right
    if isinstance(right, str) and isinstance(left, int | float):
        return left, number(right)
    return left, right


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not (isinstance(value, Cell) and number_of(value) is not None)


def number(value: Any) -> int | float:
    """Return a value as a number.

    Raises:
        ExpressionError: it is none.
    """
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    found = number_of(value) if isinstance(value, str) else None
    if found is None:
        raise ExpressionError(f"{_shown(value)} is no number")
    return found


def text(value: Any) -> str:
    """Return a value as text.

    Raises:
        ExpressionError: it is none.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    raise ExpressionError(f"{_shown(value)} is no text")


def truth(value: Any) -> bool:
    """Return whether a value says true.

    Raises:
        ExpressionError: it is none.
    """
    if isinstance(value, bool | int | float):
        return bool(value)
    if value is None:
        return False
    found = truth_of(value) if isinstance(value, str) else None
    if found is None:
        raise ExpressionError(f"{_shown(value)} is neither true nor false")
    return found


def _shown(value: Any) -> str:
    if value is None:
        return "what is empty"
    text = repr(str(value)) if isinstance(value, str) else type(value).__name__
    return text if len(text) <= 40 else text[:39] + "…"
