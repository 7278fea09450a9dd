import urllib.parse

import pytest

from streams.channels import email, pagerduty, slack, sms, teams, webhook
from streams.channels.registry import preview
from tests.unit.messages.samples import (
    CHANNELS,
    EMAIL,
    PAGERDUTY,
    ROUTING_KEY,
    SIGNING_KEY,
    SLACK,
    SLACK_URL,
    SMS,
    TEAMS,
    TEAMS_URL,
    WEBHOOK,
    message,
)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.type)
def test_a_preview_needs_no_secret_and_is_the_same_each_time(channel):
    assert preview(message(), channel) == preview(message(), channel)


def test_a_preview_holds_the_bytes_that_are_sent():
    assert preview(message(), EMAIL) == email.build(message(), EMAIL)
    assert slack.request(message(), SLACK, SLACK_URL).body in preview(message(), SLACK)
    (event,) = pagerduty.requests(message(), PAGERDUTY, ROUTING_KEY)
    assert event.body.replace(ROUTING_KEY.encode(), b"*" * 32) in preview(message(), PAGERDUTY)
    hook = webhook.request(message(), WEBHOOK, "https://x.example", (SIGNING_KEY,), 0)
    assert hook.body in preview(message(), WEBHOOK)
    assert teams.request(message(), TEAMS, TEAMS_URL).body in preview(message(), TEAMS)
    words = urllib.parse.urlencode({"Body": sms.text(message(), SMS)}).encode()
    assert words in preview(message(), SMS)


def test_a_preview_masks_what_only_a_key_can_make():
    shown = preview(message(), WEBHOOK).decode()
    assert shown.startswith("POST ${OPWATCH_WEBHOOK_URL}\n")
    assert preview(message(), TEAMS).startswith(b"POST ${TEAMS_WEBHOOK_URL}\n")
    assert "webhook-signature: v1,**********" in shown
    assert "authorization: Basic **********" in preview(message(), SMS).decode()
