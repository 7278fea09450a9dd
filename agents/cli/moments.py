"""Read a moment a person typed: a span back from now, or an ISO 8601 time."""

import re
import time
from datetime import UTC, datetime

import typer

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)")
_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def since_ms(text: str | None, now_ms: int | None = None) -> int | None:
    """Return the moment in epoch milliseconds UTC; None for none.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text is None:
        return None
    if match := _SPAN.fullmatch(text.strip()):
        now_ms = int(time.time() * 1000) if now_ms is None else now_ms
        return max(0, int(now_ms - float(match[1]) * _MS[match[2]]))
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a span (90s, 30m, 2h, 1d) nor an ISO 8601 time"
        ) from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
