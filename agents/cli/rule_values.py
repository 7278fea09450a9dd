"""Read what a rule test says was measured, minute by minute: `100x5 0+10x3 _`."""

import re
from itertools import chain

_NUMBER = r"\d+(?:\.\d+)?"
_TOKEN = re.compile(
    rf"(?P<gap>_)|(?P<first>{_NUMBER})(?:(?P<sign>[+-])(?P<step>{_NUMBER}))?|(?P<word>[a-z_]+?)"
)
_TIMES = re.compile(r"x(\d+)")
#: A week of minutes: more is a slip of the finger.
_MOST = 10_080

Value = float | str | None


def values(text: str) -> list[Value]:
    """Return a value a minute, None for a minute without any.

    `5` is one minute, `5x3` three, `0+10x3` is 0, 10, 20; `_x2` two minutes of nothing; words are
    written the same way: `up x5 down x2`.

    Raises:
        ValueError: it is not written so; the message says what to write.
    """
    parts = re.sub(r"\s+x(?=\d)", "x", text.strip()).split()
    found = list(chain.from_iterable(_part(part) for part in parts))
    if not found:
        message = "is empty: write a value a minute, such as 100x5"
        raise ValueError(message)
    if len(found) > _MOST:
        message = f"are {len(found)} minutes: at most {_MOST}"
        raise ValueError(message)
    return found


def _part(part: str) -> list[Value]:
    value, _, _ = part.partition("x")
    times = _TIMES.fullmatch(part[len(value) :]) if value != part else None
    match = _TOKEN.fullmatch(value)
    if match is None or (times is None and value != part):
        message = f"{part!r} is no value: write 100, 100x5, 0+10x5, _ or up x5"
        raise ValueError(message)
    count = min(int(times[1]), _MOST + 1) if times else 1
    if match["gap"]:
        return [None] * count
    if match["word"]:
        return [match["word"]] * count
    first, step = float(match["first"]), float(match["step"] or 0)
    step = -step if match["sign"] == "-" else step
    return [max(first + step * at, 0.0) for at in range(count)]
