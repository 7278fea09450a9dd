"""Text, numbers and links, cut and cleaned for a message on any channel."""

import unicodedata
import urllib.parse
from datetime import UTC, datetime
from functools import lru_cache

from schemas.numbers import plain

ELLIPSIS = "…"
MAX_URL = 2000
#: What a URL may hold unquoted; not < > " | and spaces, which end a link in Slack or HTML.
_URL_SAFE = "%/:=&?~#+!$,;'@()*[]-._"
#: 9999-12-31: what is past it is no moment that a message could show.
_MAX_MS = 253_402_300_799_000


def fit(text: str, limit: int, ellipsis: str = ELLIPSIS) -> str:
    """Return the text in at most `limit` characters; where it was cut an ellipsis says so."""
    if len(text) <= limit:
        return text
    return text[: max(0, limit - len(ellipsis))] + ellipsis[:limit]


def one_line(text: str) -> str:
    """Return the text as one line without control characters: safe as a header's value."""
    if not text.isprintable():
        text = "".join(" " if _breaks(character) else character for character in text)
    return " ".join(text.split())


def lines(text: str) -> str:
    """Return the text without control characters, keeping its lines."""
    return "\n".join(one_line(line) for line in text.splitlines())


def _breaks(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


@lru_cache
def moment(at_ms: int) -> str:
    """Return `2026-11-23 15:13:14 UTC`."""
    return f"{_utc(at_ms):%Y-%m-%d %H:%M:%S} UTC"


def rfc3339(at_ms: int) -> str:
    """Return `2026-11-23T15:13:14.000Z`."""
    return _utc(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(milliseconds: float) -> str:
    """Return a span of time in its two largest units: 3 h 12 min."""
    seconds = max(0, int(milliseconds / 1000))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    written = [f"{number:,} {unit}" for number, unit in parts if number]
    return " ".join(written[:2]) or "0 s"


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(min(max(at_ms, 0), _MAX_MS) / 1000, UTC)


def number(value: float) -> str:
    """Return the number with the digits that matter: 91.25, 12,000, 0.0042."""
    if value and abs(value) < 0.01:
        return plain(value, 2)
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def quantity(value: float, unit: str) -> str:
    """Return the number in its unit: `91.2 %`, `250 ms`, `14.4×`."""
    match unit:
        case "":
            return number(value)
        case "x":
            return f"{number(value)}×"
        case "/s":
            return f"{number(value)}/s"
        case _:
            return f"{number(value)} {unit}"


def link(url: str | None) -> str | None:
    """Return the URL quoted for a link; None without one, or if no browser should open it."""
    if not url:
        return None
    quoted = urllib.parse.quote(one_line(url), safe=_URL_SAFE)
    try:
        parts = urllib.parse.urlsplit(quoted)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return None
    return quoted if usable and len(quoted) <= MAX_URL else None
