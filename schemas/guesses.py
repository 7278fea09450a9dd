"""Guess which name was meant by one that is none, for the end of a sentence."""

from collections.abc import Sequence
from difflib import get_close_matches

_MAX_WRITTEN = 60
_TYPO, _ALIKE = 0.85, 0.6
#: Fewer letters are part of too many names.
_LEAST_PART = 2


def meant(written: str, names: Sequence[str]) -> list[str]:
    """Return the names that were likely meant, the likeliest first; empty if none was."""
    folded = written[:_MAX_WRITTEN].casefold()
    if typo := get_close_matches(folded, names, 1, _TYPO):
        return typo
    if len(folded) >= _LEAST_PART and (parts := [it for it in names if folded in it.casefold()]):
        return parts
    return get_close_matches(folded, names, 1, _ALIKE)


def hint(written: str, names: Sequence[str], say: str = "write one of") -> str:
    """Return `did you mean platform?`, or else the names there are.

    Args:
        written: what is none of them.
        names: what may be written.
        say: stands before the names.
    """
    likely = meant(written, names)
    if len(likely) == 1:
        return f"did you mean {likely[0]}?"
    return f"{say} {', '.join(likely or names)}"
