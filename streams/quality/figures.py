"""Read the numbers of a text, in each way that they can be read."""

import re
from collections.abc import Iterator

_MULTIPLIERS = {
    **dict.fromkeys(("k", "tsd", "thousand", "tausend"), 1e3),
    **dict.fromkeys(("m", "mn", "mio", "million", "millions", "millionen"), 1e6),
    **dict.fromkeys(("bn", "mrd", "billion", "billions", "milliarden"), 1e9),
}
_NUMBER = re.compile(
    r"[0-9]+(?:[.,'’\u00a0\u2007-\u200a\u202f ][0-9]+)*"
    rf"(?:[ \u00a0-]?(?P<unit>(?i:{'|'.join(sorted(_MULTIPLIERS, key=len, reverse=True))}))\b\.?)?"
)
_SEPARATOR = re.compile(r"[.,'’\u00a0\u2007-\u200a\u202f ]")
#: Each figure becomes 0, all else a space.
_FIGURES = bytes(b"0"[0] if chr(code) in "0123456789" else b" "[0] for code in range(256))
#: A number of more parts or digits is a table or an id.
_MAX_PARTS = 6
_MAX_DIGITS = 15
_GROUP = 3
_PLACES = 4


def numbers_in(text: str) -> frozenset[float]:
    """Return every number in the text, in each way that it can be read: 1.200 is 1200 and 1.2."""
    return frozenset(value for readings, _ in numbers_at(text) for value in readings)


def shows_number(value: float, text: str) -> bool:
    """Return whether a whole number stands in a text plainly, apart from others: 72000 or 72,000.

    `numbers_in` has it then. False says nothing, the number may be written otherwise.
    """
    if not value < 10**_MAX_DIGITS or value != int(value):  # not infinity, nor NaN
        return False
    for written in (f"{int(value):,}", f"{int(value)}"):
        at = text.find(written)
        if at >= 0:
            end = at + len(written)
            around = text[max(at - 2, 0) : at] + text[end : end + 2]
            if not any("0" <= character <= "9" for character in around):
                return True
    return False


def numbers_at(text: str) -> Iterator[tuple[set[float], tuple[int, int]]]:
    """Yield what each number can be read as, and where it stands; its parts alone count too."""
    for match in _matches(text):
        unit = match["unit"]
        digits = (
            match[0][: match.start("unit") - match.start()].rstrip(" \u00a0-") if unit else match[0]
        )
        readings = _readings(digits)
        if unit:
            readings |= {value * _MULTIPLIERS[unit.casefold()] for value in readings}
        yield {round(value, _PLACES) for value in readings}, match.span()


def _matches(text: str) -> Iterator[re.Match[str]]:
    """Yield what `_NUMBER.finditer` does, in a fifth of the time where figures are rare."""
    figures = text.encode("latin-1", "replace").translate(_FIGURES)
    at = figures.find(b"0")
    while at >= 0:
        match = _NUMBER.match(text, at)
        assert match is not None
        yield match
        at = figures.find(b"0", match.end())


def _readings(digits: str) -> set[float]:
    parts = _SEPARATOR.split(digits)
    apart = {float(part) for part in parts if len(part) <= _MAX_DIGITS}
    if not 1 < len(parts) <= _MAX_PARTS or sum(map(len, parts)) > _MAX_DIGITS:
        return apart
    readings: set[float] = set()
    if all(len(part) == _GROUP for part in parts[1:]):
        readings.add(float("".join(parts)))
    if all(len(part) == _GROUP for part in parts[1:-1]):
        readings.add(float("".join(parts[:-1]) + "." + parts[-1]))
    # Between spaces may be two numbers; 72,400 is not 72 and 400.
    return readings if readings and not any(map(str.isspace, digits)) else readings | apart
