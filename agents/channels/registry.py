"""Which senders there are, and which channels may and can be used: rule file, settings, secrets.

A type of channel that is added gets a line in `ADAPTERS`, and no other place in agents/.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from agents.channels import email, pagerduty, slack, sms, teams, webhook
from agents.channels.addresses import Guard, host_of, networks
from agents.channels.http import HttpClient
from agents.channels.proxy import proxy_of
from agents.channels.secrets import MissingSecret, NotAllowed, Secrets
from agents.channels.sender import Clock, Sender
from agents.runtime.channel_variables import is_of_another
from agents.runtime.settings import Settings
from schemas.channels import Channel


class Adapter(Protocol):
    """A module of this folder that sends for one type. It gets channels of its own type only."""

    def access(self, channel: Any, secrets: Secrets, guard: Guard) -> Any:
        """Return the secrets and addresses that the channel needs.

        Raises:
            MissingSecret: it lacks one, or may not use it so; the text says which.
        """
        ...

    def sender(self, channel: Any, access: Any, client: HttpClient, clock: Clock) -> Sender:
        """Return the channel's sender."""
        ...


ADAPTERS: Mapping[str, Adapter] = {
    "email": email,
    "slack": slack,
    "pagerduty": pagerduty,
    "sms": sms,
    "teams": teams,
    "webhook": webhook,
}


def http_client(settings: Settings) -> HttpClient:
    """Return the client that reaches receivers, as the settings allow it."""
    url = settings.receivers_proxy
    proxy = None if url is None else proxy_of(url.get_secret_value())
    return HttpClient(guard(settings), settings.receivers_ca_file, proxy)


def guard(settings: Settings) -> Guard:
    """Return what says where receivers may be, as the settings allow it."""
    hosts = settings.vendor_hosts.replace(",", " ").split()
    return Guard(networks(settings.allow_addresses), hosts=hosts)


def sender(
    channel: Channel, client: HttpClient, secrets: Secrets, clock: Clock = time.time
) -> Sender:
    """Return the channel's sender.

    Raises:
        MissingSecret: it lacks one, or may not use it so; the text says which.
    """
    return ADAPTERS[channel.type].sender(
        channel, _access(channel, secrets, client.guard), client, clock
    )


def missing_secrets(
    channels: Iterable[Channel], secrets: Secrets | None = None, guard: Guard | None = None
) -> dict[str, str]:
    """Return, for each channel that cannot be used for want of a secret, the sentence saying so.

    Args:
        channels: of the rule file.
        secrets: what they may read; by default the environment's.
        guard: says where vendors' secrets may be sent to; by default to the vendors.
    """
    found = refusals(channels, secrets or Secrets(), guard or Guard())
    return {name: str(refusal) for name, refusal in found.items()}


def refusals(
    channels: Iterable[Channel], secrets: Secrets, guard: Guard
) -> dict[str, MissingSecret]:
    """Return why channels cannot be used: a secret is missing, or may not be used so."""
    found: dict[str, MissingSecret] = {}
    for channel in channels:
        try:
            _access(channel, secrets, guard)
        except MissingSecret as refusal:
            found[channel.name] = refusal
    return found


def _access(channel: Channel, secrets: Secrets, guard: Guard) -> Any:
    permit(channel, secrets, guard)
    return ADAPTERS[channel.type].access(channel, secrets, guard)


def permit(channel: Channel, secrets: Secrets, guard: Guard) -> None:
    """Do nothing if the deployment lets the channel read what it names and send it there.

    Raises:
        NotAllowed: it does not.
    """
    for field, name in _variables(channel):
        secrets.permit(name, field)
    vendor = channel.vendor
    if vendor.hosts is None:
        return
    for field, name in _variables(channel):
        if is_of_another(name, vendor):
            sentence = f"{name} is another vendor's: it is not sent to {vendor.name}."
            raise NotAllowed(sentence, field)
    if (url := getattr(channel, "url", None)) is None:
        return
    host = host_of(url)
    if not guard.allows_vendor(host, vendor):
        sentence = (
            f"{host or 'What it names'} is not {vendor.name}: its secret goes nowhere else, unless"
            " OPWATCH_VENDOR_HOSTS or OPWATCH_ALLOW_ADDRESSES names the host."
        )
        raise NotAllowed(sentence, "url")


def variables(channels: Iterable[Channel]) -> set[str]:
    """Return the variables that channels name, and those that may name a file instead."""
    names = {name for channel in channels for _, name in _variables(channel)}
    return {variable for name in names for variable in (name, f"{name}_FILE")}


def _variables(channel: Channel) -> Iterator[tuple[str, str]]:
    """Yield each field that names a variable, and the variable."""
    for field in type(channel).model_fields:
        name = getattr(channel, field)
        if field.endswith("_env") and name is not None:
            yield field, name
