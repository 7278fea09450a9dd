"""Say of a field, by its name, whether its value stands in the input."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from schemas.quality_config import Expected, FieldKind

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_LETTER = re.compile(r"[\W_]+")
#: Names of fields that are remembered: any producer makes some up.
_MOST_KINDS = 10_000


def kind_of(name: str, expected: Expected) -> FieldKind:
    """Return whether the field is verbatim, paraphrased, or nobody says."""
    kinds = expected.field_kinds
    kind = kinds.get(name)
    if kind is None:
        if len(kinds) >= _MOST_KINDS:
            kinds.clear()
        kind = kinds[name] = _kind_of(name, expected)
    return kind


@lru_cache(maxsize=_MOST_KINDS)
def snake_case(name: str) -> str:
    """Return a name as the patterns have it: `jobTitle` and `Job title` are job_title."""
    return _NO_LETTER.sub("_", _HUMP.sub("_", name)).strip("_").lower()


def _kind_of(name: str, expected: Expected) -> FieldKind:
    snake = snake_case(name)
    if _fits(name, snake, expected.paraphrased):
        return "paraphrased"
    return "verbatim" if _fits(name, snake, expected.verbatim) else "other"


def _fits(name: str, snake: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, it) or fnmatchcase(snake, it) for it in patterns)
