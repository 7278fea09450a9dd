"""Show the exact bytes that would leave for a channel, with a mask where a secret would be."""

from schemas.channels import Channel, Email, PagerDuty, Slack, Sms, Webhook
from streams.channels import email, pagerduty, slack, sms, webhook
from streams.channels.message import Message
from streams.channels.request import MASK, Request

#: As long as the key, so that the lengths shown are the lengths sent.
_ROUTING_KEY = "*" * 32


def preview(message: Message, channel: Channel) -> bytes:
    """Return the mail, or each POST: where to, headers, an empty line, the body.

    Needs no secret. A webhook's time is the moment at which the delivery was decided.
    """
    match channel:
        case Email():
            return email.build(message, channel)
        case Slack():
            url = f"${{{channel.webhook_url_env}}}"
            return _shown([slack.request(message, channel, url)])
        case PagerDuty():
            return _shown(pagerduty.requests(message, channel, _ROUTING_KEY))
        case Sms():
            texts = sms.requests(message, channel, MASK, MASK, "${TWILIO_FROM}")
            return _shown([request for _, request in texts])
        case Webhook():
            return _shown([_webhook(message, channel)])


def _webhook(message: Message, channel: Webhook) -> Request:
    # Signed with no key at all: the mask below stands for what a key would make of it.
    keys = () if channel.secret_env is None else ("",)
    return webhook.request(message, channel, f"${{{channel.url_env}}}", keys, message.created_ms)


def _shown(requests: list[Request]) -> bytes:
    return b"\n\n".join(_one(request) for request in requests) + b"\n"


def _one(request: Request) -> bytes:
    secret = {"authorization": f"Basic {MASK}", "webhook-signature": f"v1,{MASK}"}
    headers = [f"{name}: {secret.get(name, value)}" for name, value in request.headers.items()]
    length = f"content-length: {len(request.body)}"
    head = "\n".join([f"POST {request.url}", *headers, length])
    return head.encode() + b"\n\n" + request.body
