"""What a receiver answered, and what that means: sent, to be retried, or rejected for good."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from schemas.spans import DAY_MS

#: https://www.rfc-editor.org/rfc/rfc9110: the same request may succeed later.
RETRIED = (408, 425, 429)
#: A gateway had no response from a server that may have handled the request.
GATEWAY = (502, 504)
#: The longest Retry-After that is passed on: any notification's deadline is nearer.
MAX_RETRY_AFTER_MS = DAY_MS


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The receiver accepted it."""

    answer: str = ""
    confirmed: bool = True
    """Whether accepted is delivered, as far as the vendor says."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """It did not get through, and may the next time."""

    answer: str = ""
    after_ms: int | None = None
    ambiguous: bool = False
    """Whether the receiver may have accepted it all the same."""
    requested: bool = True
    """Whether a request was made; if not, this says nothing about the channel."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """It will never get through as it is."""

    answer: str = ""
    gone: bool = False
    """Whether the receiver asks to be sent nothing more at all."""


Answer = Sent | Retry | Rejected


@dataclass(frozen=True, kw_only=True)
class Response:
    """A receiver's HTTP response."""

    status: int
    body: bytes = field(repr=False)
    """The beginning of it, as much as the client reads."""
    whole: bool = True
    """Whether the body came to its end, or to the client's limit."""
    retry_after: str | None = None
    """The header, as it was sent."""

    @property
    def text(self) -> str:
        """The body, whatever its bytes are."""
        return self.body.decode("utf-8", "replace").strip()

    @property
    def json(self) -> dict[str, Any]:
        """The body's object; empty if it holds none."""
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return body if isinstance(body, dict) else {}


#: What a response means at this time (epoch milliseconds UTC), by the vendor's documentation. The
#: answer's text is not masked yet.
Read = Callable[[Response, int], Answer]


def by_status(response: Response, now_ms: int, text: str | None = None) -> Answer:
    """Return what a status that is not success means at every receiver.

    Args:
        response: the receiver's.
        now_ms: epoch milliseconds UTC.
        text: what it says, if the body is not to be shown as it is.
    """
    answer = described(response, text)
    if response.status in RETRIED or response.status >= 500:
        return Retry(
            answer=answer,
            after_ms=retry_after_ms(response.retry_after, now_ms),
            ambiguous=response.status in GATEWAY,
        )
    if 300 <= response.status < 400:
        return Rejected(answer=f"{response.status}: redirects are not followed")
    if 400 <= response.status < 500:
        return Rejected(answer=answer)
    return Retry(answer=answer, ambiguous=True)


def described(response: Response, text: str | None = None) -> str:
    """Return the status and what the receiver says."""
    return f"{response.status} {response.text if text is None else text}"


def retry_after_ms(value: str | None, now_ms: int) -> int | None:
    """Return a Retry-After header, seconds or an HTTP date, in milliseconds from now.

    None if there is none or it cannot be read; 0 for a moment that has passed.
    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if value is None or not value.isascii():
        return None
    after_ms = _seconds_ms(value.strip())
    if after_ms is None:
        after_ms = _date_ms(value.strip(), now_ms)
    return None if after_ms is None else min(max(after_ms, 0), MAX_RETRY_AFTER_MS)


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
