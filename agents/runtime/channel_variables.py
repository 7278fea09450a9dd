"""Decide which environment variables a channel may read: those the deployment allows, never ours.

A rule file names variables and, for some channels, where their values are sent. So the deployment
says which variables are meant for that.
"""

import re

from schemas.channels import MODELS, Vendor

DEFAULT = ", ".join(f"{prefix}*" for model in MODELS.values() for prefix in model.vendor.prefixes)
#: Passwords and locations that belong to no channel, whatever the setting allows.
_NEVER = re.compile(
    r"(METRICS_DATABASE_URL|DATABASE_URL|POSTGRES_PASSWORD|PGPASSWORD|PATH|HOME|USER|SHELL|PWD)"
    r"(_FILE)?"
)
_OURS, _OURS_FOR_CHANNELS = "OPWATCH_", "OPWATCH_WEBHOOK_"
_PATTERN = re.compile(r"[A-Z_][A-Z0-9_]*\*?")
#: `*` and `S*` would allow nearly everything.
_LEAST_PREFIX = 3


def patterns(text: str) -> tuple[str, ...]:
    """Return the names, and prefixes with a star, of a list such as `SLACK_*, MY_HOOK`.

    Raises:
        ValueError: a part is neither; the message says what to write.
    """
    found = tuple(text.replace(",", " ").split())
    for pattern in found:
        short = pattern.endswith("*") and len(pattern) <= _LEAST_PREFIX
        if short or _PATTERN.fullmatch(pattern) is None:
            message = f"{pattern!r} is neither a variable nor a prefix such as SLACK_*"
            raise ValueError(message)
    return found


def is_ours(name: str, settings: frozenset[str]) -> bool:
    """Return whether no channel may read a variable, whatever the deployment allows.

    Args:
        name: of the variable.
        settings: the names of opwatch's own.
    """
    forms = {name, name.removesuffix("_FILE"), f"{name}_FILE"}
    return not settings.isdisjoint(forms) or _NEVER.fullmatch(name) is not None


def is_allowed(name: str, allowed: tuple[str, ...]) -> bool:
    """Return whether the deployment lets channels read a variable."""
    if name in allowed:
        return True
    if name.startswith(_OURS) and not name.startswith(_OURS_FOR_CHANNELS):
        return False  # no prefix allows those
    return any(
        pattern.endswith("*") and name.startswith(pattern.removesuffix("*")) for pattern in allowed
    )


def is_of_another(name: str, vendor: Vendor) -> bool:
    """Return whether a variable is, by its name, the secret of another vendor."""
    others = (model.vendor for model in MODELS.values() if model.vendor != vendor)
    return any(name.startswith(other.prefixes) for other in others if not other.shared)
