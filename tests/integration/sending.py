"""Adapters that are pointed at the receivers of tests/receivers."""

import time

from agents.channels.addresses import Guard, networks
from agents.channels.making import sender
from agents.channels.outside import Outside
from agents.channels.secrets import Secrets
from agents.channels.sender import Sender
from schemas.channels import Channel
from tests.receivers.everyone import Everyone
from tests.unit.messages.samples import EMAIL, OPENED_MS, PAGERDUTY, SLACK, SMS, WEBHOOK


def channels(to: Everyone) -> dict[str, Channel]:
    return {
        "email": EMAIL,
        "slack": SLACK,
        "pagerduty": PAGERDUTY.model_copy(update={"url": to.urls["pagerduty"]}),
        "sms": SMS.model_copy(update={"url": to.urls["sms"]}),
        "webhook": WEBHOOK.model_copy(update={"secret_env": "OPWATCH_WEBHOOK_SECRET"}),
    }


def outside(to: Everyone, allowed: str = "127.0.0.1") -> Outside:
    return Outside(Guard(networks(allowed)), str(to.ca_file))


def made(
    kind: str,
    to: Everyone,
    way_out: Outside,
    *,
    channel: Channel | None = None,
    now_s: float | None = None,
    **environment: str,
) -> Sender:
    clock = time.time if now_s is None else lambda: now_s
    secrets = Secrets(to.environment | environment)
    return sender(channel or channels(to)[kind], way_out, secrets, clock)


__all__ = ["OPENED_MS", "channels", "made", "outside"]
