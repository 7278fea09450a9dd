"""Draw lines as paths of SVG: of whatever size, with gaps where nothing was measured."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

#: A drawing is so wide and so high, whatever it is scaled to.
WIDTH = 1000.0
HEIGHT = 1000.0
#: Samples that are further apart than this number of windows are not joined.
_GAP_WINDOWS = 2.5


class Sample(NamedTuple):
    """What a window measured."""

    at_ms: int
    """The middle of the window."""
    value: float
    final: bool


class Scale(NamedTuple):
    """Which times and values a drawing shows."""

    start_ms: float
    end_ms: float
    low: float
    high: float

    def x(self, at_ms: float) -> float:
        """Return where a time stands."""
        return WIDTH * (at_ms - self.start_ms) / max(self.end_ms - self.start_ms, 1)

    def y(self, value: float) -> float:
        """Return where a value stands: large ones above; what is outside stands at the edge."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return HEIGHT * (1 - min(max(share, 0.0), 1.0))


class LinePaths(NamedTuple):
    """A line in two parts."""

    final: str
    provisional: str
    """What may still change, and the way to it from the last final point."""
    area: str
    """What lies below the whole line."""


def line_paths(samples: Sequence[Sample], scale: Scale, size_ms: int) -> LinePaths:
    """Return the paths of samples in the order of time.

    Args:
        samples: what was measured.
        scale: of the drawing.
        size_ms: of the windows that measured them.
    """
    final: list[str] = []
    provisional: list[str] = []
    area: list[str] = []
    for run in _runs(samples, _GAP_WINDOWS * size_ms):
        split = next((at for at, it in enumerate(run) if not it.final), len(run))
        if split > 0:
            final.append(_path(run[:split], scale))
        if split < len(run):
            provisional.append(_path(run[max(split - 1, 0) :], scale))
        if len(run) > 1:
            first, last = scale.x(run[0].at_ms), scale.x(run[-1].at_ms)
            area.append(f"{_path(run, scale)}L{last:.0f} {HEIGHT:.0f}L{first:.0f} {HEIGHT:.0f}Z")
    return LinePaths("".join(final), "".join(provisional), "".join(area))


def value_range(values: Iterable[float], *, least: float, bounds: tuple[float, float]) -> Scale:
    """Return a scale that shows all values with some room, without times.

    Args:
        values: to be shown.
        least: so much it spans at least, so that noise does not look like a cliff.
        bounds: what values can be.
    """
    found = list(values)
    low, high = min(found, default=bounds[0]), max(found, default=bounds[0] + least)
    room = max((high - low) * 0.12, (least - (high - low)) / 2, 0)
    low, high = max(bounds[0], low - room), min(bounds[1], high + room)
    if high - low < least:
        low = max(bounds[0], high - least)
        high = max(high, low + least)
    return Scale(0, 1, low, high)


def _runs(samples: Sequence[Sample], gap_ms: float) -> Iterator[Sequence[Sample]]:
    begin = 0
    for at in range(1, len(samples) + 1):
        if at == len(samples) or samples[at].at_ms - samples[at - 1].at_ms > gap_ms:
            if at > begin:
                yield samples[begin:at]
            begin = at


def _path(samples: Sequence[Sample], scale: Scale) -> str:
    points = [f"{scale.x(it.at_ms):.0f} {scale.y(it.value):.0f}" for it in samples]
    if len(points) == 1:  # a dot: a line of no length with round ends
        return f"M{points[0]}h0"
    return "M" + "L".join(points)


#: Steps between the marks of an axis: 1, 2 or 5 times a power of ten.
_STEPS = (1.0, 2.0, 5.0, 10.0)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values between two, up to a number of them."""
    if not high > low:
        return [low]
    rough = (high - low) / max(most, 1)
    power = 10.0 ** _floor_log10(rough)
    step = next(power * it for it in _STEPS if power * it >= rough * 0.999)
    first = -(-low // step)
    found = []
    while first * step <= high + step * 1e-9:
        found.append(round(first * step, 12))
        first += 1
    return found


def _floor_log10(value: float) -> int:
    exponent = 0
    while value >= 10:  # noqa: PLR2004, RUF100 - the base
        value /= 10
        exponent += 1
    while value < 1:
        value *= 10
        exponent -= 1
    return exponent
