"""Find what the beginning of an id names, as git does."""

from collections.abc import Iterable

#: git's: fewer say too little.
SHORTEST = 4
_SHOWN = 5


class Unfound(Exception):
    """Nothing, or more than one thing, begins so; the text says what to do."""


def find(prefix: str, ids: Iterable[str], what: str, listed_by: str) -> str:
    """Return the one id that is, or begins with, the prefix.

    Args:
        prefix: as it was typed.
        ids: the ids there are.
        what: names such a thing: `alert`.
        listed_by: the command that lists them.

    Raises:
        Unfound: there is none or more than one.
    """
    ids = sorted(set(ids))
    if prefix in ids:
        return prefix
    found = [name for name in ids if name.startswith(prefix)]
    if not found:
        message = f"there is no {what} {prefix!r}: `{listed_by}` shows them"
        raise Unfound(message)
    if len(prefix) < SHORTEST:
        message = f"{prefix!r} is too short: write at least {SHORTEST} characters"
        raise Unfound(message)
    if len(found) > 1:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        message = f"{prefix!r} could be {', '.join(found[:_SHOWN])}{more}: write more of it"
        raise Unfound(message)
    return found[0]
