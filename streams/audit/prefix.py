"""Find what a person means by the first characters of an id, as git does."""

from collections.abc import Iterable

#: git's: fewer say too little.
SHORTEST = 4
SHOWN = 5


class Unfound(Exception):
    """Nothing, or more than one thing, begins so; the text says what to do."""


def find(prefix: str, known: Iterable[str], what: str, listed_by: str) -> str:
    """Return the one id that is, or begins with, the prefix.

    Args:
        prefix: as it was typed.
        known: the ids there are.
        what: names such a thing: `alert`.
        listed_by: the command that lists them.

    Raises:
        Unfound: there is none or more than one.
    """
    known = sorted(set(known))
    if prefix in known:
        return prefix
    found = [one for one in known if one.startswith(prefix)]
    if not found:
        message = f"there is no {what} {prefix!r}: `{listed_by}` shows them"
        raise Unfound(message)
    if len(prefix) < SHORTEST:
        message = f"{prefix!r} is too short: write at least {SHORTEST} characters"
        raise Unfound(message)
    if len(found) > 1:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        message = f"{prefix!r} could be {', '.join(found[:SHOWN])}{more}: write more of it"
        raise Unfound(message)
    return found[0]
