"""Name every variable that the channels of the samples read, with a secret in it."""

from tests.unit.messages.samples import ROUTING_KEY, SIGNING_KEY, SLACK_URL, TEAMS_URL

EVERYTHING = {
    "SMTP_HOST": "mail.example.com",
    "SLACK_WEBHOOK_URL": SLACK_URL,
    "PAGERDUTY_SERVICE_KEY": ROUTING_KEY,
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token-0123456789",
    "TWILIO_FROM": "+15005550001",
    "TEAMS_WEBHOOK_URL": TEAMS_URL,
    "OPWATCH_WEBHOOK_URL": "https://hook.example.com/path",
    "HOOK_SECRET": SIGNING_KEY,
}
