"""Read how long a receiver asks to be left alone."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Nobody is left alone for longer: the deadline of whatever is owed is nearer.
MAX_MS = 24 * 3_600_000


def retry_after_ms(value: str | None, now_ms: int) -> int | None:
    """Return a Retry-After header, seconds or an HTTP date, in milliseconds from now.

    None where there is none or it says nothing; 0 for a moment that has passed.
    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if value is None or not value.isascii():
        return None
    after = _seconds_ms(value.strip())
    if after is None:
        after = _date_ms(value.strip(), now_ms)
    return None if after is None else min(max(after, 0), MAX_MS)


def _seconds_ms(value: str) -> int | None:
    whole, _, part = value.partition(".")
    if not whole.isdigit() or len(whole) > 9 or not (part.isdigit() or not part):
        return None
    return int(float(value) * 1000)


def _date_ms(value: str, now_ms: int) -> int | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds() * 1000)
