"""Decide whether a dead letter may go back to where it came from."""

from typing import NamedTuple

from agents.alert.alert_log import StoredDeadLetter
from agents.cli.printing import when
from agents.runtime.settings import Settings
from schemas.topics import OPERATIONS
from streams.channels.text_format import span
from streams.measure.operation_reader import times_of
from streams.record_limits import RefusedRecord


class Publish(NamedTuple):
    """These bytes may go back to their topic."""

    value: bytes


class RetryDelivery(NamedTuple):
    """The dead letter is an undelivered message: the alert worker may try it once more."""

    delivery: str
    sentence: str = ""
    """What the alert worker decided."""


class NotRedriven(NamedTuple):
    """The dead letter stays, for this reason."""

    why: str
    already: bool = False
    """It was redriven before: nothing is left to do."""


def before_fix(
    letter: StoredDeadLetter, redriven_at_ms: int | None, settings: Settings
) -> NotRedriven | None:
    """Return why a letter must stay, whatever a fix would make of it; None if it may go."""
    about = letter.about
    target = settings.topic(OPERATIONS)
    if redriven_at_ms is not None:
        return NotRedriven(f"was already redriven at {when(redriven_at_ms)} UTC", already=True)
    if about.delivery is not None:
        return None
    if about.last_offset is not None:
        return NotRedriven(f"holds no record that could go back: {about.detail}")
    if about.topic != target:
        return NotRedriven(f"came from {about.topic}; only what came from {target} can go back")
    if about.reason == "window_expired":
        return NotRedriven(f"cannot count any more: {about.detail}")
    if about.truncated:
        return NotRedriven(
            f"is truncated: {about.size_bytes:,} bytes were refused and only the first are stored"
        )
    return None


def after_fix(
    letter: StoredDeadLetter, value: bytes, now_ms: int, settings: Settings
) -> Publish | NotRedriven:
    """Return whether these bytes would be counted now; else why they would be refused again."""
    times = times_in(value, element=letter.about.index is not None)
    if isinstance(times, NotRedriven):
        return times
    lateness_ms, future_ms = settings.lateness_s * 1000, settings.future_s * 1000
    oldest = now_ms - min(times)
    if oldest > lateness_ms:
        return NotRedriven(f"happened {span(oldest)} ago; windows close after {span(lateness_ms)}")
    ahead = max(times) - now_ms
    if ahead > future_ms:
        return NotRedriven(f"happens {span(ahead)} from now; at most {span(future_ms)} is accepted")
    return Publish(value)


def retry_delivery(delivery: str, through: str | None) -> RetryDelivery | NotRedriven:
    """Return whether a message may be tried again: only as it is."""
    if through is not None:
        return NotRedriven("is a message that could not be delivered: --through fixes records only")
    return RetryDelivery(delivery)


def times_in(value: bytes, *, element: bool) -> list[int] | NotRedriven:
    """Return when the operations in the bytes ended, epoch ms.

    Args:
        value: what would be published.
        element: it was an element of an array, so it must be one operation.
    """
    if element and value.lstrip()[:1] == b"[":
        return NotRedriven("would be refused again: it was one operation and is an array now")
    times = times_of(value)
    if isinstance(times, RefusedRecord):
        where = "" if times.index is None else f"element {times.index}: "
        return NotRedriven(f"would be refused again: {where}{times.detail}")
    return times
