"""Keep a block's events as columns, one entry an event, in the log's order."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.measure.series import HIGH_FROM, LEVELS, MEDIUM_FROM
from streams.measure.sizes import MINUTE_MS

#: An exemplar names an error type by so many characters: six rows repeat it, and a record on
#: `partials` must stay below Kafka's limit whatever a producer takes for a type.
ERROR_TYPE_LENGTH = 200
NO_LEVEL = len(LEVELS)
_CACHE = {None: 0, "hit": 1, "miss": 2}
_PPM = 1_000_000

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
    """Of each event the ten whole numbers of Stats that are added up."""
    ids: list[str]
    error_types: list[str | None]

    @staticmethod
    def joined(parts: "list[Columns]") -> "Columns":
        """Return the parts, one after the other."""
        joined = [np.concatenate(column) for column in list(zip(*parts, strict=True))[:7]]
        ids = [one for part in parts for one in part.ids]
        return Columns._make([*joined, ids, [one for part in parts for one in part.error_types]])


def columns_of(events: Any, begin: int, until: int, pairs: list[int]) -> Columns:
    """Return the columns of blocks.Events from one place to another."""
    operations = events.operations[begin:until]
    success = np.array([op.success for op in operations], np.bool_)
    duration = np.array([op.duration_ms for op in operations], np.float64)
    confidence = np.array([op.confidence for op in operations], np.float64)
    cache = np.array([_CACHE[op.cache] for op in operations], np.int8)
    ttl = np.array([op.cache_ttl_s for op in operations], np.float64)
    evictions = np.array([op.cache_evictions or 0 for op in operations], np.int64)
    sure, timed = ~np.isnan(confidence), ~np.isnan(ttl)
    sums = np.empty((len(operations), 10), np.int64)
    sums[:, 0] = 1
    sums[:, 1] = success
    sums[:, 2] = np.rint(duration * 1000)
    sums[:, 3] = cache == _CACHE["hit"]
    sums[:, 4] = cache == _CACHE["miss"]
    sums[:, 5] = evictions
    sums[:, 6] = timed
    sums[:, 7] = np.rint(np.where(timed, ttl, 0) * 1000)
    sums[:, 8] = sure
    sums[:, 9] = np.rint(np.where(sure, confidence, 0) * _PPM)
    level = (confidence >= MEDIUM_FROM).astype(np.int64) + (confidence >= HIGH_FROM)
    return Columns(
        np.array(pairs, np.int64),
        np.where(sure, level, NO_LEVEL),
        events.when_ms[begin:until] // MINUTE_MS,
        events.offset[begin:until],
        ~success,
        duration,
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
