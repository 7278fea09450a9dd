"""Decide whether a channel may be told of a severity at all."""

from typing import NamedTuple

from schemas.notifications import Reason
from schemas.rules import SEVERITIES, Severity
from streams.alerting.inputs import Channels

RANK: dict[Severity, int] = {severity: rank for rank, severity in enumerate(SEVERITIES)}
"""Of two severities the higher one is worse."""


UNUSABLE: tuple[Reason, ...] = ("unknown_channel", "channel_disabled", "undeliverable")
"""Refusals that another rule file, or a test that gets through, may end: then decided again."""


class Refusal(NamedTuple):
    """Why a channel is not told."""

    reason: Reason
    sentence: str
    fallback: str | None = None
    """Who is told instead."""


def refusal(channels: Channels, name: str, severity: Severity, *, gone: bool) -> Refusal | None:
    """Return why a channel is not told of a severity, None if it is.

    Args:
        channels: the rule file's.
        name: the channel's.
        severity: the breach's.
        gone: whether it asked to be sent nothing more.
    """
    channel = channels.by_name.get(name)
    if channel is None:
        return Refusal("unknown_channel", f"There is no channel {name} in the rule file.")
    if not channel.enabled:
        return Refusal("channel_disabled", f"The channel {name} is disabled in the rule file.")
    if severity not in channel.severities:
        wanted = ", ".join(channel.severities) or "nothing"
        return Refusal("below_severity", f"{name} is told of {wanted}, and this is {severity}.")
    if name in channels.missing:
        why = channels.missing[name]
        return Refusal("undeliverable", f"Undeliverable to {name}: {why}", channel.fallback)
    if gone:
        return Refusal("undeliverable", f"Undeliverable: {why_gone(name)}", channel.fallback)
    return None


def why_gone(name: str) -> str:
    """Return why nothing is sent to a channel that asked for that, and what ends it."""
    return (
        f"{name} answered 410 Gone, so nothing more is sent there;"
        f" `opwatch channels test {name}` enables it again if it takes the test."
    )
