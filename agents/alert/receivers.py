"""Keep an adapter for each channel of the rule file, and say which cannot be used and why."""

from collections.abc import Iterable

import structlog

from agents.alert import metrics
from agents.alert.channels import making
from agents.alert.channels.sender import Sender
from agents.alert.secrets import MissingSecret, Secrets
from agents.settings import Settings
from schemas.channels import Channel
from streams.alerting.given import Channels

log = structlog.get_logger()


class Receivers:
    """The channels as the rule file and the environment have them."""

    def __init__(self, settings: Settings) -> None:
        """Know no channel yet."""
        self._outside = making.outside(settings)
        self.channels = Channels.of(())
        self.senders: dict[str, Sender] = {}
        """Of the channels that can be used."""

    def take(self, channels: Iterable[Channel]) -> None:
        """Take the channels of a rule file over; what cannot be used is said in a sentence each."""
        known = list(channels)
        secrets, missing = Secrets(), {}
        self.senders = {}
        for channel in known:
            try:
                self.senders[channel.name] = making.sender(channel, self._outside, secrets)
            except MissingSecret as error:
                missing[channel.name] = str(error)
                if channel.enabled:
                    log.warning("a channel cannot be used", channel=channel.name, why=str(error))
            metrics.unusable.labels(channel.name).set(channel.enabled and channel.name in missing)
        for gone in self.channels.by_name.keys() - {channel.name for channel in known}:
            metrics.unusable.remove(gone)
        self.channels = Channels.of(known, missing)

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._outside.aclose()
