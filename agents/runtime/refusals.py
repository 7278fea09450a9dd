"""Errors for which a worker must end; a sentence says what to do about each."""

from collections.abc import Iterable


class Refusal(Exception):
    """The process cannot continue; the sentence says why, and what to do."""


def lacks(rights: Iterable[str], on: str) -> str:
    """Return the sentence about rights that the user lacks on a topic or group."""
    names = " and ".join(sorted(rights))
    return f"no right to {names} on {on}: grant it (docs/operating.md, Rights)."
