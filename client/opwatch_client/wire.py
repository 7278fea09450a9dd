"""Turn a host's values into fields that opwatch's schema accepts.

Nothing raises, whatever a host sets: a value that does not fit is left out and `bad` is called.
"""

import json
import operator
import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Fields = dict[str, str | float | int | bool]
#: Called with the name of a field whose value was left out.
Bad = Callable[[str], None]

# The schema's bounds; tests/contract and tests/integration hold the two together.
NAME_LENGTH = 128
TEXT_LENGTH = 200
MESSAGE_LENGTH = 500
MAX_DURATION_MS = 1e10
MAX_EPOCH_MS = 253_402_300_799_999
MAX_TTL_S = 1e9
MAX_EVICTIONS = 10**9

GENERIC = "generic"
UNNAMED = "unnamed"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_ID_BYTES = 16


def name(value: object, default: str) -> str:
    """Return a name that opwatch accepts: no control characters, 128 characters at most.

    Returns `default` for an empty name, and for `*`, which means all operations.
    """
    if type(value) is not str:
        if value is None:
            return default
        try:
            value = str(value)
        except Exception:  # noqa: BLE001 - a host's __str__ may raise anything
            return default
    return _name(value, default)


@lru_cache(maxsize=4096)
def _name(value: str, default: str) -> str:
    cleaned = _CONTROL.sub("?", value[:NAME_LENGTH])
    return default if cleaned in ("", "*") else cleaned


def number(value: object, highest: float) -> float | None:
    """Return a number from 0 to `highest`, or None for anything else."""
    if isinstance(value, bool | str | bytes):
        return None
    try:
        exact = float(value)  # type: ignore[arg-type]  # numpy's, Decimal and their kind welcome
    except Exception:  # noqa: BLE001 - a host's __float__ may raise anything
        return None
    return exact if 0 <= exact <= highest else None


def whole(value: object, highest: int) -> int | None:
    """Return a whole number from 0 to `highest`, or None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        exact = operator.index(value)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - a host's __index__ may raise anything
        return None
    return exact if 0 <= exact <= highest else None


def text(value: object, length: int) -> str | None:
    """Return a text cut at `length`, or None if the value has none."""
    try:
        return str(value)[:length]
    except Exception:  # noqa: BLE001 - a host's __str__ may raise anything
        return None


def add_cache(fields: Fields, cache: object, ttl_s: object, evictions: object, bad: Bad) -> None:
    """Add the fields of the cache."""
    if cache is not None:
        if isinstance(cache, str) and cache in ("hit", "miss"):
            fields["cache"] = cache
        else:
            bad("cache")
    if ttl_s is not None:
        add(fields, "cache_ttl_s", number(ttl_s, MAX_TTL_S), bad)
    if evictions is not None:
        add(fields, "cache_evictions", whole(evictions, MAX_EVICTIONS), bad)


def add_text(fields: Fields, field: str, value: object, bad: Bad) -> None:
    """Add a text, unless it is empty."""
    if value is None:
        return
    cut = text(value, MESSAGE_LENGTH if field == "error_message" else TEXT_LENGTH)
    if cut != "":
        add(fields, field, cut, bad)


def add(fields: Fields, field: str, value: str | float | None, bad: Bad) -> None:
    """Add a value; None means that it did not fit."""
    if value is None:
        bad(field)
    else:
        fields[field] = value


def ids(count: int) -> list[str]:
    """Return `count` random ids of 32 hexadecimal digits."""
    digits = os.urandom(_ID_BYTES * count).hex()
    width = 2 * _ID_BYTES
    return [digits[at : at + width] for at in range(0, len(digits), width)]


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return a message as JSON in UTF-8; a lone surrogate becomes a question mark."""
    return _encode(fields).encode("utf-8", "replace")


def join(operations: list[bytes]) -> bytes:
    """Return a record: a single operation as an object, several as an array."""
    if len(operations) == 1:
        return operations[0]
    return b"[" + b",".join(operations) + b"]"
