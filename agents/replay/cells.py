"""Read what a cell of text means: a number, a truth, a time, or nothing."""

import math
import re
from datetime import datetime
from typing import Any

from schemas.operations import Operation, epoch_ms
from schemas.received import to_cache

_TRUTH = dict.fromkeys(("true", "yes", "1", "t", "y", "ok"), True)
_TRUTH |= dict.fromkeys(("false", "no", "0", "f", "n"), False)
NUMBERS = frozenset({"duration_ms", "confidence", "cache_ttl_s", "cache_evictions", "version"})
#: What exports write into a cell of numbers that has none.
_NOTHING = frozenset({"", "-", "nan", "null", "none", "na", "n/a", "\\n"})
#: No underscores, no digits of other scripts, no inf and nan, all of which float() takes.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
#: 1.234,5 as much of Europe writes it.
_DECIMAL_COMMA = re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]+")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
#: [27/Nov/2026:08:06:00.123 +0000], as Apache and nginx write it.
_LOG_TIME = re.compile(
    r"\[?([0-9]{1,2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.([0-9]{1,6})[0-9]*)? ([+-][0-9]{2})([0-9]{2})\]?"
)


class Cell(str):
    """A text that came from a file of texts, so it may stand for a number."""

    __slots__ = ()


class CommaCell(Cell):
    """A cell of a file that writes decimal commas: 1.234,5 is 1234.5."""

    __slots__ = ()


def number_of(cell: str) -> int | float | None:
    """Return the number that a text is, or None."""
    text = cell.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    if isinstance(cell, CommaCell) and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def truth_of(cell: str) -> bool | None:
    """Return whether a text says true or false, or None."""
    return _TRUTH.get(cell.strip().lower())


def time_of(text: str) -> int | float | str:
    """Return a text's time as a number, if it is one or a web server's; else the text."""
    if (number := number_of(text)) is not None:
        return number
    text = str(text).strip()
    if not (found := _LOG_TIME.fullmatch(text)) or found[2] not in _MONTHS:
        return text
    month = _MONTHS.index(found[2]) + 1
    fraction = (found[5] or "0").ljust(6, "0")
    iso = f"{found[3]}-{month:02}-{found[1]:0>2}T{found[4]}.{fraction}{found[6]}:{found[7]}"
    try:
        return epoch_ms(datetime.fromisoformat(iso))
    except ValueError:
        return text


def field_value(field: str, cell: str) -> Any:
    """Return a cell as its field takes it; the schema judges what cannot be read."""
    if field in NUMBERS:
        if cell.strip().lower() in _NOTHING and not Operation.model_fields[field].is_required():
            return None
        number = number_of(cell)
        return str(cell) if number is None else number
    if field == "occurred_at":
        return time_of(cell)
    if field == "success":
        truth = truth_of(cell)
        return str(cell) if truth is None else truth
    return to_cache(cell.strip()) if field == "cache" else str(cell).strip()
