"""List whose secrets each type of channel uses: what a channel may read, and where it is sent.

Apart from the models of the channels, which take long to make: settings need the names alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


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


#: By type of channel.
VENDORS = {
    "email": Vendor(
        name="the mail server",
        prefixes=("SMTP_",),
        typed_fields={"password": "SMTP_PASSWORD", "smtp_password": "SMTP_PASSWORD"},
    ),
    "slack": Vendor(
        name="Slack",
        prefixes=("SLACK_",),
        typed_fields={
            "webhook_url": "SLACK_WEBHOOK_URL",
            "slack_webhook_url": "SLACK_WEBHOOK_URL",
        },
        typed_values={
            r"hooks\.slack(-gov)?\.com/": "SLACK_WEBHOOK_URL",
            r"\bxox[abprs]-\w+": "SLACK_WEBHOOK_URL (of an incoming webhook)",
        },
    ),
    "pagerduty": Vendor(
        name="PagerDuty",
        prefixes=("PAGERDUTY_",),
        # https://developer.pagerduty.com/docs/events-api-v2-overview
        hosts=r"events(\.eu)?\.pagerduty\.com",
        typed_fields=dict.fromkeys(
            ("service_key", "routing_key", "integration_key", "pagerduty_service_key"),
            "PAGERDUTY_SERVICE_KEY",
        ),
    ),
    "sms": Vendor(
        name="Twilio",
        prefixes=("TWILIO_",),
        # https://www.twilio.com/docs/global-infrastructure
        hosts=r"api(\.[a-z0-9-]+){0,2}\.twilio\.com",
        typed_fields=dict.fromkeys(("auth_token", "twilio_auth_token"), "TWILIO_AUTH_TOKEN"),
    ),
    "teams": Vendor(
        name="Microsoft Teams",
        prefixes=("TEAMS_",),
        # https://learn.microsoft.com/en-us/power-automate/ip-address-configuration
        hosts=r"([a-z0-9-]+\.)+(logic\.azure|powerplatform|webhook\.office)\.com",
        typed_fields=dict.fromkeys(("webhook_url", "teams_webhook_url"), "TEAMS_WEBHOOK_URL"),
        typed_values={
            r"\.(logic\.azure|powerplatform|webhook\.office)\.com[:/]": "TEAMS_WEBHOOK_URL"
        },
    ),
    "webhook": Vendor(
        name="the webhook",
        prefixes=("WEBHOOK_", "HOOK_", "OPWATCH_WEBHOOK_"),
        shared=True,
        typed_fields={"secret": "the variable that `secret_env` names"},
        typed_values={r"\bwhsec_\w{4,}": "the variable that `secret_env` names"},
    ),
}
