"""Choose the windows that make up a trailing span: each minute once, by the newest figures."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, TypeVar, get_args

from schemas.series import WindowSize
from schemas.spans import DAY_MS, HOUR_MS, MINUTE_MS
from streams.dashboard.points import CountedPoint, Point
from streams.measure.window_times import CHILD, SIZE_MS, SIZES, child_starts, window_start

SpanName = Literal["1h", "6h", "24h", "7d", "30d"]
SPANS: tuple[SpanName, ...] = get_args(SpanName)
SPAN_MS: dict[SpanName, int] = {
    "1h": HOUR_MS,
    "6h": 6 * HOUR_MS,
    "24h": DAY_MS,
    "7d": 7 * DAY_MS,
    "30d": 30 * DAY_MS,
}
#: Windows that a chart of a span has its points from.
POINT_SIZE: dict[SpanName, WindowSize] = {
    "1h": "1m",
    "6h": "5m",
    "24h": "5m",
    "7d": "1h",
    "30d": "6h",
}
#: A span begins with a whole window of this size, so that older windows can be forgotten.
EDGE_SIZE: dict[SpanName, WindowSize] = {
    "1h": "1m",
    "6h": "5m",
    "24h": "1h",
    "7d": "6h",
    "30d": "24h",
}

_P = TypeVar("_P", bound=Point | CountedPoint)
#: Returns the point of a series' window, if there is one.
Find = Callable[[WindowSize, int], _P | None]


class TrailingSpan(NamedTuple):
    """The time up to now, from the start of a window on: start_ms <= t < end_ms."""

    name: SpanName
    start_ms: int
    end_ms: int
    is_fixed: bool = False
    """Whether it stays where it is: between two times that somebody chose."""
    size: WindowSize | None = None
    """Of the windows that are drawn, where those that fit its name are not known any more."""

    @property
    def point_size(self) -> WindowSize:
        """The size of the windows that charts have their points from."""
        return self.size or POINT_SIZE[self.name]

    @property
    def before(self) -> "TrailingSpan":
        """The span that ends where this one starts: as long as its name says, or as this one is."""
        if self.is_fixed:
            length_ms = self.end_ms - self.start_ms
            return self._replace(start_ms=self.start_ms - length_ms, end_ms=self.start_ms)
        start_ms = window_start(EDGE_SIZE[self.name], self.start_ms - SPAN_MS[self.name])
        return TrailingSpan(self.name, start_ms, self.start_ms)


def trailing(name: SpanName, now_ms: int) -> TrailingSpan:
    """Return the span of a name up to the end of the present minute."""
    end_ms = window_start("1m", now_ms) + MINUTE_MS
    return TrailingSpan(name, window_start(EDGE_SIZE[name], end_ms - SPAN_MS[name]), end_ms)


def between(start_ms: int, end_ms: int) -> TrailingSpan:
    """Return the span between two times, in whole windows of what charts of it show."""
    length_ms = end_ms - start_ms
    names = (it for it in SPANS if length_ms <= SPAN_MS[it] + SIZE_MS[EDGE_SIZE[it]])
    name = next(names, SPANS[-1])
    size = POINT_SIZE[name]
    last_ms = window_start(size, end_ms - 1) + SIZE_MS[size]
    return TrailingSpan(name, window_start(size, start_ms), last_ms, is_fixed=True)


def cover(find: Find[_P], span: TrailingSpan) -> list[_P]:
    """Return the windows that together are a span; where none was published nothing is."""
    found: list[_P] = []
    for size, start_ms in _windows_in(span.start_ms, span.end_ms):
        found += _newest(find, size, start_ms)
    return found


def _windows_in(start_ms: int, end_ms: int) -> Iterator[tuple[WindowSize, int]]:
    """Yield the largest windows that lie in a span, one after another."""
    at_ms = start_ms
    while at_ms < end_ms:
        size: WindowSize = "1m"
        for larger in SIZES[1:]:
            if window_start(larger, at_ms) != at_ms or at_ms + SIZE_MS[larger] > end_ms:
                break
            size = larger
        yield size, at_ms
        at_ms += SIZE_MS[size]


def _newest(find: Find[_P], size: WindowSize, start_ms: int) -> list[_P]:
    """Return a window, or those in it where they count more: they are published more often."""
    own = find(size, start_ms)
    if size == "1m" or (own is not None and own.final):
        return [] if own is None else [own]
    inner = [
        point
        for child_ms in child_starts(size, start_ms)
        for point in _newest(find, CHILD[size], child_ms)
    ]
    if own is not None and own.count >= sum(point.count for point in inner):
        return [own]
    return inner
