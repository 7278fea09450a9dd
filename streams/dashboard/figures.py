"""Write figures as people write them: a number, its unit, and never more digits than they carry."""

from datetime import UTC, datetime
from typing import NamedTuple

from schemas.spans import HOUR_MS, MINUTE_MS, SECOND_MS

NOTHING = "–"
#: 9999-12-31: what is past it is no moment that a page could show.
_LAST_MS = 253_402_300_799_000
_THREE_DIGITS, _TWO_DIGITS = 100, 10
_MILLION = 1_000_000


class Quantity(NamedTuple):
    """A number and its unit, which may be set smaller."""

    number: str
    unit: str = ""

    def __str__(self) -> str:
        """Return both."""
        return f"{self.number} {self.unit}".rstrip()


MISSING = Quantity(NOTHING)


def percent(ratio: float | None, digits: int = 2) -> Quantity:
    """Return a ratio in per cent; one that is not whole never looks as if it were."""
    if ratio is None:
        return MISSING
    if ratio in (0.0, 1.0):
        return Quantity(f"{ratio * 100:.0f}", "%")
    least = 10.0**-digits
    return Quantity(f"{min(max(ratio * 100, least), 100 - least):.{digits}f}", "%")


def whole_percent(value: float | None) -> Quantity:
    """Return a number of per cent without digits behind the point."""
    return MISSING if value is None else Quantity(f"{round(value):,}".replace("-", "−"), "%")


def duration(milliseconds: float | None) -> Quantity:
    """Return a duration in three digits, in the unit that fits it."""
    if milliseconds is None:
        return MISSING
    for unit_ms, unit in ((HOUR_MS, "h"), (MINUTE_MS, "min"), (SECOND_MS, "s")):
        if milliseconds >= unit_ms:
            return Quantity(_three_digits(milliseconds / unit_ms), unit)
    return Quantity(_three_digits(milliseconds), "ms")


def count(number: float) -> str:
    """Return a count with its thousands: 120,431; millions in short."""
    if number >= 100 * _MILLION:
        return f"{number / _MILLION:,.0f} M"
    return f"{number:,.0f}"


def per_second(count: float, span_ms: float) -> Quantity:
    """Return a throughput."""
    if span_ms <= 0:
        return MISSING
    return Quantity(_three_digits(count * SECOND_MS / span_ms), "/s")


def plain(shown: Quantity) -> str:
    """Return a round value without the zeros behind its point: 95 %, 2 s."""
    number = shown.number.rstrip("0").rstrip(".") if "." in shown.number else shown.number
    return str(shown._replace(number=number))


def score(value: float | None) -> Quantity:
    """Return a score from 0 to 1."""
    return MISSING if value is None else Quantity(f"{value:.3f}")


def signed(change: float) -> str:
    """Return a change of a score: +0.042."""
    return f"{change:+.3f}".replace("-", "−")


def points(change: float) -> str:
    """Return a change of a ratio in percentage points: +0.42 pt."""
    return f"{change * 100:+.2f} pt".replace("-", "−")


def change(now: float, before: float) -> str:
    """Return a change in per cent of what was before: −12 %."""
    return f"{(now / before - 1) * 100:+.0f} %".replace("-", "−")


def clock(at_ms: int) -> str:
    """Return the time of a moment, UTC."""
    return f"{_utc(at_ms):%H:%M}"


def day(at_ms: int) -> str:
    """Return the day of a moment, UTC."""
    return f"{_utc(at_ms):%-d %b}"


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(min(max(at_ms, 0), _LAST_MS) / 1000, UTC)


def _three_digits(number: float) -> str:
    if number >= _THREE_DIGITS:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= _TWO_DIGITS else f"{number:.2f}"
