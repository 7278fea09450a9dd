"""Which types of channel there are, and what the module of each brings.

A channel that is added gets a line in `CHANNEL_TYPES`, and no other place here or in alerting.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from schemas.channels import Channel
from streams.channels import email, pagerduty, slack, sms, teams, webhook
from streams.channels.message import Message, Traits


class ChannelType(Protocol):
    """A module of this folder. It gets channels of its own type only."""

    @property
    def TRAITS(self) -> Traits:  # noqa: N802 - a module's constant
        """How much the type takes."""
        ...

    def named(self, message: Message, channel: Any) -> int:
        """Return how many of a message's alerts it names, the first ones; at least one.

        Only an alert that is named counts as sent: its rule and its series stand in what the
        receiver gets.
        """
        ...

    def preview(self, message: Message, channel: Any) -> bytes:
        """Return the exact bytes that would be sent, with masks in place of secrets.

        Needs no secret.
        """
        ...


CHANNEL_TYPES: Mapping[str, ChannelType] = {
    "email": email,
    "slack": slack,
    "pagerduty": pagerduty,
    "sms": sms,
    "teams": teams,
    "webhook": webhook,
}


def traits(channel: Channel) -> Traits:
    """Return how much a channel takes."""
    return CHANNEL_TYPES[channel.type].TRAITS


def named(message: Message, channel: Channel) -> int:
    """Return how many of a message's alerts it names, the first ones; at least one."""
    return CHANNEL_TYPES[channel.type].named(message, channel)


def preview(message: Message, channel: Channel) -> bytes:
    """Return the exact bytes that would be sent, with masks in place of secrets."""
    return CHANNEL_TYPES[channel.type].preview(message, channel)
