"""Turn a host's values into JSON that opwatch's schema accepts."""

import math
import operator
from collections.abc import Mapping
from datetime import date
from typing import Any

from opwatch_client.fitting import INPUT_LENGTH, Json, Unfit

#: What databases and parsers of JSON take.
_LARGEST_INT = 2**63 - 1
#: Deeper, or with more values, it is no result but a mistake, such as a list that contains itself.
_DEEPEST = 16
_MOST_VALUES = 10_000


def json_value(value: object) -> Json:
    """Return the value as JSON; dates as ISO 8601.

    Raises:
        Unfit: it has none: an object, NaN, an integer beyond 64 bits, or too deep or too many.
    """
    budget = [_MOST_VALUES]
    try:
        return _json(value, _DEEPEST, budget)
    except Unfit:
        raise
    except Exception as error:
        raise Unfit from error


def _json(value: Any, depth: int, budget: list[int]) -> Json:
    budget[0] -= 1
    if depth < 0 or budget[0] < 0:
        raise Unfit
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)[:INPUT_LENGTH]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {
            str(name)[:INPUT_LENGTH]: _json(value[name], depth - 1, budget) for name in list(value)
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item, depth - 1, budget) for item in value]
    return _json_number(value)


def _json_number(value: Any) -> int | float:
    try:
        whole = operator.index(value)
    except TypeError:
        number = float(value)  # numpy's, Decimal and their kind welcome
        if isinstance(value, bytes | bytearray) or not math.isfinite(number):
            raise Unfit from None
        return number
    if abs(whole) > _LARGEST_INT:
        raise Unfit
    return whole
