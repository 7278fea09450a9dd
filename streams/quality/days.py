"""Read the dates of a text, in each way that they can be read."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

#: As `words_of` has them: without case, accents and the e of umlauts.
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero ene gennaio",
            "february feb februar fevrier fev febrero febbraio",
            "march mar marz mrz mars marzo",
            "april apr avril avr abril abr aprile",
            "may mai mayo maggio",
            "june jun juni juin junio giugno",
            "july jul juli juillet juil julio luglio",
            "august aug aout agosto ago",
            "september sep sept septembre septiembre settembre",
            "october oct oktober okt octobre octubre ottobre",
            "november nov novembre noviembre",
            "december dec dezember dez decembre diciembre dic dicembre",
        ),
        1,
    )
    for name in names.split()
}
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})([-/.年])(\d{1,2})[-/.月](\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
_DAY_WORD = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er)?")
_YEAR_WORD = re.compile(r"\d{4}")
_BETWEEN = ("of", "de", "the")
#: What is meant as a date, whether it is one or not.
_MEANT = re.compile(r"\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{4})(?![\d.])")
_TIME = re.compile(r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)? ?(Z|[+-]\d{2}:?\d{2}|UTC|[AaPp][Mm])?")
_TWO_DIGITS = 100
#: A date in words has at most: the 4 of March of 2026.
_MAX_WORDS = 6
#: A leap year: the 29th of February may be of any year that is not named.
_ANY_YEAR = 2024


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


def days_in(text: str, words: Sequence[str]) -> frozenset[Day]:
    """Return every date in a text, in each way that it can be read: 3/4 is in March and April.

    Args:
        text: the text.
        words: of the text, in their order, as `words_of` has them.
    """
    found = [*_in_digits(text), *_in_words(words)]
    days = {day for day in found if _exists(day)}
    in_full = {day[:2] for day in days if day.day is not None}
    # `5 March 2026` is not March 2026 as well.
    return frozenset(day for day in days if day.day is not None or day[:2] not in in_full)


def day_of(text: str, words: Sequence[str]) -> frozenset[Day]:
    """Return the readings of a text that is a date and nothing else; empty if it is none."""
    date_part = _TIME.sub("", text.strip())
    if _YEAR_FIRST.fullmatch(date_part) or _YEAR_LAST.fullmatch(date_part):
        return days_in(date_part, ())
    if len(words) > _MAX_WORDS:
        return frozenset()
    return days_in("", words) if _is_of_figures(words) else frozenset()


def is_meant_as_date(text: str, words: Sequence[str]) -> bool:
    """Return whether a text looks like a date, right or wrong: 2026-13-45, February 30."""
    if _MEANT.match(text) is not None:
        return True
    has_month = any(word in _MONTHS for word in words)
    return has_month and 1 < len(words) <= _MAX_WORDS and _is_of_figures(words)


def _is_of_figures(words: Sequence[str]) -> bool:
    return all(word in _MONTHS or word in _BETWEEN or _is_figure(word) for word in words)


def _in_digits(text: str) -> Iterator[Day]:
    for year, _, month, day in _YEAR_FIRST.findall(text):
        yield Day(int(year), int(month), int(day))
    for first, _, second, year in _YEAR_LAST.findall(text):
        in_full = int(year) + 2000 if int(year) < _TWO_DIGITS else int(year)
        yield Day(in_full, int(second), int(first))
        yield Day(in_full, int(first), int(second))


def _in_words(words: Sequence[str]) -> Iterator[Day]:
    """Yield the dates around the names of months."""
    for place, word in enumerate(words):
        month = _MONTHS.get(word)
        if month is None:
            continue
        before = [it for it in words[max(place - 2, 0) : place] if it not in _BETWEEN]
        after = [it for it in words[place + 1 : place + 4] if it not in _BETWEEN]
        day = _DAY_WORD.fullmatch(before[-1]) if before else None
        if day is None and after and (day := _DAY_WORD.fullmatch(after[0])):
            after = after[1:]
        year = int(after[0]) if after and _YEAR_WORD.fullmatch(after[0]) else None
        if day is not None or year is not None:
            yield Day(year, month, int(day[1]) if day else None)


def _is_figure(word: str) -> bool:
    return bool(_DAY_WORD.fullmatch(word) or _YEAR_WORD.fullmatch(word))


def _exists(day: Day) -> bool:
    try:
        date(day.year or _ANY_YEAR, day.month, 1 if day.day is None else day.day)
    except ValueError:
        return False
    return True
