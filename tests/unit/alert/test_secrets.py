"""A channel's secrets are found whole, and no sentence gives one away."""

import base64

import pytest
from pydantic import SecretStr

from agents.channels import webhook
from agents.channels.addresses import Guard
from agents.channels.registry import missing_secrets
from agents.channels.secrets import MAX_MASKED, MissingSecret, Secrets, masking
from schemas.channels import Email, PagerDuty, Slack, Sms, Teams, Webhook
from streams.channels import sms
from tests.unit.alert.secret_samples import EVERYTHING
from tests.unit.messages.samples import (
    CHANNELS,
    EMAIL,
    OTHER_KEY,
    PAGERDUTY,
    SIGNING_KEY,
    SLACK,
    SLACK_URL,
    SMS,
    TEAMS,
    WEBHOOK,
    message,
)


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
