"""Say of a field, by its name, whether its value stands in the input."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

from schemas.quality_config import Expected

FieldKind = Literal["verbatim", "paraphrased", "other"]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_LETTER = re.compile(r"[\W_]+")
#: At most this many names of fields are remembered: producers invent them.
_MOST_KINDS = 10_000


def kind_of(name: str, expected: Expected) -> FieldKind:
    """Return whether the field is verbatim, paraphrased, or nobody says."""
    return _kind_of(name, expected.verbatim, expected.paraphrased)


@lru_cache(maxsize=_MOST_KINDS)
def snake_case(name: str) -> str:
    """Return a name as the patterns have it: `jobTitle` and `Job title` are job_title."""
    return _NO_LETTER.sub("_", _HUMP.sub("_", name)).strip("_").lower()


@lru_cache(maxsize=_MOST_KINDS)
def _kind_of(name: str, verbatim: tuple[str, ...], paraphrased: tuple[str, ...]) -> FieldKind:
    snake = snake_case(name)
    if _fits(name, snake, paraphrased):
        return "paraphrased"
    return "verbatim" if _fits(name, snake, verbatim) else "other"


def _fits(name: str, snake: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, it) or fnmatchcase(snake, it) for it in patterns)
