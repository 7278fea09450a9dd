"""Keep a sender for each channel of the rule file, and say which cannot be used and why."""

from collections.abc import Iterable
from dataclasses import replace

import structlog

from agents.alert import metrics
from agents.alert.ack_links import Links
from agents.channels import registry
from agents.channels.secrets import MissingSecret, Secrets
from agents.channels.sender import Sender
from agents.runtime.settings import Settings
from schemas.channels import Channel
from streams.alerting.inputs import Channels
from streams.channels.message import Message
from streams.channels.response_meaning import Answer

log = structlog.get_logger()


class Receivers:
    """The channels as the rule file and the environment have them."""

    def __init__(self, settings: Settings, links: Links | None = None) -> None:
        """Know no channel yet.

        Args:
            settings: the worker's.
            links: makes the links in messages; None for none.
        """
        self._links = links
        self._allowed = settings.channel_variables
        self._client = registry.http_client(settings)
        self.channels = Channels.of(())
        self._made: dict[str, Sender] = {}
        self.senders: dict[str, Sender] = {}
        """Of the channels that can be used."""

    def take(self, channels: Iterable[Channel]) -> None:
        """Use the channels of a rule file; say why of each that cannot be used."""
        configured = list(channels)
        secrets, missing = Secrets(allowed=self._allowed), {}
        made, self.senders = self._made, {}
        self._made = {}
        for channel in configured:
            try:
                sender = registry.sender(channel, self._client, secrets)
            except MissingSecret as error:
                missing[channel.name] = str(error)
                if channel.enabled:
                    log.warning("a channel cannot be used", channel=channel.name, why=str(error))
            else:
                old = made.get(channel.name)
                if old is not None and old == sender:
                    sender = old  # it remembers which of its recipients got the message
                self._made[channel.name] = sender
                self.senders[channel.name] = (
                    _Linking(sender, self._links) if self._links else sender
                )
            metrics.unusable.labels(channel.name).set(channel.enabled and channel.name in missing)
        for gone in self.channels.by_name.keys() - {channel.name for channel in configured}:
            metrics.unusable.remove(gone)
        self.channels = Channels.of(configured, missing)

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._client.aclose()


class _Linking:
    """Puts the link that acknowledges into each message."""

    def __init__(self, sender: Sender, links: Links) -> None:
        self._sender = sender
        self._links = links

    async def send(self, message: Message, attempt: int, deadline_s: float) -> Answer:
        linked = replace(message, acknowledge_url=self._links.url_of(message))
        return await self._sender.send(linked, attempt, deadline_s)
