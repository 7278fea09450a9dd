"""Make the adapter of a channel, with the secrets it needs and a mask that hides them."""

import base64
import time
from collections.abc import Callable

from pydantic import SecretStr

from agents.channels.addresses import Guard, networks
from agents.channels.credentials import (
    permit,
    routing_key,
    slack_url,
    smtp_access,
    twilio_access,
    webhook_access,
)
from agents.channels.email import EmailSender, encoded
from agents.channels.outside import Outside
from agents.channels.pagerduty import PagerDutySender
from agents.channels.posting import Post
from agents.channels.secrets import Secrets, masking
from agents.channels.sender import Sender
from agents.channels.slack import SlackSender
from agents.channels.sms import SmsSender
from agents.channels.webhook import WebhookSender
from agents.runtime.settings import Settings
from schemas.channels import Channel, Email, PagerDuty, Slack, Sms, Webhook

Clock = Callable[[], float]


def outside(settings: Settings) -> Outside:
    """Return the client that reaches receivers, as the settings allow it."""
    return Outside(guard(settings), settings.receivers_ca_file)


def guard(settings: Settings) -> Guard:
    """Return what says where receivers may be, as the settings allow it."""
    hosts = settings.vendor_hosts.replace(",", " ").split()
    return Guard(networks(settings.allow_addresses), hosts=hosts)


def sender(
    channel: Channel, way_out: Outside, secrets: Secrets, clock: Clock = time.time
) -> Sender:
    """Return the channel's adapter.

    Raises:
        MissingSecret: it lacks one, or may not use it so; the text says which.
    """
    permit(channel, secrets, way_out.guard)
    match channel:
        case Email():
            return _email(channel, way_out, secrets)
        case Slack():
            url = slack_url(channel, secrets)
            return SlackSender(channel=channel, url=url, post=_post(way_out, clock, url))
        case PagerDuty():
            key = routing_key(channel, secrets)
            return PagerDutySender(
                channel=channel, routing_key=key, post=_post(way_out, clock, key)
            )
        case Sms():
            twilio = twilio_access(channel, secrets)
            pair = f"{twilio.account.get_secret_value()}:{twilio.token.get_secret_value()}"
            basic = SecretStr(base64.b64encode(pair.encode()).decode())
            post = _post(way_out, clock, twilio.token, twilio.account, basic)
            return SmsSender(channel=channel, access=twilio, post=post)
        case Webhook():
            access = webhook_access(channel, secrets)
            post = _post(way_out, clock, access.url, *access.keys)
            return WebhookSender(channel=channel, access=access, post=post)


def _post(way_out: Outside, clock: Clock, *hidden: SecretStr) -> Post:
    return Post(outside=way_out, mask=masking(hidden), clock=clock)


def _email(channel: Email, way_out: Outside, secrets: Secrets) -> EmailSender:
    access = smtp_access(channel, secrets)
    hidden = [access.password, *map(SecretStr, encoded(access))]
    return EmailSender(
        channel=channel,
        access=access,
        guard=way_out.guard,
        tls=way_out.mail_tls,
        mask=masking(hidden),
    )
