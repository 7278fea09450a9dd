"""Make values fit their columns: as well as they can be stored, and flagged where they differ.

PostgreSQL refuses NUL in text, lone surrogates, times beyond its calendar, numbers beyond their
type, and keys that are too long for an index. A flag is the column's name and what was done to it:
`platform_cut`, `message_cleaned`, `count_clamped`.
"""

import hashlib
import json
import math
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from streams.history.tables import Entry, HistoryTable

#: An index takes 2,704 bytes a key: three names, each of four bytes a character at most.
NAME_LENGTH = 200
_MARK_LENGTH = 12
_IDS = uuid.UUID("5d1f5bd4-5a0d-4e0c-9d0f-6f70776d6574")
#: What RFC 9562 leaves of a hash in an id of version 5, and what it puts there.
_NAMELESS = ~((0xF000 << 64) | (0xC000 << 48)) & ((1 << 128) - 1)
_VERSION_5 = (5 << 76) | (0x8000 << 48)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
_FIRST_MS = -62_135_596_800_000
_LIMITS = {"int4": (1 << 31) - 1, "int8": (1 << 63) - 1}
_UNFIT = re.compile("[\x00\ud800-\udfff]")
#: In JSON: what may be one of them, escaped, or a number beyond numeric's digits, or none.
_UNFIT_NUMBER = r"[eE][+-]?\d{4}|NaN|Infinity"
_UNFIT_JSON = re.compile(r"\\u0000|\\u[dD][89a-fA-F]|[\x00\ud800-\udfff]|\d{1000}|" + _UNFIT_NUMBER)
_UNFIT_SHORT = re.compile(_UNFIT_NUMBER)
_REPLACEMENT = "�"
#: PostgreSQL's numeric takes 131,072 digits before the point, and 16,383 behind it.
_MOST_DIGITS = 1_000

_Fitted = tuple[Any, str]
_FITS = ""


def entry(table: HistoryTable, *values: Any) -> Entry:
    """Return an entry of a table that has flags: these values, as they can be stored."""
    plan = _plans.get(table.name)
    if plan is None:
        plan = _plans[table.name] = _plan_of(table)
    fits, order = plan
    stored = list(values)
    flags = []
    for place, name, fit in fits:
        value = stored[place]
        if value is not None:
            stored[place], flag = fit(value)
            if flag:
                flags.append(f"{name}_{flag}")
    return Entry(table, (*stored, flags), tuple([stored[place] for place in order]))


def id_of(*names: str | None) -> uuid.UUID:
    """Return the id of the row with these names: the same whoever stores it."""
    return uuid.uuid5(_IDS, ascii(names))


def ids_of(*names: str | None) -> Callable[[str], uuid.UUID]:
    """Return what makes of a first name the id_of it and these: in a third of the time."""
    begins, ends = _IDS.bytes + b"(", f", {', '.join(map(ascii, names))})".encode()

    def id_of_first(first: str) -> uuid.UUID:
        digest = hashlib.sha1(begins + ascii(first).encode() + ends, usedforsecurity=False).digest()
        return uuid.UUID(int=(int.from_bytes(digest[:16], "big") & _NAMELESS) | _VERSION_5)

    return id_of_first


def fit_text(text: str) -> _Fitted:
    """Return a text that PostgreSQL takes, and what was done to it."""
    if ("\0" not in text and text.isascii()) or _UNFIT.search(text) is None:
        return text, _FITS
    return _UNFIT.sub(_REPLACEMENT, text), "cleaned"


def fit_name(name: str, length: int = NAME_LENGTH) -> _Fitted:
    """Return a name that fits; one that is changed stays distinct, by a hash at its end."""
    fitted, flag = fit_text(name)
    if len(fitted) > length:
        fitted, flag = fitted[: length - _MARK_LENGTH - 1], "cut"
    if flag:
        mark = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_MARK_LENGTH]
        fitted = f"{fitted[: length - _MARK_LENGTH - 1]}~{mark}"
    return fitted, flag


def fit_json(value: Any) -> _Fitted:
    """Return JSON text that PostgreSQL takes; `value` is JSON in bytes or text, or an object."""
    if isinstance(value, bytes):
        text = value.decode(errors="replace")
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False)
    is_plain = "\\" not in text and "\0" not in text and text.isascii()
    is_short = len(text) < _MOST_DIGITS and _UNFIT_SHORT.search(text) is None
    if (is_plain and is_short) or _UNFIT_JSON.search(text) is None:
        return text, _FITS
    found = json.loads(text, parse_int=_whole, parse_float=_fraction)
    cleaned = _cleaned(found)
    if cleaned == found:
        return text, _FITS
    return json.dumps(cleaned, ensure_ascii=False), "cleaned"


class _Beyond(NamedTuple):
    """A number of more digits than numeric takes."""

    nearest: float


def _whole(digits: str) -> int | _Beyond:
    return int(digits) if len(digits) < _MOST_DIGITS else _Beyond(float(digits))


def _fraction(digits: str) -> float | _Beyond:
    number = float(digits)
    return number if _UNFIT_JSON.search(digits) is None else _Beyond(number)


def _cleaned(value: Any) -> Any:
    """Return a JSON value without what PostgreSQL refuses."""
    if isinstance(value, str):
        return fit_text(value)[0]
    if isinstance(value, _Beyond):
        value = value.nearest
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {fit_text(name)[0]: _cleaned(item) for name, item in value.items()}
    return value


@lru_cache(maxsize=65_536)
def at(time_ms: int) -> datetime:
    """Return a time in the calendar; one beyond it is its first or last moment."""
    return _EPOCH + timedelta(milliseconds=min(max(time_ms, _FIRST_MS), _LAST_MS))


def _fit_time(time_ms: int) -> _Fitted:
    return at(time_ms), _FITS if _FIRST_MS <= time_ms <= _LAST_MS else "clamped"


def _fit_whole(most: int) -> Callable[[int], _Fitted]:
    def fit(number: int) -> _Fitted:
        if -most <= number <= most:
            return number, _FITS
        return min(max(number, -most), most), "clamped"

    return fit


def _fit_texts(texts: list[str]) -> _Fitted:
    fitted = [fit_text(text)[0] for text in texts]
    return fitted, _FITS if fitted == list(texts) else "cleaned"


_FIT: dict[str, Callable[[Any], _Fitted]] = {
    "name": fit_name,
    "text": fit_text,
    "json": fit_json,
    "texts": _fit_texts,
    "time": _fit_time,
    "int4": _fit_whole(_LIMITS["int4"]),
    "int8": _fit_whole(_LIMITS["int8"]),
}


_Plan = tuple[list[tuple[int, str, Callable[[Any], _Fitted]]], tuple[int, ...]]
_plans: dict[str, _Plan] = {}


def _plan_of(table: HistoryTable) -> _Plan:
    """Return each column whose values may not fit, and where the rank stands."""
    fits = [
        (place, name, _FIT[kind])
        for place, (name, kind) in enumerate(table.columns.items())
        if kind in _FIT and name != "flags"
    ]
    return fits, table.places[1]
