"""Say in a sentence what Kafka refuses for good, and what to do about it."""

from collections.abc import Iterable


class Refusal(Exception):
    """The process cannot go on; the sentence says why and what a person can do."""


def lacks(rights: Iterable[str], on: str) -> str:
    """Return the sentence about rights that the user does not have on something."""
    names = " and ".join(sorted(rights))
    return f"no right to {names} on {on}: grant it (docs/operating.md, Rights)."
