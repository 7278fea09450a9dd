"""Describe the channels of the rule file: where messages go, never with a secret in it.

Secrets come from the environment or from files (`NAME_FILE`); a channel names the variable.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.rules import SEVERITIES, Configured, Severity, Span

ChannelName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=100)]


class _Channel(Configured):
    name: ChannelName
    enabled: bool = True
    severities: list[Severity] = Field(
        default_factory=lambda: list(SEVERITIES),
        description="What is told here; the rest is recorded as below the channel's severity.",
    )
    fallback: str | None = Field(
        None, description="The channel that is told when this one cannot be reached in time."
    )
    template: Annotated[str, Field(max_length=8000)] | None = Field(
        None, description="A Jinja template for the text in place of the default."
    )


class Email(_Channel):
    """Mail by SMTP: SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASSWORD."""

    type: Literal["email"]
    to: Annotated[list[str], Field(min_length=1)]
    sender: str = Field("opwatch@localhost", alias="from")
    tls: Literal["starttls", "implicit", "none"] = Field(
        "starttls", description="none only for a relay on this machine."
    )


class Slack(_Channel):
    """A Slack incoming webhook."""

    type: Literal["slack"]
    channel: str | None = Field(None, description="Shown to people; the webhook decides.")
    webhook_url_env: str = "SLACK_WEBHOOK_URL"


class PagerDuty(_Channel):
    """PagerDuty's Events API v2."""

    type: Literal["pagerduty"]
    service_key_env: str = "PAGERDUTY_SERVICE_KEY"
    url: str = "https://events.pagerduty.com/v2/enqueue"


class Sms(_Channel):
    """Twilio: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM."""

    type: Literal["sms"]
    to: Annotated[list[str], Field(min_length=1)]
    url: str = "https://api.twilio.com"


class Webhook(_Channel):
    """Alertmanager's webhook, version 4, signed by Standard Webhooks."""

    type: Literal["webhook"]
    url_env: str = "OPWATCH_WEBHOOK_URL"
    secret_env: str | None = Field(None, description="Names the variable with whsec_… in it.")


Channel = Annotated[Email | Slack | PagerDuty | Sms | Webhook, Field(discriminator="type")]


class Defaults(Configured):
    """What a rule that says nothing of it gets."""

    cooldown: Span = 10 * 60_000
    channels: list[str] = Field(default_factory=list)
    runbook: str | None = None
    dashboard: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
