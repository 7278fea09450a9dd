"""Decide whether a dead letter may go back to where it came from, and what stands against it."""

from typing import NamedTuple

from pydantic import ValidationError

from agents.cli.letters import Letter, span, when
from agents.runtime.settings import Settings
from schemas.operations import Operation, Operations
from schemas.topics import OPERATIONS


class Go(NamedTuple):
    """It may: these bytes."""

    value: bytes


class Again(NamedTuple):
    """It is a message that was given up: the alert role is asked to try it once more."""

    delivery: str
    sentence: str = ""
    """What the alert role said."""


class Refused(NamedTuple):
    """It may not, for this reason."""

    why: str
    already: bool = False
    """It was redriven before: nothing is left to do."""


def before_fix(letter: Letter, redriven_at_ms: int | None, settings: Settings) -> Refused | None:
    """Return what stands against a letter whatever a fix would make of it."""
    about = letter.about
    target = settings.topic(OPERATIONS)
    if redriven_at_ms is not None:
        return Refused(f"was already redriven at {when(redriven_at_ms)} UTC", already=True)
    if about.delivery is not None:
        return None
    if about.last_offset is not None:
        return Refused(f"holds no record that could go back: {about.detail}")
    if about.topic != target:
        return Refused(f"came from {about.topic}; only what came from {target} can go back")
    if about.reason == "window_expired":
        return Refused(f"cannot count any more: {about.detail}")
    if about.truncated:
        return Refused(
            f"is truncated: {about.size_bytes:,} bytes were refused and only the first are kept"
        )
    return None


def after_fix(letter: Letter, value: bytes, now_ms: int, settings: Settings) -> Go | Refused:
    """Return whether these bytes would be counted now; else why they would come back."""
    operations = parse(value, element=letter.about.index is not None)
    if isinstance(operations, Refused):
        return operations
    lateness_ms, future_ms = settings.lateness_s * 1000, settings.future_s * 1000
    oldest = now_ms - min(operation.occurred_at for operation in operations)
    if oldest > lateness_ms:
        return Refused(f"happened {span(oldest)} ago; windows close after {span(lateness_ms)}")
    ahead = max(operation.occurred_at for operation in operations) - now_ms
    if ahead > future_ms:
        return Refused(f"happens {span(ahead)} from now; at most {span(future_ms)} is believed")
    return Go(value)


def parse(value: bytes, *, element: bool) -> list[Operation] | Refused:
    """Return the operations in the bytes.

    Args:
        value: what would be published.
        element: it was an element of an array, so it is one operation.
    """
    try:
        if element:
            return [Operation.model_validate_json(value)]
        root = Operations.model_validate_json(value).root
    except ValidationError as error:
        return Refused(f"would be refused again: {first_mistake(value, error)}")
    if not root:
        return Refused("would be refused again: an empty array")
    return root if isinstance(root, list) else [root]


def first_mistake(value: bytes, error: ValidationError) -> str:
    """Return the first mistake in a sentence that a person can act on."""
    mistakes = error.errors(include_url=False, include_input=False)
    # Of the two things a record may be, only what it looks like is of interest.
    branch = _BRANCHES[value.lstrip().startswith(b"[")]
    mistakes = [each for each in mistakes if each["loc"][:1] == (branch,)] or mistakes
    first = mistakes[0]
    where = ".".join(str(part) for part in first["loc"] if part not in _BRANCHES)
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    return f"{where}: {first['msg']}{more}" if where else f"{first['msg']}{more}"


_BRANCHES = ("Operation", "list[Operation]")
