"""Return what a figure of a series was, window by window, and draw it small."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from schemas.series import WindowSize
from streams.dashboard.book import SeriesBook
from streams.dashboard.drawing import LinePaths, Sample, line_paths, value_range
from streams.dashboard.points import OperationsPoint, QualityPoint, ServicePoint
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.targets import ENOUGH
from streams.measure.window_times import SIZE_MS


class Plotted(NamedTuple):
    """A figure that can be drawn."""

    value: Callable[[Any], float | None]
    """Of a window's point, in the unit people read; None: nothing was measured."""
    least: float
    """A drawing spans at least so much."""
    bounds: tuple[float, float]


def _rate(good: int, count: int) -> float | None:
    return 100 * good / count if count else None


def _success(point: OperationsPoint) -> float | None:
    return _rate(point.count - point.failures, point.count)


def _hits(point: OperationsPoint) -> float | None:
    return _rate(point.hits, point.lookups)


def _uptime(point: ServicePoint) -> float | None:
    return _rate(point.up_ms + point.degraded_ms, point.count)


def _mean_score(point: QualityPoint) -> float | None:
    return point.mean if point.count else None


_PER_CENT = (0.0, 100.0)
_ANY = (0.0, 1e16)
SUCCESS = Plotted(_success, 4.0, _PER_CENT)
HIT_RATE = Plotted(_hits, 10.0, _PER_CENT)
P50 = Plotted(lambda point: point.p50_ms if point.count else None, 1.0, _ANY)
P95 = Plotted(lambda point: point.p95_ms if point.count else None, 1.0, _ANY)
P99 = Plotted(lambda point: point.p99_ms if point.count else None, 1.0, _ANY)
QUALITY = Plotted(_mean_score, 0.1, (0.0, 1.0))
UPTIME = Plotted(_uptime, 4.0, _PER_CENT)


def samples_of(
    book: SeriesBook[Any], span: TrailingSpan, plotted: Plotted, size: WindowSize | None = None
) -> list[Sample]:
    """Return what a series measured in each window of a span, in the order of time."""
    size = span.point_size if size is None else size
    middle_ms = SIZE_MS[size] // 2
    found = []
    for start_ms, point in book.points(size, span.start_ms, span.end_ms):
        value = plotted.value(point)
        # Of a window that goes on a few samples would be a spike; once it is final it is drawn.
        is_early = not point.final and point.count < ENOUGH
        if value is not None and not is_early:
            found.append(Sample(start_ms + middle_ms, value, point.final))
    return found


def small_line(
    book: SeriesBook[Any] | None, span: TrailingSpan, plotted: Plotted
) -> LinePaths | None:
    """Return a line from the first window of a span that there is to now; None without any."""
    if book is None:
        return None
    samples = samples_of(book, span, plotted)
    if not samples:
        return None
    return _drawn(samples, plotted, SIZE_MS[span.point_size])


def _drawn(samples: list[Sample], plotted: Plotted, size_ms: int) -> LinePaths:
    values: Iterable[float] = (sample.value for sample in samples)
    scale = value_range(values, least=plotted.least, bounds=plotted.bounds)
    first_ms = min(samples[0].at_ms, samples[-1].at_ms - 2 * size_ms)
    scale = scale._replace(start_ms=first_ms, end_ms=samples[-1].at_ms)
    return line_paths(samples, scale, size_ms)
