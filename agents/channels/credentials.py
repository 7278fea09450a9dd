"""Find what each channel needs to be let in, or say in a sentence what is missing."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import SecretStr

from agents.channels.addresses import Guard
from agents.channels.secrets import MissingSecret, NotAllowed, Secrets
from agents.channels.variables import is_of_another
from schemas.channels import Channel, Email, PagerDuty, Slack, Sms, Webhook

#: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
ROUTING_KEY_CHARACTERS = 32
#: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
SECRET_PREFIX = "whsec_"  # noqa: S105 - how such a secret begins, not one
SECRET_BYTES = range(24, 65)
#: Two, so that a receiver can move from the old one to the new one.
MAX_SECRETS = 2
#: Only what all parsers of URLs read alike: no user, no backslash, no letters beyond ASCII.
_URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-\[\]-~]*)?")
#: https://developer.pagerduty.com/docs/events-api-v2-overview, https://www.twilio.com/docs/global-infrastructure
_VENDOR_HOSTS = {
    "pagerduty": re.compile(r"events(\.eu)?\.pagerduty\.com"),
    "sms": re.compile(r"api(\.[a-z0-9-]+){0,2}\.twilio\.com"),
}
PORTS = {"starttls": 587, "implicit": 465, "none": 25}


@dataclass(frozen=True, kw_only=True)
class SmtpAccess:
    """A mail server, and the user to be there."""

    host: str
    port: int
    user: SecretStr | None
    password: SecretStr | None


@dataclass(frozen=True, kw_only=True)
class TwilioAccess:
    """A Twilio account, and a number or a messaging service (MG…) to send from."""

    account: SecretStr
    token: SecretStr
    sender: str


@dataclass(frozen=True, kw_only=True)
class WebhookAccess:
    """A webhook's URL, and the keys to sign with: two while they are rotated."""

    url: SecretStr
    keys: tuple[SecretStr, ...]


def smtp_access(channel: Email, secrets: Secrets) -> SmtpAccess:
    """Return the mail server; without SMTP_USER and SMTP_PASSWORD it is one that asks for none."""
    host = secrets.need("SMTP_HOST").get_secret_value()
    port = secrets.get("SMTP_PORT")
    number = port.get_secret_value() if port else str(PORTS[channel.tls])
    if not number.isascii() or not number.isdigit() or not 0 < int(number) < 1 << 16:
        raise MissingSecret("SMTP_PORT is not a port.")
    user, password = secrets.get("SMTP_USER"), secrets.get("SMTP_PASSWORD")
    if (user is None) != (password is None):
        absent, present = ("SMTP_PASSWORD", "SMTP_USER")[:: 1 if user else -1]
        raise MissingSecret(f"{present} is set and {absent} is not.")
    return SmtpAccess(host=host, port=int(number), user=user, password=password)


def slack_url(channel: Slack, secrets: Secrets) -> SecretStr:
    """Return the incoming webhook's URL, which is the secret."""
    return secrets.need_url(channel.webhook_url_env)


def routing_key(channel: PagerDuty, secrets: Secrets) -> SecretStr:
    """Return the service's integration key."""
    key = secrets.need(channel.service_key_env)
    if len(key.get_secret_value()) != ROUTING_KEY_CHARACTERS:
        raise MissingSecret(
            f"{channel.service_key_env} is not an integration key of PagerDuty's Events API v2:"
            f" it has not {ROUTING_KEY_CHARACTERS} characters."
        )
    return key


def twilio_access(_channel: Sms, secrets: Secrets) -> TwilioAccess:
    """Return the Twilio account."""
    return TwilioAccess(
        account=secrets.need("TWILIO_ACCOUNT_SID"),
        token=secrets.need("TWILIO_AUTH_TOKEN"),
        sender=secrets.need("TWILIO_FROM").get_secret_value(),
    )


def webhook_access(channel: Webhook, secrets: Secrets) -> WebhookAccess:
    """Return the webhook's URL and keys."""
    url = secrets.need_url(channel.url_env)
    if channel.secret_env is None:
        return WebhookAccess(url=url, keys=())
    keys = secrets.need(channel.secret_env).get_secret_value().replace(",", " ").split()
    if len(keys) > MAX_SECRETS:
        raise MissingSecret(f"{channel.secret_env} holds more than {MAX_SECRETS} secrets.")
    if not all(_is_signing_key(key) for key in keys):
        raise MissingSecret(
            f"{channel.secret_env} is not {SECRET_PREFIX}… with"
            f" {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} bytes in base64."
        )
    return WebhookAccess(url=url, keys=tuple(SecretStr(key) for key in keys))


def missing_secrets(
    channels: Iterable[Channel], secrets: Secrets | None = None, guard: Guard | None = None
) -> dict[str, str]:
    """Return, for each channel that cannot be used for want of a secret, the sentence saying so.

    Args:
        channels: of the rule file.
        secrets: what they may read; by default the environment's.
        guard: says where vendors' secrets may be sent to; by default to the vendors.
    """
    secrets, guard = secrets or Secrets(), guard or Guard()
    missing = {}
    for channel in channels:
        try:
            permit(channel, secrets, guard)
            check(channel, secrets)
        except MissingSecret as error:
            missing[channel.name] = str(error)
    return missing


def permit(channel: Channel, secrets: Secrets, guard: Guard) -> None:
    """Do nothing if the deployment lets the channel read what it names and send it there.

    Raises:
        NotAllowed: it does not.
    """
    for field in type(channel).model_fields:
        name = getattr(channel, field)
        if field.endswith("_env") and name is not None:
            secrets.permit(name, field)
    if isinstance(channel, PagerDuty) and is_of_another(channel.service_key_env, channel.type):
        said = f"{channel.service_key_env} is another vendor's: it is not sent to PagerDuty."
        raise NotAllowed(said, "service_key_env")
    if isinstance(channel, PagerDuty | Sms):
        _permit_host(channel, guard)


def _permit_host(channel: PagerDuty | Sms, guard: Guard) -> None:
    match = _URL.fullmatch(channel.url)
    host = match[1].lower().rstrip(".") if match else ""
    if not host or not (_VENDOR_HOSTS[channel.type].fullmatch(host) or guard.allows(host)):
        vendor = "PagerDuty" if isinstance(channel, PagerDuty) else "Twilio"
        said = (
            f"{host or 'What it names'} is not {vendor}: its secret goes nowhere else, unless"
            " OPWATCH_VENDOR_HOSTS or OPWATCH_ALLOW_ADDRESSES names the host."
        )
        raise NotAllowed(said, "url")


def variables(channels: Iterable[Channel]) -> set[str]:
    """Return the variables that channels name, and those that may name a file instead."""
    named = {
        getattr(channel, field)
        for channel in channels
        for field in type(channel).model_fields
        if field.endswith("_env")
    }
    return {variable for name in named if name for variable in (name, f"{name}_FILE")}


def check(channel: Channel, secrets: Secrets) -> None:
    """Do nothing if the channel has what it needs.

    Raises:
        MissingSecret: it has not.
    """
    match channel:
        case Email():
            smtp_access(channel, secrets)
        case Slack():
            slack_url(channel, secrets)
        case PagerDuty():
            routing_key(channel, secrets)
        case Sms():
            twilio_access(channel, secrets)
        case Webhook():
            webhook_access(channel, secrets)


def _is_signing_key(key: str) -> bool:
    try:
        raw = base64.b64decode(key.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:  # also of what is not ASCII
        return False
    return key.startswith(SECRET_PREFIX) and len(raw) in SECRET_BYTES
