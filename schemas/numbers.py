"""Write numbers as people do: 30000, never 3e+04."""

from decimal import Decimal

#: Beyond these a number in full is longer than a line.
_MOST, _LEAST = 1e15, 1e-9


def plain(value: float, digits: int | None = None) -> str:
    """Return a number without an exponent.

    Args:
        value: it.
        digits: how many of those behind the point are kept, beside the first ones that matter;
            all of them by default.
    """
    if value and not _LEAST <= abs(value) < _MOST:
        return f"{value:g}"
    if digits is not None and value:
        size = Decimal(value).adjusted()  # 3 of 1234.5, -2 of 0.05
        value = round(value, max(digits - 1 - size, 0))
    text = format(Decimal(repr(value + 0.0)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
