"""Fold a block's events into rows: each event once, into its leaf; breakdowns merge from leaves.

A leaf is (operation, platform, value of the second label, minute). Each leaf counts in six series:
an operation, or all, by nothing, a platform or the second label, such as the confidence level.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.fields import Sums, Tallies
from schemas.partials import ExemplarRow, PartialRow, Stats
from streams.measure.centroids import PARTIAL_LIMIT
from streams.measure.columns import Columns, Floats, Ints, touched_minutes
from streams.measure.confidence_levels import LEVELS
from streams.measure.digests import pack_samples
from streams.measure.merge import EXEMPLARS
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
    start = _starts(leaf[order])
    duration = columns.duration_ms[order]
    size = np.diff(start, append=len(order))
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


#: The first breakdowns are those of all operations.
_OF_ALL = 3


def _starts(*keys: Ints) -> Ints:
    """Return where a run of equal keys begins."""
    changed = np.zeros(len(keys[0]), np.bool_)
    changed[0] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changed)


def _ranges(starts: Ints, sizes: Ints) -> Ints:
    """Return the places of several ranges, one range after the other."""
    before = np.cumsum(sizes) - sizes
    places: Ints = np.arange(int(sizes.sum())) + np.repeat(starts - before, sizes)
    return places


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
    operations, operation = _numbered([pairs[i][0] for i in range(len(pairs))], pair)
    platforms, platform = _numbered([pairs[i][1] for i in range(len(pairs))], pair)
    every = np.arange(len(pair))
    leveled = np.flatnonzero(level != len(values))

    def of_all(by: str, names: Sequence[str]) -> Callable[[int], str]:
        return lambda key: series_name(ALL, by, names[key])

    def of_level(key: int) -> str:
        return series_name(operations[key // slots], label, values[key % slots])

    exemplar = _exemplar_of(columns)
    failure_names = FailureNames(columns, leaves.leaf_of)
    breakdowns: list[tuple[Ints, Ints, Callable[[int], str]]] = [
        (every, np.zeros_like(pair), lambda _: ALL),
        (every, platform, of_all("platform", platforms)),
        (leveled, level, of_all(label, values)),
        (every, operation, lambda key: series_name(operations[key])),
        (every, pair, lambda key: series_name(pairs[key][0], "platform", pairs[key][1])),
        (leveled, operation * slots + level, of_level),
    ]
    alone = len(operations) == 1
    rows: list[PartialRow] = []
    for chosen, keys, name in breakdowns[:_OF_ALL] if alone else breakdowns:
        if len(chosen):
            order = chosen[np.lexsort((minute[chosen], keys[chosen]))]
            start = _starts(keys[order], minute[order])
            last = np.maximum.reduceat(leaves.last_offset[order], start)
            order, start, last = _newer(order, start, last, after)
            first = order[start]
            names = map(name, keys[first].tolist())
            tallies = failure_names.of_rows(order, start, len(leaves.start))
            stats = _stats(columns, leaves, order, start, exemplar, tallies)
            columns_of_rows = names, minute[first].tolist(), last.tolist(), stats
            rows += map(PartialRow._make, zip(*columns_of_rows, strict=True))
    return rows + _named_for(operations[0], rows) if alone else rows


def _named_for(operation: str, rows: list[PartialRow]) -> list[PartialRow]:
    """Return the rows of all operations as those of the only one there is: they hold the same."""
    names = (row.series.removeprefix(ALL) for row in rows)
    return [
        PartialRow(operation + label if label else series_name(operation), *row[1:])
        for label, row in zip(names, rows, strict=True)
    ]


def _newer(order: Ints, start: Ints, last: Ints, after: int) -> tuple[Ints, Ints, Ints]:
    """Return order, start and last (see _stats) of the rows with an event past an offset."""
    touched = last > after
    if touched.all():
        return order, start, last
    sizes = np.diff(start, append=len(order))
    left = sizes[touched]
    return order[np.repeat(touched, sizes)], np.cumsum(left) - left, last[touched]


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
    """Yield the sums of each row of one breakdown.

    Args:
        columns: the events.
        leaves: their leaves.
        order: leaves, those of one row side by side.
        start: where in `order` each row begins.
        exemplar: returns an event by its place in the columns.
        tallies: of each row.
    """
    if not len(start):
        return
    sums = np.add.reduceat(leaves.sums[order], start, axis=0).tolist()
    squares = np.add.reduceat(leaves.squares[order], start).tolist()
    low = np.minimum.reduceat(leaves.low_ms[order], start).tolist()
    high = np.maximum.reduceat(leaves.high_ms[order], start).tolist()
    sizes = leaves.size[order]
    durations = leaves.duration_ms[_ranges(leaves.start[order], sizes)]
    ends = np.cumsum(np.add.reduceat(sizes, start)).tolist()
    event, begun = _exemplars(columns, leaves, order, start)
    begin = 0
    for row, added in enumerate(sums):
        end = ends[row]
        digest = pack_samples(durations[begin:end], PARTIAL_LIMIT)
        best = event[begun[row] : begun[row] + min(EXEMPLARS, end - begin)]
        begin = end
        exemplars = tuple(map(exemplar, best))
        extremes = low[row], high[row]
        yield Stats(Sums._make(added), squares[row], *extremes, digest, exemplars, tallies[row])


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
    event = leaves.event[_ranges((leaves.start + leaves.size)[order] - back, back)]
    size = np.add.reduceat(back, start)
    row = np.repeat(np.arange(len(start), 0, -1), size)
    ranked = np.lexsort((columns.duration_ms[event], columns.failed[event], row))[::-1]
    return event[ranked].tolist(), (np.cumsum(size) - size).tolist()
