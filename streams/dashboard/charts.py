"""Draw the charts of a series: lines over a span, marks, and the table that is behind them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from schemas.spans import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from streams.dashboard import figures
from streams.dashboard.drawing import (
    HEIGHT,
    WIDTH,
    LinePaths,
    Sample,
    Scale,
    line_paths,
    ticks,
    value_range,
)
from streams.dashboard.figures import Quantity
from streams.dashboard.spans import TrailingSpan
from streams.measure.window_times import SIZE_MS

#: Between the marks of the time axis; the most marks of a chart.
_STEPS_MS = (
    *(MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS),
    *(HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS),
    *(DAY_MS, 2 * DAY_MS, 7 * DAY_MS),
)
_TIMES = 7
#: A chart shows the time of this many windows, or more.
_LEAST_WINDOWS = 10
_VALUES = 4

MarkKind = Literal["opened", "resolved", "acknowledged", "silenced", "version"]


class PlottedLine(NamedTuple):
    """A line to be drawn."""

    label: str
    samples: Sequence[Sample]
    style: str
    """A class of the style sheet."""


class DrawnLine(NamedTuple):
    """A line of a chart."""

    label: str
    style: str
    paths: LinePaths
    newest: str
    """What it was last, for the legend."""


class AxisLabel(NamedTuple):
    """A place on an axis, in per cent from the left or the top."""

    at: float
    text: str
    at_ms: int = 0
    is_day: bool = False
    """Whether a time stands for its day."""


class Mark(NamedTuple):
    """Something that happened, as a vertical line."""

    kind: MarkKind
    at_ms: int
    text: str


class DrawnMark(NamedTuple):
    """A mark in its place."""

    at: float
    kind: MarkKind
    at_ms: int
    text: str


class DrawnChart(NamedTuple):
    """A chart, drawn."""

    name: str
    title: str
    lines: tuple[DrawnLine, ...]
    values: tuple[AxisLabel, ...]
    times: tuple[AxisLabel, ...]
    marks: tuple[DrawnMark, ...]
    target: float | None
    """Where the target lies, in per cent from the top."""
    target_text: str
    is_empty: bool


class Frame(NamedTuple):
    """What the charts of a page have in common."""

    span: TrailingSpan
    size_ms: int
    """Of the windows that points come from."""
    start_ms: int
    """Where the charts begin: later than the span where there is nothing older."""
    now_ms: int
    marks: Sequence[Mark] = ()

    def place(self, at_ms: float) -> float:
        """Return where a time stands, in per cent from the left."""
        return 100 * (at_ms - self.start_ms) / max(self.span.end_ms - self.start_ms, 1)

    def passed_ms(self, start_ms: int) -> int:
        """Return how much has passed of the window that begins then."""
        return min(max(self.now_ms - start_ms, SECOND_MS), self.size_ms)


def frame_of(
    span: TrailingSpan, first_ms: int | None, now_ms: int, marks: Sequence[Mark] = ()
) -> Frame:
    """Return the frame of a span.

    Args:
        span: the span.
        first_ms: when the first window in it begins; None without any.
        now_ms: the clock.
        marks: what happened meanwhile.
    """
    size_ms = SIZE_MS[span.point_size]
    start_ms = span.start_ms if first_ms is None else max(first_ms, span.start_ms)
    start_ms = max(min(start_ms, span.end_ms - _LEAST_WINDOWS * size_ms), span.start_ms)
    return Frame(span, size_ms, start_ms, now_ms, marks)


def chart(
    frame: Frame,
    name: str,
    title: str,
    lines: Sequence[PlottedLine],
    show: Callable[[float | None], Quantity],
    *,
    least: float,
    bounds: tuple[float, float],
    target: tuple[float, str] | None = None,
) -> DrawnChart:
    """Return a chart.

    Args:
        frame: the span and the marks.
        name: of the chart in the page.
        title: for people.
        lines: what is drawn, the first one on top.
        show: writes a value.
        least: so much the chart spans at least.
        bounds: what values can be.
        target: a value that is drawn as a line across, and what it says.
    """
    values = [sample.value for line in lines for sample in line.samples]
    if target is not None and values:
        values.append(target[0])
    scale = value_range(values, least=least, bounds=bounds)
    scale = scale._replace(start_ms=frame.start_ms, end_ms=frame.span.end_ms)
    return DrawnChart(
        name=name,
        title=title,
        lines=tuple(_drawn(line, scale, frame.size_ms, show) for line in lines if line.samples),
        values=tuple(
            AxisLabel(scale.y(value) * 100 / HEIGHT, figures.plain(show(value)))
            for value in ticks(scale.low, scale.high, _VALUES)
        ),
        times=time_ticks(scale),
        marks=tuple(_placed(frame.marks, scale)),
        target=None if target is None else scale.y(target[0]) * 100 / HEIGHT,
        target_text="" if target is None else target[1],
        is_empty=not values,
    )


def _drawn(
    line: PlottedLine, scale: Scale, size_ms: int, show: Callable[[float | None], Quantity]
) -> DrawnLine:
    paths = line_paths(line.samples, scale, size_ms)
    return DrawnLine(line.label, line.style, paths, str(show(line.samples[-1].value)))


def time_ticks(scale: Scale) -> tuple[AxisLabel, ...]:
    """Return round times of a scale, in UTC: local zones differ by quarters of an hour."""
    length_ms = scale.end_ms - scale.start_ms
    step_ms = next((it for it in _STEPS_MS if length_ms / it <= _TIMES), _STEPS_MS[-1])
    first = int(-(-scale.start_ms // step_ms))
    found = []
    at_ms = first * step_ms
    while at_ms < scale.end_ms:
        text = figures.day(at_ms) if at_ms % DAY_MS == 0 else figures.clock(at_ms)
        found.append(AxisLabel(scale.x(at_ms) * 100 / WIDTH, text, at_ms, step_ms >= DAY_MS))
        at_ms += step_ms
    return tuple(found)


def _placed(marks: Iterable[Mark], scale: Scale) -> Iterable[DrawnMark]:
    for mark in marks:
        if scale.start_ms <= mark.at_ms < scale.end_ms:
            yield DrawnMark(scale.x(mark.at_ms) * 100 / WIDTH, mark.kind, mark.at_ms, mark.text)
