"""Keep a block's events as columns, one entry an event, in the log's order."""

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.fields import SUMMED, TALLIED
from schemas.spans import MINUTE_MS
from streams.measure.confidence_levels import HIGH_FROM, LEVELS, MEDIUM_FROM

#: Of an error type, and of other texts, the first characters: six rows repeat them, and a record on
#: `partials` must stay below Kafka's limit whatever a producer sends.
TEXT_LENGTH = 200
#: The first is named by exemplars, all others are tallied.
TEXTS = [*dict.fromkeys(("error_type", *(tallied.attribute for tallied in TALLIED.values())))]
NO_LEVEL = len(LEVELS)


def _values_of(attribute: str) -> Callable[[list[Any]], list[Any]]:
    """Return what lists an attribute of operations."""
    read = f"lambda operations: [operation.{attribute} for operation in operations]"
    values_of: Callable[[list[Any]], list[Any]] = eval(read)  # noqa: S307 - attrgetter is slower
    return values_of


#: What lists each attribute of operations that is a number, or null.
_NUMBERS = {
    name: _values_of(name)
    for name in {
        "success",
        "confidence",
        "duration_ms",
        *(summed.attribute for summed in SUMMED.values() if summed.equals is None),
    }
    if name is not None
}
_TEXTS = [_values_of(name) for name in TEXTS]
#: What lists each other attribute that is summed up, and for each word the field that it adds to.
_WORDS: dict[str, tuple[Callable[[list[Any]], list[Any]], dict[str, int]]] = {}
for _place, _summed in enumerate(SUMMED.values()):
    if _summed.attribute is not None and _summed.equals is not None:
        _word = _WORDS.setdefault(_summed.attribute, (_values_of(_summed.attribute), {}))
        _word[1][_summed.equals] = _place

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Columns(NamedTuple):
    """Events as columns, one entry an event, in the log's order."""

    pair: Ints
    """The number of (operation, platform) in the block."""
    level: Ints
    minute: Ints
    offset: Ints
    failed: npt.NDArray[np.bool_]
    duration_ms: Floats
    sums: Ints
    """Of each event what it adds to each of schemas.fields.Sums."""
    ids: list[str]
    texts: list[list[str | None]]
    """The attributes TEXTS of each event."""

    @staticmethod
    def joined(parts: "list[Columns]") -> "Columns":
        """Return the parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        columns = list(zip(*parts, strict=True))
        *numbers, ids, texts = columns
        return Columns._make(
            [
                *map(np.concatenate, numbers),
                [*chain.from_iterable(ids)],
                [[*chain.from_iterable(of_parts)] for of_parts in zip(*texts, strict=True)],
            ]
        )


def columns_of(events: Any, begin: int, until: int, pairs: list[int]) -> Columns:
    """Return the columns of decode.Events from one place to another."""
    operations = events.operations[begin:until]
    size = len(operations)
    numbers: dict[str, Floats] = {
        # np.array takes twice the time where values are null
        name: np.fromiter(values_of(operations), np.float64, size)
        for name, values_of in _NUMBERS.items()
    }
    present = {name: ~np.isnan(values) for name, values in numbers.items()}
    sums = np.empty((size, len(SUMMED)), np.int64)
    for place, (attribute, _, times, equals, is_there, _) in enumerate(SUMMED.values()):
        if attribute is None:
            sums[:, place] = 1
        elif is_there:
            sums[:, place] = present[attribute]
        elif equals is None:
            added = numbers[attribute]
            if not present[attribute].all():
                added = np.where(present[attribute], added, 0)
            sums[:, place] = added if times == 1 else np.rint(added * times)
    for values_of, places in _WORDS.values():
        found = np.fromiter([places.get(word, -1) for word in values_of(operations)], np.int8, size)
        for place in places.values():
            sums[:, place] = found == place
    confidence = numbers["confidence"]
    level = (confidence >= MEDIUM_FROM).astype(np.int64) + (confidence >= HIGH_FROM)
    return Columns(
        np.fromiter(pairs, np.int64, size),
        np.where(present["confidence"], level, NO_LEVEL),
        events.when_ms[begin:until] // MINUTE_MS,
        events.offset[begin:until],
        numbers["success"] == 0,
        numbers["duration_ms"],
        sums,
        [op.id for op in operations],
        [_cut(values_of(operations)) for values_of in _TEXTS],
    )


def touched_minutes(columns: Columns, after: int) -> Columns:
    """Return the columns without the minutes that no event past an offset is in."""
    touched = np.unique(columns.minute[columns.offset > after])
    inside = np.isin(columns.minute, touched)
    if inside.all() or not len(touched):
        return columns
    places = np.flatnonzero(inside).tolist()
    *numbers, ids, texts = columns
    return Columns._make(
        [
            *(column[inside] for column in numbers),
            [ids[place] for place in places],
            [[text[place] for place in places] for text in texts],
        ]
    )


def _cut(texts: list[str | None]) -> list[str | None]:
    if max(map(len, filter(None, texts)), default=0) <= TEXT_LENGTH:
        return texts
    return [text and text[:TEXT_LENGTH] for text in texts]
