"""A vendor's secret goes to the vendor, or where the settings allow."""

import httpx
import pytest

from agents.channels.addresses import Guard, networks
from agents.channels.http import HttpClient
from agents.channels.registry import missing_secrets, sender
from agents.channels.secrets import NotAllowed, Secrets
from tests.unit.alert.secret_samples import EVERYTHING
from tests.unit.messages.samples import PAGERDUTY, SMS, TEAMS

OPEN_GUARD = Guard(networks("127.0.0.1, 10.1.0.0/16"), hosts=["proxy.example.com"])


@pytest.mark.parametrize(
    ("channel", "url", "default", "opened"),
    [
        (PAGERDUTY, "https://events.pagerduty.com/v2/enqueue", True, True),
        (PAGERDUTY, "https://events.eu.pagerduty.com/v2/enqueue", True, True),
        (PAGERDUTY, "https://EVENTS.pagerduty.com.:443/v2/enqueue", True, True),
        (SMS, "https://api.twilio.com", True, True),
        (SMS, "https://api.dublin.ie1.twilio.com", True, True),
        (PAGERDUTY, "https://proxy.example.com/v2", False, True),
        (PAGERDUTY, "http://127.0.0.1:8080/v2", False, True),
        (PAGERDUTY, "https://localhost:8080/v2", True, True),
        (SMS, "https://10.1.2.3", False, True),
        (SMS, "https://10.2.2.3", False, False),
        (PAGERDUTY, "https://evil.example/v2/enqueue", False, False),
        (PAGERDUTY, "https://api.twilio.com", False, False),
        (SMS, "https://events.pagerduty.com", False, False),
        (PAGERDUTY, "https://pagerduty.com.evil.example", False, False),
        (PAGERDUTY, "https://events-pagerduty.com", False, False),
        (PAGERDUTY, "https://eventsxpagerduty.com", False, False),
        (PAGERDUTY, "https://evil.example/events.pagerduty.com", False, False),
        (PAGERDUTY, "https://evil.example#events.pagerduty.com", False, False),
        (PAGERDUTY, "https://evil.example?events.pagerduty.com", False, False),
        (PAGERDUTY, "https://events.pagerduty.com@evil.example", False, False),
        (PAGERDUTY, "https://events.pagerduty.com:443@evil.example", False, False),
        (PAGERDUTY, "https://evil.example\\@events.pagerduty.com", False, False),
        (PAGERDUTY, "https://events.pagerduty.com\\.evil.example", False, False),
        (PAGERDUTY, "https://events.pagerduty.com\u3002evil.example", False, False),
        (PAGERDUTY, "https:///events.pagerduty.com", False, False),
        (PAGERDUTY, "https://127.1", False, False),
        (PAGERDUTY, "https://2130706433", False, False),
        (PAGERDUTY, "https://[::ffff:127.0.0.1]", False, False),
    ],
)
def test_a_vendors_secret_goes_to_the_vendor_or_where_settings_allow(channel, url, default, opened):
    there = channel.model_copy(update={"url": url})
    for guard, goes in ((Guard(), default), (OPEN_GUARD, opened)):
        missing = missing_secrets([there], Secrets(EVERYTHING), guard)
        assert (missing == {}) is goes, missing
        if goes:
            host = httpx.URL(url).host.rstrip(".")
            assert (
                host in ("events.pagerduty.com", "events.eu.pagerduty.com")
                or guard.allows(host)
                or host.endswith(".twilio.com")
            )


@pytest.mark.parametrize(
    ("host", "goes", "opened"),
    [
        ("prod-12.westeurope.logic.azure.com", True, True),
        ("default0123.45.environment.api.powerplatform.com", True, True),
        ("contoso.webhook.office.com", True, True),
        ("proxy.example.com", False, True),
        ("10.1.2.3", False, True),
        ("logic.azure.com", False, False),
        ("webhook.office.com.evil.example", False, False),
    ],
)
def test_a_teams_webhook_is_at_microsoft_or_where_settings_allow(host, goes, opened):
    secrets = Secrets({"TEAMS_WEBHOOK_URL": f"https://{host}:443/workflows/x?sig=0123456789"})
    assert (missing_secrets([TEAMS], secrets) == {}) is goes
    missing = missing_secrets([TEAMS], secrets, OPEN_GUARD)
    assert (missing == {}) is opened
    assert "0123456789" not in str(missing)


@pytest.mark.parametrize("name", ["PAGERDUTY_SERVICE_KEY", "SLACK_WEBHOOK_URL"])
def test_another_vendors_secret_is_not_sent_to_teams(name):
    channel = TEAMS.model_copy(update={"webhook_url_env": name})
    (sentence,) = missing_secrets([channel], Secrets(EVERYTHING)).values()
    assert sentence == f"{name} is another vendor's: it is not sent to Microsoft Teams."


@pytest.mark.parametrize(
    "name", ["SLACK_WEBHOOK_URL", "TWILIO_AUTH_TOKEN", "SMTP_PASSWORD", "TEAMS_WEBHOOK_URL"]
)
def test_another_vendors_secret_is_not_sent_to_pagerduty(name):
    given = EVERYTHING | {name: "0" * 32}
    channel = PAGERDUTY.model_copy(update={"service_key_env": name})
    (sentence,) = missing_secrets([channel], Secrets(given)).values()
    assert sentence == f"{name} is another vendor's: it is not sent to PagerDuty."


async def test_a_channel_that_may_not_send_its_secret_has_no_sender():
    out = HttpClient(Guard())
    channel = PAGERDUTY.model_copy(update={"url": "https://evil.example"})
    with pytest.raises(NotAllowed, match="OPWATCH_VENDOR_HOSTS"):
        sender(channel, out, Secrets(EVERYTHING))
    await out.aclose()
