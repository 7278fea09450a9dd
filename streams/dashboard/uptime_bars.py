"""Show when a service was up: a bar for each piece of a span, as status pages have them."""

from typing import NamedTuple

from schemas.series import WindowSize
from streams.dashboard.book import SeriesBook
from streams.dashboard.points import ServicePoint
from streams.dashboard.spans import SpanName, TrailingSpan
from streams.dashboard.targets import State
from streams.measure.window_times import SIZE_MS, window_start

_BAR_SIZE: dict[SpanName, WindowSize] = {
    "1h": "1m",
    "6h": "5m",
    "24h": "1h",
    "7d": "6h",
    "30d": "24h",
}
_WELL = 0.999


class UptimeBar(NamedTuple):
    """A piece of a span."""

    start_ms: int
    end_ms: int
    state: State
    uptime: float | None
    down_ms: int


def uptime_bars(book: SeriesBook[ServicePoint], span: TrailingSpan) -> list[UptimeBar]:
    """Return the bars of a span; where nothing is known they say so."""
    size = _BAR_SIZE[span.name]
    length_ms = SIZE_MS[size]
    points = dict(book.points(size, span.start_ms - length_ms, span.end_ms))
    found = []
    at_ms = window_start(size, span.start_ms)
    while at_ms < span.end_ms:
        point = points.get(at_ms)
        uptime = None
        if point is not None and point.count:
            uptime = (point.up_ms + point.degraded_ms) / point.count
        down_ms = 0 if point is None else point.down_ms
        found.append(UptimeBar(at_ms, at_ms + length_ms, _state(point, uptime), uptime, down_ms))
        at_ms += length_ms
    return found


def _state(point: ServicePoint | None, uptime: float | None) -> State:
    if point is None or uptime is None:
        return "none"
    if point.down_ms and uptime < _WELL:
        return "bad"
    return "near" if point.degraded_ms or point.down_ms else "good"
