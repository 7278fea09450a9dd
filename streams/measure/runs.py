"""Find runs in arrays: equal values, or what belongs together, side by side.

values   7 7 7 2 2 5
starts   0     3   5
sizes    3     2   1
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.intp]


def starts_of(values: npt.NDArray[Any]) -> Places:
    """Return where runs of equal values begin."""
    return starts_where(values[1:] != values[:-1])


def starts_where(changed: npt.NDArray[np.bool_]) -> Places:
    """Return where runs begin; `changed` says so for all places but the first."""
    begins = np.empty(len(changed) + 1, np.bool_)
    begins[0] = True
    begins[1:] = changed
    return np.flatnonzero(begins)


def sizes_of(starts: Places, end: int) -> Places:
    """Return the sizes of runs; the last one ends at `end`."""
    sizes = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=sizes[:-1])
    sizes[-1:] = end - starts[-1:]
    return sizes


def places_of(starts: Places, sizes: Places) -> Places:
    """Return the places that are in runs, one run after the other."""
    before = np.cumsum(sizes) - sizes
    places: Places = np.arange(int(sizes.sum())) + np.repeat(starts - before, sizes)
    return places
