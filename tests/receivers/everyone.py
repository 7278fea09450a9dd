"""Bring up one receiver of each kind, and say how opwatch is told of them."""

import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.receivers import pagerduty, slack, twilio, webhook
from tests.receivers.certificates import Certificates
from tests.receivers.http import Receiver
from tests.receivers.mail import PASSWORD, USER, MailServer

ROUTING_KEY = base64.b16encode(b"opwatch-receiver").decode()


@dataclass(frozen=True, kw_only=True)
class Everyone:
    """One receiver of each kind, on this machine."""

    slack: Receiver
    pagerduty: Receiver
    incidents: pagerduty.PagerDuty
    sms: Receiver
    webhook: Receiver
    mail: MailServer
    ca_file: Path

    @property
    def http(self) -> dict[str, Receiver]:
        """Those that speak HTTP, by name."""
        return {
            "slack": self.slack,
            "pagerduty": self.pagerduty,
            "sms": self.sms,
            "webhook": self.webhook,
        }

    @property
    def environment(self) -> dict[str, str]:
        """What opwatch must be given to reach them."""
        return {
            "SLACK_WEBHOOK_URL": self.slack.url + slack.PATH,
            "PAGERDUTY_SERVICE_KEY": ROUTING_KEY,
            "TWILIO_ACCOUNT_SID": twilio.ACCOUNT,
            "TWILIO_AUTH_TOKEN": twilio.TOKEN,
            "TWILIO_FROM": twilio.SENDER,
            "OPWATCH_WEBHOOK_URL": self.webhook.url + webhook.PATH,
            "OPWATCH_WEBHOOK_SECRET": webhook.KEY,
            "SMTP_HOST": "localhost",
            "SMTP_PORT": str(self.mail.port),
            "SMTP_USER": USER,
            "SMTP_PASSWORD": PASSWORD,
            "OPWATCH_ALLOW_ADDRESSES": "127.0.0.1",
            "OPWATCH_RECEIVERS_CA_FILE": str(self.ca_file),
        }

    @property
    def urls(self) -> dict[str, str]:
        """What the rule file must say of the channels that are not told by the environment."""
        return {
            "pagerduty": self.pagerduty.url + pagerduty.PATH,
            "sms": self.sms.url,
        }


@contextlib.asynccontextmanager
async def everyone(folder: Path, *, tls: bool = True) -> AsyncIterator[Everyone]:
    """Yield the receivers; the folder gets the authority that signed their certificates."""
    certificates = Certificates(folder)
    context = certificates.server() if tls else None
    incidents = pagerduty.PagerDuty()
    async with (
        Receiver(slack.slack, context) as to_slack,
        Receiver(incidents, context) as to_pagerduty,
        Receiver(twilio.twilio, context) as to_twilio,
        Receiver(webhook.webhook, context) as to_webhook,
        MailServer(certificates.server()) as to_mail,
    ):
        yield Everyone(
            slack=to_slack,
            pagerduty=to_pagerduty,
            incidents=incidents,
            sms=to_twilio,
            webhook=to_webhook,
            mail=to_mail,
            ca_file=certificates.ca_file,
        )
