"""The channels of the rule file: where messages go, never with a secret in it.

Secrets come from the environment or from files (`NAME_FILE`); a channel names the variable.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field

from schemas import rule_file_checks
from schemas.mail_addresses import mail_address
from schemas.rules import (
    AS_LIST,
    SEVERITIES,
    Channels,
    Configured,
    IntervalNames,
    Labels,
    Link,
    Severity,
)
from schemas.spans import MINUTE_MS, Span


def _address(text: str) -> str:
    mail_address(text)
    return text


def _number(text: str) -> str:
    if re.fullmatch(r"\+[1-9]\d{6,14}", text) is None:
        message = 'is no telephone number: write it in quotes with its country, "+15551234567"'
        raise ValueError(message)
    return text


def _variable(text: str) -> str:
    if re.fullmatch(r"[A-Z_][A-Z0-9_]*", text) is None:
        message = (
            "is no name of an environment variable: write one such as SLACK_WEBHOOK_URL and put"
            " the value into the environment"
        )
        raise ValueError(message)
    return text


def _slack_mention(text: str) -> str:
    name = text.removeprefix("@")
    if name not in SLACK_GROUPS and re.fullmatch(r"[UWS][A-Z0-9]{6,20}", name) is None:
        message = "is nobody to mention: write here, channel, everyone, or an id as U012AB3CD"
        raise ValueError(message)
    return name


def _teams_mention(text: str) -> str:
    person = mail_address(text)
    if re.fullmatch(r"[\w .'-]*", person.name) is None:
        message = "is nobody to mention: write Ada Lovelace <ada@example.com>"
        raise ValueError(message)
    return text


#: https://docs.slack.dev/messaging/formatting-message-text#special-mentions
SLACK_GROUPS = ("here", "channel", "everyone")
SlackMentions = Annotated[
    list[Annotated[str, AfterValidator(_slack_mention)]], AS_LIST, Field(max_length=20)
]
TeamsMentions = Annotated[
    list[Annotated[str, Field(max_length=500), AfterValidator(_teams_mention)]],
    AS_LIST,
    Field(max_length=20),
]
Address = Annotated[str, Field(max_length=500), AfterValidator(_address)]
Number = Annotated[str, AfterValidator(_number)]
Variable = Annotated[str, Field(max_length=200), AfterValidator(_variable)]
ChannelName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=100)]


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """Whose secrets a type of channel uses: how they are named, and where they may be sent."""

    name: str
    prefixes: tuple[str, ...]
    """How the names begin of the environment variables that hold them."""
    shared: bool = False
    """Whether the variables may hold what is meant for anybody."""
    hosts: str | None = None
    """A pattern of the vendor's hosts: its secrets are sent nowhere else unless settings allow it.
    None where the secret itself says where it goes."""
    typed_fields: Mapping[str, str] = field(default_factory=dict)
    """Fields that people write a secret into by mistake, and what should hold it."""
    typed_values: Mapping[str, str] = field(default_factory=dict)
    """Patterns of the secrets, and what should hold them."""


class _Channel(Configured):
    vendor: ClassVar[Vendor]

    name: ChannelName
    enabled: bool = True
    severities: Annotated[list[Severity], Field(min_length=1)] = Field(
        default_factory=lambda: list(SEVERITIES),
        description="What is sent here; the rest is recorded as below the channel's severity.",
    )
    fallback: str | None = Field(
        None, description="The channel that is notified when this one cannot be reached in time."
    )
    template: (
        Annotated[str, Field(max_length=8000), AfterValidator(rule_file_checks.template)] | None
    ) = Field(None, description="A Jinja template for the text in place of the default.")


class Email(_Channel):
    """Mail by SMTP: SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASSWORD, SMTP_HELO."""

    vendor = Vendor(
        name="the mail server",
        prefixes=("SMTP_",),
        typed_fields={"password": "SMTP_PASSWORD", "smtp_password": "SMTP_PASSWORD"},
    )

    type: Literal["email"]
    to: Annotated[list[Address], Field(min_length=1, max_length=100)]
    sender: Address = Field("opwatch@localhost", alias="from")
    tls: Literal["starttls", "implicit", "none"] = Field(
        "starttls",
        description="none only for a relay on this machine, and never with a password.",
    )


class Slack(_Channel):
    """A Slack incoming webhook."""

    vendor = Vendor(
        name="Slack",
        prefixes=("SLACK_",),
        typed_fields={
            "webhook_url": "SLACK_WEBHOOK_URL",
            "slack_webhook_url": "SLACK_WEBHOOK_URL",
        },
        typed_values={
            r"hooks\.slack(-gov)?\.com/(services|workflows|triggers)/\w{8,}": ("SLACK_WEBHOOK_URL"),
            r"\bxox[abprs]-[\w-]{10,}": "SLACK_WEBHOOK_URL (of an incoming webhook)",
        },
    )

    type: Literal["slack"]
    channel: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Shown to people; the webhook decides."
    )
    webhook_url_env: Variable = "SLACK_WEBHOOK_URL"
    mention: SlackMentions = Field(
        default_factory=list,
        description="Who is called when an alert opens, rises or escalates: here, channel,"
        " everyone, or ids of members (U…) and user groups (S…).",
    )
    username: Annotated[str, Field(min_length=1, max_length=80)] | None = Field(
        None, description="Only webhooks of custom integrations show it, those of apps do not."
    )
    icon_emoji: Annotated[str, Field(pattern=r"^:[a-z0-9_+'-]+:$", max_length=100)] | None = Field(
        None, description="As :rotating_light:, where `username` is shown."
    )


class PagerDuty(_Channel):
    """PagerDuty's Events API v2."""

    vendor = Vendor(
        name="PagerDuty",
        prefixes=("PAGERDUTY_",),
        # https://developer.pagerduty.com/docs/events-api-v2-overview
        hosts=r"events(\.eu)?\.pagerduty\.com",
        typed_fields=dict.fromkeys(
            ("service_key", "routing_key", "integration_key", "pagerduty_service_key"),
            "PAGERDUTY_SERVICE_KEY",
        ),
    )

    type: Literal["pagerduty"]
    service_key_env: Variable = "PAGERDUTY_SERVICE_KEY"
    url: Link = "https://events.pagerduty.com/v2/enqueue"


class Sms(_Channel):
    """Twilio: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM."""

    vendor = Vendor(
        name="Twilio",
        prefixes=("TWILIO_",),
        # https://www.twilio.com/docs/global-infrastructure
        hosts=r"api(\.[a-z0-9-]+){0,2}\.twilio\.com",
        typed_fields=dict.fromkeys(("auth_token", "twilio_auth_token"), "TWILIO_AUTH_TOKEN"),
    )

    type: Literal["sms"]
    to: Annotated[list[Number], Field(min_length=1, max_length=100)]
    url: Link = "https://api.twilio.com"


class Teams(_Channel):
    """Microsoft Teams, by a webhook of its Workflows app."""

    vendor = Vendor(
        name="Microsoft Teams",
        prefixes=("TEAMS_",),
        # https://learn.microsoft.com/en-us/power-automate/ip-address-configuration
        hosts=r"([a-z0-9-]+\.)+(logic\.azure|powerplatform|webhook\.office)\.com",
        typed_fields=dict.fromkeys(("webhook_url", "teams_webhook_url"), "TEAMS_WEBHOOK_URL"),
        typed_values={
            r"\.(logic\.azure|powerplatform|webhook\.office)\.com(:\d+)?/\S{8,}": (
                "TEAMS_WEBHOOK_URL"
            )
        },
    )

    type: Literal["teams"]
    webhook_url_env: Variable = "TEAMS_WEBHOOK_URL"
    mention: TeamsMentions = Field(
        default_factory=list,
        description="Who is called when an alert opens, rises or escalates: Ada <ada@example.com>,"
        " by the address that Teams knows the person by.",
    )


class Webhook(_Channel):
    """Alertmanager's webhook, version 4, signed by Standard Webhooks."""

    vendor = Vendor(
        name="the webhook",
        prefixes=("WEBHOOK_", "HOOK_", "OPWATCH_WEBHOOK_"),
        shared=True,
        typed_fields={"secret": "the variable that `secret_env` names"},
        typed_values={r"\bwhsec_[\w+/=]{10,}": "the variable that `secret_env` names"},
    )

    type: Literal["webhook"]
    url_env: Variable = "OPWATCH_WEBHOOK_URL"
    secret_env: Variable | None = Field(None, description="Names the variable with whsec_… in it.")


Channel = Annotated[Email | Slack | PagerDuty | Sms | Teams | Webhook, Field(discriminator="type")]
#: The model of each type.
MODELS: Mapping[str, type[_Channel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(Channel)[0])
}


class Defaults(Configured):
    """What a rule gets that does not set it itself."""

    cooldown: Span = 10 * MINUTE_MS
    channels: Channels = Field(default_factory=list)
    mute_time_intervals: IntervalNames = Field(default_factory=list)
    active_time_intervals: IntervalNames = Field(default_factory=list)
    runbook: Link | None = None
    dashboard: Link | None = None
    labels: Labels = Field(default_factory=dict)
