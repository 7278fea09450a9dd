"""Fold a block's events into rows: each event once, into its leaf; breakdowns merge from leaves.

A leaf is (operation, platform, value of the second label, minute). Each leaf counts in six series:
an operation, or all, by nothing, a platform or the second label, such as the confidence level.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise, starmap
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.fields import Sums, Tallies
from schemas.partials import ExemplarRow, PartialRow, Stats
from streams.measure.centroids import PARTIAL_LIMIT
from streams.measure.columns import Columns, Floats, Ints, touched_minutes
from streams.measure.confidence_levels import LEVELS
from streams.measure.digests import pack_each
from streams.measure.merge import EXEMPLARS
from streams.measure.runs import places_of, sizes_of, starts_of
from streams.measure.series import ALL, series_name
from streams.measure.tallies import FailureNames


class SecondLabel(NamedTuple):
    """What series are labelled by beside the platform, and its values by their number."""

    name: str
    values: Sequence[str]
    """A number beyond is none."""


CONFIDENCE = SecondLabel("confidence", LEVELS)


class _Leaves(NamedTuple):
    """Leaves, and the events sorted by leaf; within one, successes then failures, by duration."""

    start: Ints
    """Where each leaf's events begin."""
    size: Ints
    event: Ints
    """The place of each sorted event in the columns."""
    duration_ms: npt.NDArray[np.float32]
    sums: Ints
    squares: Floats
    low_ms: Floats
    high_ms: Floats
    last_offset: Ints
    leaf_of: Ints
    """The leaf of each event, by its place in the columns."""


def _leaves_of(columns: Columns, leaf: Ints) -> _Leaves:
    by_worth = np.lexsort((columns.duration_ms, columns.failed))
    order = by_worth[np.argsort(_narrow(leaf[by_worth]), kind="stable")]
    start = starts_of(leaf[order])
    duration = columns.duration_ms[order]
    size = sizes_of(start, len(order))
    leaf_of = np.empty_like(order)
    leaf_of[order] = np.repeat(np.arange(len(start)), size)
    return _Leaves(
        start,
        size,
        order,
        duration.astype(np.float32),
        np.add.reduceat(columns.sums[order], start, axis=0),
        np.add.reduceat(duration * duration, start),
        np.minimum.reduceat(duration, start),
        np.maximum.reduceat(duration, start),
        np.maximum.reduceat(columns.offset[order], start),
        leaf_of,
    )


def _narrow(keys: Ints) -> npt.NDArray[np.integer[Any]]:
    """Return the keys in 16 bits where they fit: numpy then sorts them in linear time."""
    return keys.astype(np.uint16) if len(keys) and keys.max() < 1 << 16 else keys


class _Breakdown(NamedTuple):
    """A way to make series of leaves."""

    leaves: Ints
    """Those that count."""
    key: Ints
    """The number of each leaf's series."""
    size: int
    """How many numbers there are."""
    name: Callable[[int], str]
    """Returns a series by its number."""


#: The first breakdowns are those of all operations.
_OF_ALL = 3


def fold(
    columns: Columns,
    pairs: list[tuple[str, str]],
    after: int,
    second: SecondLabel = CONFIDENCE,
) -> list[PartialRow]:
    """Return the rows touched past the offset `after`, each over all the events.

    Args:
        columns: the events; at least one.
        pairs: the (operation, platform) of each pair number.
        after: rows whose last event is at or before it are left out.
        second: what the level of events stands for.
    """
    label, values = second
    slots = len(values) + 1
    columns = touched_minutes(columns, after)
    first_minute = int(columns.minute.min())
    minutes = int(columns.minute.max()) - first_minute + 1
    leaf = (columns.pair * slots + columns.level) * minutes + columns.minute - first_minute
    leaves = _leaves_of(columns, leaf)
    event = leaves.event[leaves.start]
    pair, level, minute = columns.pair[event], columns.level[event], columns.minute[event]
    operations, operation = _numbered([operation for operation, _ in pairs], pair)
    platforms, platform = _numbered([platform for _, platform in pairs], pair)
    every = np.arange(len(pair))
    leveled = np.flatnonzero(level != len(values))

    def of_all(by: str, names: Sequence[str]) -> Callable[[int], str]:
        return lambda key: series_name(ALL, by, names[key])

    def of_level(key: int) -> str:
        return series_name(operations[key // slots], label, values[key % slots])

    breakdowns = [
        _Breakdown(every, np.zeros_like(pair), 1, lambda _: ALL),
        _Breakdown(every, platform, len(platforms), of_all("platform", platforms)),
        _Breakdown(leveled, level, slots, of_all(label, values)),
        _Breakdown(every, operation, len(operations), lambda key: series_name(operations[key])),
        _Breakdown(
            every,
            pair,
            len(pairs),
            lambda key: series_name(pairs[key][0], "platform", pairs[key][1]),
        ),
        _Breakdown(leveled, operation * slots + level, len(operations) * slots, of_level),
    ]
    alone = len(operations) == 1
    rows = _rows_of(breakdowns[:_OF_ALL] if alone else breakdowns, minute, leaves, after)
    if rows is None:
        return []
    tallies = FailureNames(columns, leaves.leaf_of).of_rows(rows.order, rows.start, len(pair))
    stats = _stats(columns, leaves, rows.order, rows.start, _exemplar_of(columns), tallies)
    columns_of_rows = rows.names, rows.minute, rows.last_offset, stats
    made = list(map(PartialRow._make, zip(*columns_of_rows, strict=True)))
    return made + _named_for(operations[0], made) if alone else made


class _Rows(NamedTuple):
    """Which leaves each row is made of."""

    order: Ints
    """Leaves, those of one row side by side."""
    start: Ints
    """Where in `order` each row begins."""
    names: list[str]
    minute: list[int]
    last_offset: list[int]


def _rows_of(
    breakdowns: list[_Breakdown], minute: Ints, leaves: _Leaves, after: int
) -> _Rows | None:
    """Return the rows with an event past an offset; None without any.

    All breakdowns at once: most of what numpy takes for the rows of a second is taken for a call.
    """
    first_minute = int(minute.min())
    minutes = int(minute.max()) - first_minute + 1
    chosen = np.concatenate([breakdown.leaves for breakdown in breakdowns])
    ends = list(accumulate(breakdown.size for breakdown in breakdowns))
    keys = np.concatenate(
        [it.key[it.leaves] + end - it.size for it, end in zip(breakdowns, ends, strict=True)]
    )
    row_key = keys * minutes + minute[chosen] - first_minute
    by_row = np.argsort(_narrow(row_key), kind="stable")
    row_key, order = row_key[by_row], chosen[by_row]
    start = starts_of(row_key)
    last = np.maximum.reduceat(leaves.last_offset[order], start)
    touched = last > after
    if not touched.any():
        return None
    keys, minute_of_rows = np.divmod(row_key[start[touched]], minutes)
    sizes = sizes_of(start, len(order))
    left = sizes[touched]
    names: list[str] = []
    rows_to = np.searchsorted(keys, ends).tolist()
    for breakdown, end, span in zip(breakdowns, ends, pairwise([0, *rows_to]), strict=True):
        names += map(breakdown.name, (keys[slice(*span)] - end + breakdown.size).tolist())
    return _Rows(
        order[np.repeat(touched, sizes)],
        np.cumsum(left) - left,
        names,
        (minute_of_rows + first_minute).tolist(),
        last[touched].tolist(),
    )


def _named_for(operation: str, rows: list[PartialRow]) -> list[PartialRow]:
    """Return the rows of all operations as those of the only one there is: they hold the same."""
    names = (row.series.removeprefix(ALL) for row in rows)
    return [
        PartialRow(operation + label if label else series_name(operation), *row[1:])
        for label, row in zip(names, rows, strict=True)
    ]


def _numbered(names: list[str], places: Ints) -> tuple[list[str], Ints]:
    """Return the distinct names, and for each place the number of its name among them."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return list(numbers), np.array([numbers[name] for name in names], np.int64)[places]


def _stats(
    columns: Columns,
    leaves: _Leaves,
    order: Ints,
    start: Ints,
    exemplar: Callable[[int], ExemplarRow],
    tallies: list[Tallies],
) -> Iterator[Stats]:
    """Yield the sums of each row.

    Args:
        columns: the events.
        leaves: their leaves.
        order: leaves, those of one row side by side.
        start: where in `order` each row begins.
        exemplar: returns an event by its place in the columns.
        tallies: of each row.
    """
    sums = np.add.reduceat(leaves.sums[order], start, axis=0).tolist()
    squares = np.add.reduceat(leaves.squares[order], start).tolist()
    low = np.minimum.reduceat(leaves.low_ms[order], start).tolist()
    high = np.maximum.reduceat(leaves.high_ms[order], start).tolist()
    sizes = leaves.size[order]
    durations = leaves.duration_ms[places_of(leaves.start[order], sizes)]
    samples = np.add.reduceat(sizes, start)
    digests = pack_each(durations, samples, PARTIAL_LIMIT)
    event, begun = _exemplars(columns, leaves, order, start)
    ends = (np.array(begun) + np.minimum(samples, EXEMPLARS)).tolist()
    exemplars = [
        tuple(map(exemplar, event[begin:end])) for begin, end in zip(begun, ends, strict=True)
    ]
    made = map(Sums._make, sums)
    rows = zip(made, squares, low, high, digests, exemplars, tallies, strict=True)
    yield from starmap(Stats, rows)


def _exemplar_of(columns: Columns) -> Callable[[int], ExemplarRow]:
    """Return what makes an event's exemplar, once for all breakdowns."""
    made: dict[int, ExemplarRow] = {}
    failed, duration_ms = columns.failed.tolist(), columns.duration_ms.tolist()
    ids, (error_types, *_) = columns.ids, columns.texts

    def exemplar(place: int) -> ExemplarRow:
        row = made.get(place)
        if row is None:
            row = made[place] = ExemplarRow(
                failed[place], duration_ms[place], ids[place], error_types[place]
            )
        return row

    return exemplar


def _exemplars(
    columns: Columns, leaves: _Leaves, order: Ints, start: Ints
) -> tuple[list[int], list[int]]:
    """Return events, each row's most worth a look first, and where each row's begin.

    Each leaf's last three compete.
    """
    back = np.minimum(leaves.size[order], EXEMPLARS)
    event = leaves.event[places_of((leaves.start + leaves.size)[order] - back, back)]
    size = np.add.reduceat(back, start)
    row = np.repeat(np.arange(len(start), 0, -1), size)
    ranked = np.lexsort((columns.duration_ms[event], columns.failed[event], row))[::-1]
    return event[ranked].tolist(), (np.cumsum(size) - size).tolist()
