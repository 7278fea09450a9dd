"""Read the numbers and dates of a text, in each way that they can be read."""

import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

_MULTIPLIERS = {
    **dict.fromkeys(("k", "tsd", "thousand", "tausend"), 1e3),
    **dict.fromkeys(("m", "mn", "mio", "million", "millions", "millionen"), 1e6),
    **dict.fromkeys(("bn", "mrd", "billion", "billions", "milliarden"), 1e9),
}
_NUMBER = re.compile(
    r"[0-9]+(?:[.,'’\u00a0\u202f ][0-9]+)*"
    rf"(?:[ \u00a0-]?(?P<unit>{'|'.join(sorted(_MULTIPLIERS, key=len, reverse=True))})\b\.?)?",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"[.,'’\u00a0\u202f ]")
#: A number of more parts or digits is a table or an id.
_MAX_PARTS = 6
_MAX_DIGITS = 15
_GROUP = 3
_PLACES = 4

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero ene gennaio",
            "february feb februar fevrier fev febrero febbraio",
            "march mar marz maerz märz mrz mars marzo",
            "april apr avril avr abril abr aprile",
            "may mai mayo maggio",
            "june jun juni juin junio giugno",
            "july jul juli juillet juil julio luglio",
            "august aug aout août agosto ago",
            "september sep sept septembre septiembre settembre",
            "october oct oktober okt octobre octubre ottobre",
            "november nov novembre noviembre",
            "december dec dezember dez decembre décembre diciembre dic dicembre",
        ),
        1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
_DAY_MONTH = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|\.)?[ -](?:of |de )?({_MONTH})\b\.?"
    r"(?:,?[ -](?:de )?(\d{4}))?",
    re.IGNORECASE,
)
_MONTH_DAY = re.compile(
    rf"\b({_MONTH})\b\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}}))?", re.IGNORECASE
)
_MONTH_YEAR = re.compile(rf"\b({_MONTH})\b\.?,? (?:de )?(\d{{4}})(?!\d)", re.IGNORECASE)
#: What is meant as a date, whether it is one or not.
_MEANT = re.compile(r"\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{4})(?![\d.])")
_TIME = re.compile(r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)? ?(Z|[+-]\d{2}:?\d{2}|UTC|[AaPp][Mm])?")
_MONTHS_A_YEAR = 12
_TWO_DIGITS = 100


class Day(NamedTuple):
    """A date, or a month, or a day of any year."""

    year: int | None
    month: int
    day: int | None

    def may_be(self, other: "Day") -> bool:
        """Return whether the two can be the same day."""
        return all(
            mine is None or theirs is None or mine == theirs
            for mine, theirs in zip(self, other, strict=True)
        )


def numbers_in(text: str) -> frozenset[float]:
    """Return every number in the text, in each way that it can be read: 1.200 is 1200 and 1.2."""
    return frozenset(value for readings, _ in numbers_at(text) for value in readings)


def numbers_at(text: str) -> Iterator[tuple[set[float], tuple[int, int]]]:
    """Yield what each number can be read as, and where it stands; its parts alone count too."""
    for match in _NUMBER.finditer(text):
        unit = match["unit"]
        digits = (
            match[0][: match.start("unit") - match.start()].rstrip(" \u00a0-") if unit else match[0]
        )
        readings = _readings(digits)
        if unit:
            readings |= {value * _MULTIPLIERS[unit.casefold()] for value in readings}
        yield {round(value, _PLACES) for value in readings}, match.span()


def _readings(digits: str) -> set[float]:
    parts = _SEPARATOR.split(digits)
    readings = {float(part) for part in parts if len(part) <= _MAX_DIGITS}
    if not 1 < len(parts) <= _MAX_PARTS or sum(map(len, parts)) > _MAX_DIGITS:
        return readings
    if all(len(part) == _GROUP for part in parts[1:]):
        readings.add(float("".join(parts)))
    if all(len(part) == _GROUP for part in parts[1:-1]):
        readings.add(float("".join(parts[:-1]) + "." + parts[-1]))
    return readings


def days_in(text: str) -> frozenset[Day]:
    """Return every date in the text, in each way that it can be read: 3/4 is in March and April."""
    days = frozenset(day for day in _days_in(text) if _exists(day))
    in_full = {day[:2] for day in days if day.day is not None}
    # `5 March 2026` is not March 2026 as well.
    return frozenset(day for day in days if day.day is not None or day[:2] not in in_full)


def day_of(text: str) -> frozenset[Day]:
    """Return the readings of a text that is a date and nothing else; empty if it is none."""
    rest = _TIME.sub("", text.strip())
    days = days_in(rest)
    return days if days and _is_only(rest) else frozenset()


def is_meant_as_date(text: str) -> bool:
    """Return whether a text looks like a date, right or wrong: 2026-13-45."""
    return _MEANT.match(text) is not None


def _is_only(text: str) -> bool:
    patterns = (_YEAR_FIRST, _YEAR_LAST, _DAY_MONTH, _MONTH_DAY, _MONTH_YEAR)
    return any(pattern.fullmatch(text) for pattern in patterns)


def _days_in(text: str) -> Iterator[Day]:
    for year, _, month, day in _YEAR_FIRST.findall(text):
        yield Day(int(year), int(month), int(day))
    for first, _, second, year in _YEAR_LAST.findall(text):
        in_full = int(year) + 2000 if int(year) < _TWO_DIGITS else int(year)
        yield Day(in_full, int(second), int(first))
        yield Day(in_full, int(first), int(second))
    for day, month, year in _DAY_MONTH.findall(text):
        yield Day(int(year) if year else None, _MONTHS[month.lower()], int(day))
    for month, day, year in _MONTH_DAY.findall(text):
        yield Day(int(year) if year else None, _MONTHS[month.lower()], int(day))
    for month, year in _MONTH_YEAR.findall(text):
        yield Day(int(year), _MONTHS[month.lower()], None)


def _exists(day: Day) -> bool:
    try:
        date(day.year or 2024, day.month, 1 if day.day is None else day.day)
    except ValueError:
        return False
    return True
