"""Decide whether a dead letter may go back to where it came from."""

from typing import NamedTuple

from pydantic import ValidationError

from agents.alert.alert_log import StoredDeadLetter
from agents.cli.printing import span, when
from agents.replay.recordings import first_mistake
from agents.runtime.settings import Settings
from schemas.operations import Operation, Operations
from schemas.topics import OPERATIONS


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
    operations = parse(value, element=letter.about.index is not None)
    if isinstance(operations, NotRedriven):
        return operations
    lateness_ms, future_ms = settings.lateness_s * 1000, settings.future_s * 1000
    oldest = now_ms - min(operation.occurred_at for operation in operations)
    if oldest > lateness_ms:
        return NotRedriven(f"happened {span(oldest)} ago; windows close after {span(lateness_ms)}")
    ahead = max(operation.occurred_at for operation in operations) - now_ms
    if ahead > future_ms:
        return NotRedriven(f"happens {span(ahead)} from now; at most {span(future_ms)} is accepted")
    return Publish(value)


def retry_delivery(delivery: str, through: str | None) -> RetryDelivery | NotRedriven:
    """Return whether a message may be tried again: only as it is."""
    if through is not None:
        return NotRedriven("is a message that could not be delivered: --through fixes records only")
    return RetryDelivery(delivery)


def parse(value: bytes, *, element: bool) -> list[Operation] | NotRedriven:
    """Return the operations in the bytes.

    Args:
        value: what would be published.
        element: it was an element of an array, so it must be one operation.
    """
    try:
        if element:
            return [Operation.model_validate_json(value)]
        root = Operations.model_validate_json(value).root
    except ValidationError as error:
        return NotRedriven(f"would be refused again: {first_mistake(value, error)}")
    if not root:
        return NotRedriven("would be refused again: an empty array")
    return root if isinstance(root, list) else [root]
