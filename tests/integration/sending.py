"""Adapters that are pointed at the receivers of tests/receivers."""

import time

from agents.channels.addresses import Guard, networks
from agents.channels.http import HttpClient
from agents.channels.registry import sender
from agents.channels.secrets import Secrets
from agents.channels.sender import Sender
from schemas.channels import Channel
from tests.receivers.everyone import Everyone
from tests.unit.messages.samples import EMAIL, OPENED_MS, PAGERDUTY, SLACK, SMS, TEAMS, WEBHOOK


def channels(to: Everyone) -> dict[str, Channel]:
    return {
        "email": EMAIL,
        "slack": SLACK,
        "pagerduty": PAGERDUTY.model_copy(update={"url": to.urls["pagerduty"]}),
        "sms": SMS.model_copy(update={"url": to.urls["sms"]}),
        "teams": TEAMS,
        "webhook": WEBHOOK.model_copy(update={"secret_env": "OPWATCH_WEBHOOK_SECRET"}),
    }


def client(to: Everyone, allowed: str = "127.0.0.1") -> HttpClient:
    return HttpClient(Guard(networks(allowed)), str(to.ca_file))


def made(
    kind: str,
    to: Everyone,
    http: HttpClient,
    *,
    channel: Channel | None = None,
    now_s: float | None = None,
    **environment: str,
) -> Sender:
    clock = time.time if now_s is None else lambda: now_s
    secrets = Secrets(to.environment | environment)
    return sender(channel or channels(to)[kind], http, secrets, clock)


__all__ = ["OPENED_MS", "channels", "client", "made"]
