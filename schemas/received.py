"""Take what services send for what they mean, where only one meaning is possible.

A record is refused only for what decides a count. All else has a meaning or is absent.
"""

import json
from typing import Any

from pydantic import BeforeValidator, model_validator

from schemas.base import Wire

#: What is kept of a description that is an object or an array.
_DESCRIPTION_LENGTH = 500


class Received(Wire):
    """A message, or a part of one, that services send: null is absent wherever a default exists."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or None not in fields.values():
            return fields
        required = {name for name, it in cls.model_fields.items() if it.is_required()}
        return {
            name: value for name, value in fields.items() if value is not None or name in required
        }


def to_text(value: object) -> object:
    """Return a description as text, whatever JSON it is; null stays."""
    if value is None or isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if isinstance(value, int | float) else text[:_DESCRIPTION_LENGTH]


def to_whole(value: object) -> object:
    """Return a float that is a whole number as an integer; leave anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def to_duration(value: object) -> object:
    """Return 0 for less than a millisecond below 0, which clocks measure; leave anything else."""
    return 0.0 if type(value) in (int, float) and -1 < value < 0 else value  # type: ignore[operator]


def to_cache(value: object) -> object:
    """Return hit or miss, however it is written; None for any other answer of a cache."""
    word = value.lower() if isinstance(value, str) else None
    return word if word in ("hit", "miss") else None


#: JSON numbers, truths, objects and arrays become text.
AsText = BeforeValidator(to_text)
#: Floats that are whole numbers become integers.
Whole = BeforeValidator(to_whole)
