"""Fit the parts of an analysis into opwatch's schema.

Nothing raises, whatever a host sets: a value that does not fit is left out and `bad` is called.
Only `Unfit` is raised, by what fits the parts of a list or a mapping, and is met here.
"""

from collections.abc import Callable, Iterable, Mapping
from time import time_ns
from typing import Any, TypeVar, Union

from opwatch_client import wire
from opwatch_client.wire import Bad

Json = Union[None, bool, int, float, str, list["Json"], dict[str, "Json"]]  # noqa: UP007 - recursive
Part = TypeVar("Part")

# The schema's bounds; tests/unit/client hold the two together.
ID_LENGTH = 128
INPUT_LENGTH = 256 * 1024
SENTENCE_LENGTH = 2000
QUOTE_LENGTH = 4000
URL_LENGTH = 4000
FIELD_NAME_LENGTH = 100
MOST_FIELDS = 100
MOST_ITEMS = 50
MOST_TOKENS = 10**9
MOST_ATTEMPTS = 1000


class Unfit(Exception):
    """The value has no JSON that opwatch accepts."""


def present(body: Mapping[str, Json]) -> dict[str, Json]:
    """Return what is not None."""
    return {name: value for name, value in body.items() if value is not None}


def utf8(text: str) -> bytes:
    """Return the text in UTF-8; a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace")


def text(value: object, name: str, length: int, bad: Bad) -> str | None:
    """Return a text cut at `length`; None without one."""
    if value is None:
        return None
    cut = wire.text(value, length)
    if cut is None:
        bad(name)
    return cut or None


def share(value: object, name: str, bad: Bad) -> float | None:
    """Return a number from 0 to 1."""
    if value is None:
        return None
    number = wire.number(value, 1.0)
    if number is None:
        bad(name)
    return number


def whole(value: object, name: str, most: int, bad: Bad) -> int | None:
    """Return a whole number from 0 to `most`."""
    if value is None:
        return None
    number = wire.whole(value, most)
    if number is None:
        bad(name)
    return number


def moment(value: object, name: str, bad: Bad) -> int:
    """Return a time in epoch milliseconds, by default now."""
    at_ms = whole(value, name, wire.MAX_EPOCH_MS, bad)
    return time_ns() // 1_000_000 if at_ms is None else at_ms


def by_field(
    values: object, name: str, bad: Bad, fit: Callable[[object], Part]
) -> dict[str, Part] | None:
    """Return what fits of a mapping by field; None without one."""
    if values is None:
        return None
    fitting: dict[str, Part] = {}
    try:
        pairs = list(values.items())  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - a host's mapping may raise anything
        bad(name)
        return fitting
    for field, value in pairs:
        try:
            field_name = _fit_text(field, FIELD_NAME_LENGTH)
            if len(fitting) >= MOST_FIELDS:
                raise Unfit  # noqa: TRY301 - as what follows does
            fitting[field_name] = fit(value)
        except Exception:  # noqa: BLE001 - a host's __str__ may raise anything
            bad(name)
    return fitting


def items(values: object, name: str, bad: Bad, fit: Callable[[object], Part]) -> list[Part]:
    """Return what fits of a list; a text or a mapping alone is a list of it."""
    fitting: list[Part] = []
    try:
        if values is None:
            return fitting
        if isinstance(values, str | Mapping):
            values = [values]
        parts = list(_first(values, MOST_ITEMS + 1))  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - a host's iterable may raise anything
        bad(name)
        return fitting
    for value in parts:
        try:
            if len(fitting) >= MOST_ITEMS:
                raise Unfit  # noqa: TRY301 - as what follows does
            fitting.append(fit(value))
        except Exception:  # noqa: BLE001 - a host's __str__ may raise anything
            bad(name)
    return fitting


def _first(values: Iterable[object], most: int) -> Iterable[object]:
    for _, value in zip(range(most), values, strict=False):
        yield value


# ---------------------------------------------------------------- the parts of lists and mappings


def fit_share(value: object) -> float:
    """Return a number from 0 to 1.

    Raises:
        Unfit: it is none.
    """
    number = wire.number(value, 1.0)
    if number is None:
        raise Unfit
    return number


def fit_evidence(value: Any) -> Json:
    """Return a quote, with its field if the mapping names one."""
    if not isinstance(value, Mapping):
        return {"quote": _fit_text(value, QUOTE_LENGTH)}
    quote: dict[str, Json] = {"quote": _fit_text(value["quote"], QUOTE_LENGTH)}
    if value.get("field") is not None:
        quote["field"] = _fit_text(value["field"], FIELD_NAME_LENGTH)
    return quote


def fit_factor(value: Any) -> Json:
    """Return a factor.

    Raises:
        Unfit: it neither raises nor lowers.
    """
    direction = str(value["direction"])
    if direction not in ("raises", "lowers"):
        raise Unfit
    factor: dict[str, Json] = {
        "description": fit_sentence(value["description"]),
        "direction": direction,
    }
    if value.get("weight") is not None:
        factor["weight"] = fit_share(value["weight"])
    return factor


def fit_sentence(value: object) -> str:
    """Return a text of a sentence's length."""
    return _fit_text(value, SENTENCE_LENGTH)


def fit_word(value: object) -> str:
    """Return a text of a word's length."""
    return _fit_text(value, wire.TEXT_LENGTH)


def _fit_text(value: object, length: int) -> str:
    cut = str(value)[:length]
    if not cut:
        raise Unfit
    return cut
