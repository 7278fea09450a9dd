"""Say how many of the alerts that share a message the receiver finds named in it.

Only what is named counts as sent: its rule and its series stand in what the receiver gets.
"""

from schemas.channels import Channel, Email, PagerDuty, Slack, Sms, Webhook
from streams.channels import email, pagerduty, slack, sms, webhook
from streams.channels.message import Message

#: So many alerts may share a message at most, by the channel's type. Fewer fit where names are
#: long; of a text message all but the first are a number.
MOST: dict[str, int] = {
    "slack": 40,
    "pagerduty": 500,
    "sms": 1000,
    "email": 500,
    "webhook": webhook.MAX_ALERTS,
}


def named(message: Message, channel: Channel) -> int:
    """Return how many of a message's alerts it names, the first ones; at least one."""
    match channel:
        case Slack():
            return slack.named(message, channel)
        case Email():
            return email.named(message)
        case PagerDuty():
            return pagerduty.named(message)
        case Sms():
            return sms.named(message)
        case Webhook():
            return webhook.named(message)
