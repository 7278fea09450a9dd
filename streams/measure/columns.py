"""Keep a block's events as columns, one entry an event, in the log's order."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.fields import SUMMED
from schemas.spans import MINUTE_MS
from streams.measure.series import HIGH_FROM, LEVELS, MEDIUM_FROM

#: An exemplar names an error type by so many characters: six rows repeat it, and a record on
#: `partials` must stay below Kafka's limit whatever a producer takes for a type.
ERROR_TYPE_LENGTH = 200
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
    error_types: list[str | None]

    @staticmethod
    def joined(parts: "list[Columns]") -> "Columns":
        """Return the parts, one after the other."""
        joined = [np.concatenate(column) for column in list(zip(*parts, strict=True))[:7]]
        ids = [name for part in parts for name in part.ids]
        return Columns._make([*joined, ids, [name for part in parts for name in part.error_types]])


def columns_of(events: Any, begin: int, until: int, pairs: list[int]) -> Columns:
    """Return the columns of decode.Events from one place to another."""
    operations = events.operations[begin:until]
    numbers: dict[str, Floats] = {
        name: np.array(values_of(operations), np.float64) for name, values_of in _NUMBERS.items()
    }
    sums = np.empty((len(operations), len(SUMMED)), np.int64)
    for place, (attribute, _, times, equals, present, _) in enumerate(SUMMED.values()):
        if attribute is None:
            sums[:, place] = 1
        elif equals is None:
            added = numbers[attribute]
            missing = np.isnan(added)
            if present:
                sums[:, place] = ~missing
            else:
                sums[:, place] = np.rint(np.where(missing, 0, added) * times)
    for values_of, places in _WORDS.values():
        found = np.array([places.get(word, -1) for word in values_of(operations)], np.int8)
        for place in places.values():
            sums[:, place] = found == place
    confidence = numbers["confidence"]
    level = (confidence >= MEDIUM_FROM).astype(np.int64) + (confidence >= HIGH_FROM)
    return Columns(
        np.array(pairs, np.int64),
        np.where(np.isnan(confidence), NO_LEVEL, level),
        events.when_ms[begin:until] // MINUTE_MS,
        events.offset[begin:until],
        numbers["success"] == 0,
        numbers["duration_ms"],
        sums,
        [op.id for op in operations],
        _cut([op.error_type for op in operations]),
    )


def touched_minutes(columns: Columns, after: int) -> Columns:
    """Return the columns without the minutes that no event past an offset is in."""
    touched = np.unique(columns.minute[columns.offset > after])
    inside = np.isin(columns.minute, touched)
    if inside.all() or not len(touched):
        return columns
    places = np.flatnonzero(inside).tolist()
    ids, error_types = columns.ids, columns.error_types
    return Columns._make(
        [
            *(column[inside] for column in columns[:7]),
            [ids[place] for place in places],
            [error_types[place] for place in places],
        ]
    )


def _cut(error_types: list[str | None]) -> list[str | None]:
    if max(map(len, filter(None, error_types)), default=0) <= ERROR_TYPE_LENGTH:
        return error_types
    return [error_type and error_type[:ERROR_TYPE_LENGTH] for error_type in error_types]
