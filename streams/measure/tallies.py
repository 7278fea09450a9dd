"""Count failures by name: of a block, of what is merged, and as an aggregate has it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from schemas.fields import (
    MAX_SUM,
    MOST_NAMES,
    NAME_LENGTH,
    PUBLISHED_NAMES,
    TALLIED,
    Tallies,
    Tally,
)
from streams.measure.columns import TEXTS, Columns, Ints
from streams.measure.runs import places_of, sizes_of, starts_of

_NONE = Tallies()


class _NameCounts(NamedTuple):
    """How often each name is in each leaf, by leaf."""

    names: list[str]
    leaf: Ints
    number: Ints
    """Of the name."""
    counts: Ints


class FailureNames:
    """The failures of a block, by leaf and name."""

    def __init__(self, columns: Columns, leaf_of: Ints) -> None:
        """Count once for all breakdowns; `leaf_of` is each event's leaf."""
        self._counted = [
            _count(columns, columns.texts[TEXTS.index(tallied.attribute)], leaf_of)
            for tallied in TALLIED.values()
        ]

    def of_rows(self, order: Ints, start: Ints, leaves: int) -> list[Tallies]:
        """Return the tallies of rows.

        Args:
            order: leaves, those of one row side by side; a leaf may be in many rows.
            start: where in `order` each row begins.
            leaves: how many there are.
        """
        tallies = [_NONE] * len(start)
        row = np.repeat(np.arange(len(start)), sizes_of(start, len(order)))
        for place, counted in enumerate(self._counted):
            for number, tally in _by_row(row, order, leaves, counted):
                tallies[number] = tallies[number]._replace(**{Tallies._fields[place]: tally})
        return tallies


def _count(columns: Columns, texts: list[str | None], leaf_of: Ints) -> _NameCounts:
    numbers: dict[str, int] = {}
    places, found = [], []
    for place in np.flatnonzero(columns.failed).tolist():
        if name := texts[place]:
            places.append(place)
            found.append(numbers.setdefault(name[:NAME_LENGTH], len(numbers)))
    keys = leaf_of[places] * max(1, len(numbers)) + np.array(found, np.int64)
    pairs, counts = np.unique(keys, return_counts=True)
    leaf, number = np.divmod(pairs, max(1, len(numbers)))
    return _NameCounts(list(numbers), leaf, number, counts)


def _by_row(
    row: Ints, order: Ints, leaves: int, counted: _NameCounts
) -> Iterator[tuple[int, Tally]]:
    """Yield each row that has failures with a name, and its tally."""
    names = counted.names
    begins = np.searchsorted(counted.leaf, np.arange(leaves))
    sizes = sizes_of(begins, len(counted.leaf))[order]
    places = places_of(begins[order], sizes)
    if not len(places):
        return
    keys = np.repeat(row, sizes) * len(names) + counted.number[places]
    keys, place = np.unique(keys, return_inverse=True)
    added = np.bincount(place, counted.counts[places]).astype(np.int64).tolist()
    row, number = np.divmod(keys, len(names))
    starts = starts_of(row).tolist()
    rows, found = row.tolist(), [names[number] for number in number.tolist()]
    for begin, end in pairwise([*starts, len(rows)]):
        yield rows[begin], admitted(dict(zip(found[begin:end], added[begin:end], strict=True)))


def admitted(counts: dict[str, int], other: int = 0) -> Tally:
    """Return the tally of names whose counts are complete; too many go to `other`."""
    if len(counts) > MOST_NAMES:
        ordered = most_frequent(counts)
        other += sum(count for _, count in ordered[MOST_NAMES:])
        counts = dict(ordered[:MOST_NAMES])
    return Tally(counts, min(other, MAX_SUM))


def most_frequent(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return the names and counts, the largest count first, equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def merge_tallies(parts: Sequence[Tallies]) -> Tallies:
    """Return the tallies of disjoint sets of operations together."""
    return Tallies._make(map(_merge, zip(*parts, strict=True)))


def _merge(parts: Sequence[Tally]) -> Tally:
    counts: dict[str, int] = {}
    for names, _ in parts:
        for name, count in names.items():
            counts[name] = counts.get(name, 0) + count
    if counts and max(counts.values()) > MAX_SUM:
        counts = {name: min(count, MAX_SUM) for name, count in counts.items()}
    if other := sum([other for _, other in parts]):
        for part in parts:
            if part.other:  # a name that is not here may be in `other`: its count is not complete
                other += sum(counts.pop(name) for name in counts.keys() - part.names.keys())
    return admitted(counts, other)


def published_tallies(tallies: tuple[Tally, ...], failures: int) -> dict[str, Any]:
    """Return what aggregates have of the tallies."""
    published = {}
    for (names, other), tallied in zip(tallies, TALLIED.values(), strict=True):
        top = most_frequent(names)[:PUBLISHED_NAMES]
        named = sum(names.values())
        published[tallied.published] = {
            "most_frequent": [{"name": name, "count": count} for name, count in top],
            "other": named + other - sum(count for _, count in top),
            "unnamed": max(0, failures - named - other),
        }
    return published


def are_tallies(tallies: tuple[Tally, ...], failures: int) -> bool:
    """Return whether tallies of a partial count no more than its failures."""
    return all(sum(names.values()) + other <= failures for names, other in tallies)
