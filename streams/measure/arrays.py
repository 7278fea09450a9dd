"""Find the elements of a JSON array, and how deep a text nests, in time that its bytes bound.

What stands between the commas need not be JSON: one NaN or one deep nesting must not cost its
neighbours. Signs inside strings do not count; numpy looks at a segment at a time:

    value   [ { " a ] " : 1 } , [ 2 , 3 ] ]
    inside      - - - -
    depth   1 2           1   1 2       1 0
                            ^ cuts here: a comma at depth 1
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.long_work import Steps

#: Bytes looked at between two steps: a millisecond or two.
_SEGMENT = 128 * 1024
_BLANK = b" \t\n\r"
_QUOTE, _COMMA = ord('"'), ord(",")
#: How much deeper each byte leads: an int8.
_STEP = bytes({"[": 1, "{": 1, "]": 255, "}": 255}.get(chr(byte), 0) for byte in range(256))


class TooMany(Exception):
    """The array has more elements than the limit."""


class NotArray(ValueError):
    """It is no array: its brackets do not match, or an element is missing."""


class _Segment(NamedTuple):
    start: int
    signs: npt.NDArray[Any]
    """The bytes."""
    outside: npt.NDArray[np.bool_]
    """Whether each stands outside strings."""
    depth: npt.NDArray[np.int32]
    """After each."""


def elements_of(value: bytes, limit: int) -> Steps[list[bytes]]:
    """Return the elements of an array, as they stand in it.

    Raises:
        NotArray: it is none.
        TooMany: it has more than `limit`; no more of it than that was looked at.
    """
    begin = len(value) - len(value.lstrip(_BLANK))
    bounds = [begin]
    for segment in _segments(value, begin):
        ends = np.flatnonzero((segment.depth <= 0) & segment.outside)
        commas = segment.outside & (segment.signs == _COMMA) & (segment.depth == 1)
        if len(ends):
            commas = commas[: ends[0]]
        bounds += (segment.start + np.flatnonzero(commas)).tolist()
        if len(bounds) > limit:
            raise TooMany
        if len(ends):
            bounds.append(segment.start + int(ends[0]))
            break
        yield
    else:
        raise NotArray
    end = bounds[-1]
    if value[begin : begin + 1] != b"[" or value[end : end + 1] != b"]":
        raise NotArray
    if value[end + 1 :].strip(_BLANK):
        raise NotArray
    if len(bounds) == 2 and not value[begin + 1 : end].strip(_BLANK):
        return []
    elements = [value[a + 1 : b].strip(_BLANK) for a, b in pairwise(bounds)]
    if not all(elements):
        raise NotArray
    return elements


def is_deeper(value: bytes, limit: int) -> Steps[bool]:
    """Return whether brackets and braces nest deeper than the limit."""
    if value.count(b"[") + value.count(b"{") <= limit:
        return False
    for segment in _segments(value, 0):
        if segment.depth.max() > limit:
            return True
        yield
    return False


def _segments(value: bytes, begin: int) -> Iterator[_Segment]:
    # Escapes go first, two bytes for two: what quotes remain begin or end a string.
    plain = value.replace(b"\\\\", b"__").replace(b'\\"', b"__") if b"\\" in value else value
    is_inside, depth_before = False, 0
    for start in range(begin, len(plain), _SEGMENT):
        segment = plain[start : start + _SEGMENT]
        signs = np.frombuffer(segment, np.uint8)
        inside = np.bitwise_xor.accumulate((signs == _QUOTE).view(np.uint8)).view(np.bool_)
        if is_inside:
            inside = ~inside
        step = np.frombuffer(segment.translate(_STEP), np.int8) * ~inside
        depth = np.cumsum(step, dtype=np.int32)
        depth += depth_before
        yield _Segment(start, signs, ~inside, depth)
        is_inside, depth_before = bool(inside[-1]), int(depth[-1])
