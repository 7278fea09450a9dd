"""Decide whether a channel may be told of a severity at all."""

from typing import NamedTuple

from schemas.notifications import Reason
from schemas.rules import SEVERITIES, Severity
from streams.alerting.given import Channels

RANK: dict[Severity, int] = {severity: rank for rank, severity in enumerate(SEVERITIES)}
"""Of two severities the higher one is worse."""


UNUSABLE: tuple[Reason, ...] = ("unknown_channel", "channel_disabled", "undeliverable")
"""Refusals that another rule file may end: decided again once one does."""


class Refusal(NamedTuple):
    """Why a channel is not told."""

    reason: Reason
    sentence: str
    fallback: str | None = None
    """Who is told instead."""


def refusal(channels: Channels, name: str, severity: Severity) -> Refusal | None:
    """Return why a channel is not told of a severity, None if it is."""
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
    return None
