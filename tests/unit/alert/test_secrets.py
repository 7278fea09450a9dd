import base64

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from agents.channels import webhook
from agents.channels.addresses import Guard, networks
from agents.channels.http import HttpClient
from agents.channels.registry import missing_secrets, sender
from agents.channels.secrets import MAX_MASKED, MissingSecret, NotAllowed, Secrets, masking
from agents.runtime.channel_variables import DEFAULT
from agents.runtime.settings import Settings, own_variables
from schemas.channels import Email, PagerDuty, Slack, Sms, Teams, Webhook
from streams.channels import sms
from tests.unit.messages.samples import (
    CHANNELS,
    EMAIL,
    OTHER_KEY,
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


def test_what_is_complete_misses_nothing():
    assert missing_secrets(CHANNELS, Secrets(EVERYTHING)) == {}


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_missing_one_is_a_sentence_that_names_the_variable(name):
    left = {key: value for key, value in EVERYTHING.items() if key != name}
    (sentence,) = missing_secrets(CHANNELS, Secrets(left)).values()
    assert sentence == f"Neither {name} nor {name}_FILE is set in the environment."


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_may_be_in_a_file(name, tmp_path):
    path = tmp_path / "secret"
    path.write_text(EVERYTHING[name] + "\n")
    given = {key: value for key, value in EVERYTHING.items() if key != name}
    assert missing_secrets(CHANNELS, Secrets(given | {f"{name}_FILE": str(path)})) == {}


def test_a_file_that_cannot_be_read_is_a_sentence_without_its_path(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for path, why in ((tmp_path / "none", "No such file"), (binary, "not UTF-8")):
        given = Secrets({"SLACK_WEBHOOK_URL_FILE": str(path)})
        with pytest.raises(MissingSecret, match=f"SLACK_WEBHOOK_URL_FILE .*{why}"):
            given.need("SLACK_WEBHOOK_URL")


@pytest.mark.parametrize(
    ("channel", "wrong"),
    [
        (SLACK, {"SLACK_WEBHOOK_URL": "xoxb-not-a-url-at-all"}),
        (SLACK, {"SLACK_WEBHOOK_URL": "ftp://hooks.slack.com/services/x"}),
        (SLACK, {"SLACK_WEBHOOK_URL": "https://[broken/services/x"}),
        (TEAMS, {"TEAMS_WEBHOOK_URL": "https://evil.example/workflows/x?sig=secret-secret"}),
        (TEAMS, {"TEAMS_WEBHOOK_URL": "https://logic.azure.com.evil.example/workflows/x"}),
        (TEAMS, {"TEAMS_WEBHOOK_URL": "https://a.logic.azure.com@evil.example/workflows/x"}),
        (TEAMS, {"TEAMS_WEBHOOK_URL": "https://notlogic.azure.com/workflows/x"}),
        (PAGERDUTY, {"PAGERDUTY_SERVICE_KEY": "short-key-000"}),
        (EMAIL, {"SMTP_PORT": "twenty-five"}),
        (EMAIL, {"SMTP_PORT": "65536"}),
        (EMAIL, {"SMTP_USER": "alone-is-the-user"}),
        (EMAIL, {"SMTP_PASSWORD": "alone-is-the-password"}),
        (WEBHOOK, {"HOOK_SECRET": "no-prefix-0123456789abcdef012345"}),
        (WEBHOOK, {"HOOK_SECRET": "whsec_not base64"}),
        (WEBHOOK, {"HOOK_SECRET": "whsec_" + base64.b64encode(b"k" * 23).decode()}),
        (WEBHOOK, {"HOOK_SECRET": "whsec_" + base64.b64encode(b"k" * 65).decode()}),
        (WEBHOOK, {"HOOK_SECRET": " ".join([SIGNING_KEY] * (webhook.MAX_KEYS + 1))}),
    ],
)
def test_one_that_cannot_be_one_is_a_sentence_without_its_value(channel, wrong):
    (sentence,) = missing_secrets([channel], Secrets(EVERYTHING | wrong)).values()
    (name,) = wrong
    assert name in sentence
    assert not any(word in sentence for word in wrong[name].split() if len(word) > 6)


def test_two_signing_keys_are_taken_during_rotation():
    given = Secrets(EVERYTHING | {"HOOK_SECRET": f"{OTHER_KEY}, {SIGNING_KEY}"})
    keys = webhook.access(WEBHOOK, given, Guard()).keys
    assert [key.get_secret_value() for key in keys] == [OTHER_KEY, SIGNING_KEY]


def test_the_environment_shows_in_no_repr():
    assert SLACK_URL not in repr(Secrets(EVERYTHING)) + str(Secrets(EVERYTHING))


@pytest.mark.parametrize(
    "text",
    [
        f"no route to {SLACK_URL}",
        "POST /services/T00000000/B00000000/abcdefghijklmnopqrstuvwx failed",
        "token abcdefghijklmnopqrstuvwx is not known",
        "x" * (MAX_MASKED - 10) + "abcdefghijklmnopqrstuvwx",
        "https%3A%2F%2Fhooks.slack.com%2Fservices%2FT00000000%2FB00000000%2Fabcdefghijklmnopqrstuvwx",
    ],
)
def test_no_part_of_a_webhooks_url_gives_it_away(text):
    masked = masking([SecretStr(SLACK_URL)])(text)
    assert "abcdefgh" not in masked
    assert len(masked) <= MAX_MASKED


@pytest.mark.parametrize("signature", ["Ab+cd_ef-gh+ij", "Ab%2Bcd%2fef%3D"])
def test_no_value_of_a_urls_query_gives_it_away(signature):
    mask = masking([SecretStr(f"https://a.example/b?c=d&sig={signature}")])
    for form in (signature, signature.replace("%2B", "+").replace("%2f", "/").replace("%3D", "=")):
        assert form not in mask(f"the signature {form} does not fit")


def test_the_channels_of_the_defaults_name_the_specified_variables():
    told = missing_secrets(
        [
            Email(name="engineering_email", type="email", to=["a@example.com"]),
            Slack(name="slack_engineering", type="slack"),
            PagerDuty(name="pagerduty_oncall", type="pagerduty"),
            Sms(name="sms", type="sms", to=["+15005550006"]),
            Teams(name="teams", type="teams"),
            Webhook(name="webhook", type="webhook"),
        ],
        Secrets({}),
    )
    names = (
        "SMTP_HOST",
        "SLACK_WEBHOOK_URL",
        "PAGERDUTY_SERVICE_KEY",
        "TWILIO_",
        "TEAMS_WEB",
        "OPWATCH_WEB",
    )
    assert all(name in sentence for name, sentence in zip(names, told.values(), strict=True))


def test_a_signing_key_that_is_not_ascii_is_none():
    secrets = Secrets(EVERYTHING | {"HOOK_SECRET": "whsec_ä" * 6})
    with pytest.raises(MissingSecret, match="HOOK_SECRET is not"):
        webhook.access(WEBHOOK, secrets, Guard())


def test_a_secret_that_only_looks_like_a_url_is_masked():
    assert "pw://[x" not in masking([SecretStr("pw://[x")])("it is pw://[x here")


@pytest.mark.parametrize("password", ["short", "sh%40rt"])
def test_a_short_password_in_a_url_is_masked(password):
    mask = masking([SecretStr(f"https://user:{password}@h.example/a/b")])
    for form in (password, password.replace("%40", "@")):
        assert form not in mask(f"auth {form} failed for user at https://h.example/a/b")


# ------------------------------------------------------------------ what the deployment allows

EVERY_VARIABLE = dict.fromkeys(own_variables(), "x" * 32) | EVERYTHING
NOT_FOR_CHANNELS = (
    "METRICS_DATABASE_URL DATABASE_URL POSTGRES_PASSWORD PATH HOME AWS_SECRET OPWATCH_"
)
NOT_ALLOWED = "OPWATCH_ANYTHING opwatch_kafka_password SLACK MY_SLACK_URL"


@pytest.mark.parametrize(
    "name",
    [
        *sorted(own_variables() | {f"{name}_FILE" for name in own_variables()}),
        *NOT_FOR_CHANNELS.split(),
        *NOT_ALLOWED.split(),
        "",
    ],
)
def test_no_channel_reads_what_the_deployment_does_not_allow(name):
    for allowed in (DEFAULT, "OPWATCH_*, SLACK_*", "POSTGRES_*, METRICS_*, AWS_X"):
        with pytest.raises(NotAllowed):
            Secrets(EVERY_VARIABLE | {name: "x" * 32}, allowed=allowed).get(name)


@pytest.mark.parametrize("name", [*EVERYTHING, "SLACK_TEAM_A", "TEAMS_B", "WEBHOOK_X"])
def test_what_channels_are_documented_to_read_is_allowed(name):
    Secrets({}).permit(name)
    with pytest.raises(NotAllowed):
        Secrets({}, allowed="MY_*, MY_HOOK").permit(name)


def test_the_deployment_may_allow_others_by_their_names():
    named = Secrets({"MY_HOOK": "https://a.example"}, allowed="MY_HOOK, OPWATCH_S")
    assert named.need_url("MY_HOOK").get_secret_value() == "https://a.example"
    assert named.get("OPWATCH_S") is None
    with pytest.raises(NotAllowed):
        Secrets({}, allowed=next(iter(own_variables()))).get(next(iter(own_variables())))


@pytest.mark.parametrize("text", ["*", "S*", "OP*", "slack_*", "SLACK-*", "SL*CK", "A=B"])
def test_what_allows_nearly_everything_is_no_setting(text):
    with pytest.raises(ValidationError, match="neither a variable nor a prefix"):
        Settings(channel_variables=text)


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


# ---------------------------------------------------------------- by their whole form

SERVICE = "MG" + "0123456789abcdef" * 2
TEAM_URL = "https://hooks.slack.com/services"


@pytest.mark.parametrize(
    ("name", "value", "is_whole"),
    [
        ("TWILIO_FROM", SERVICE, True), ("TWILIO_FROM", "MGMT", True),
        ("TWILIO_FROM", "12345", True), ("TWILIO_FROM", SERVICE[:-1], False),
        ("TWILIO_FROM", "MG" + "x" * 32, False), ("TWILIO_FROM", "0155512345678", False),
        ("TWILIO_FROM", "+0155512345", False), ("TWILIO_FROM", "a name that is too long", False),
        ("TWILIO_ACCOUNT_SID", "AC" + "f" * 32, True), ("TWILIO_ACCOUNT_SID", "AC123", False),
        ("TWILIO_ACCOUNT_SID", "SK" + "f" * 32, False),
        ("PAGERDUTY_SERVICE_KEY", "x" * 32, True), ("PAGERDUTY_SERVICE_KEY", "-" * 32, False),
        ("SLACK_WEBHOOK_URL", f"{TEAM_URL}/T0/B0/abc", True),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/workflows/T0/A0/1/abc", True),
        ("SLACK_WEBHOOK_URL", "https://mattermost.example.com/hooks/abc", True),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/", False),
        ("SLACK_WEBHOOK_URL", f"{TEAM_URL}/T0/B0", False),
        ("SLACK_WEBHOOK_URL", f"{TEAM_URL}/T0/B0/", False),
    ],
)  # fmt: skip
def test_a_secret_is_recognised_by_its_whole_form(name: str, value: str, is_whole: bool):
    missing = missing_secrets(CHANNELS, Secrets(EVERYTHING | {name: value}))
    assert (missing == {}) is is_whole
    assert all(name in sentence for sentence in missing.values())


def test_a_name_that_begins_as_a_messaging_service_is_no_messaging_service():
    for sender_name, field in (("MGMT", "From=MGMT"), (SERVICE, f"MessagingServiceSid={SERVICE}")):
        requests = sms.requests(message(), SMS, "AC", "token", sender_name)
        assert all(field in request.body.decode() for _, request in requests)
