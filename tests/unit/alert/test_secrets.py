import base64

import pytest
from pydantic import SecretStr

from agents.alert.credentials import MAX_SECRETS, missing_secrets, webhook_access
from agents.alert.secrets import MAX_MASKED, MissingSecret, Secrets, masking
from schemas.channels import Email, PagerDuty, Slack, Sms, Webhook
from tests.unit.messages.samples import (
    CHANNELS,
    EMAIL,
    OTHER_KEY,
    PAGERDUTY,
    ROUTING_KEY,
    SIGNING_KEY,
    SLACK,
    SLACK_URL,
    WEBHOOK,
)

EVERYTHING = {
    "SMTP_HOST": "mail.example.com",
    "SLACK_WEBHOOK_URL": SLACK_URL,
    "PAGERDUTY_SERVICE_KEY": ROUTING_KEY,
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token-0123456789",
    "TWILIO_FROM": "+15005550001",
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
        (PAGERDUTY, {"PAGERDUTY_SERVICE_KEY": "short-key-000"}),
        (EMAIL, {"SMTP_PORT": "twenty-five"}),
        (EMAIL, {"SMTP_PORT": "65536"}),
        (EMAIL, {"SMTP_USER": "alone-is-the-user"}),
        (EMAIL, {"SMTP_PASSWORD": "alone-is-the-password"}),
        (WEBHOOK, {"HOOK_SECRET": "no-prefix-0123456789abcdef012345"}),
        (WEBHOOK, {"HOOK_SECRET": "whsec_not base64"}),
        (WEBHOOK, {"HOOK_SECRET": "whsec_" + base64.b64encode(b"k" * 23).decode()}),
        (WEBHOOK, {"HOOK_SECRET": "whsec_" + base64.b64encode(b"k" * 65).decode()}),
        (WEBHOOK, {"HOOK_SECRET": " ".join([SIGNING_KEY] * (MAX_SECRETS + 1))}),
    ],
)
def test_one_that_cannot_be_one_is_a_sentence_without_its_value(channel, wrong):
    (sentence,) = missing_secrets([channel], Secrets(EVERYTHING | wrong)).values()
    (name,) = wrong
    assert name in sentence
    assert not any(word in sentence for word in wrong[name].split() if len(word) > 6)


def test_two_signing_keys_are_taken_during_rotation():
    given = Secrets(EVERYTHING | {"HOOK_SECRET": f"{OTHER_KEY}, {SIGNING_KEY}"})
    keys = webhook_access(WEBHOOK, given).keys
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


def test_the_channels_of_the_defaults_name_the_specified_variables():
    told = missing_secrets(
        [
            Email(name="engineering_email", type="email", to=["a@example.com"]),
            Slack(name="slack_engineering", type="slack"),
            PagerDuty(name="pagerduty_oncall", type="pagerduty"),
            Sms(name="sms", type="sms", to=["+15005550006"]),
            Webhook(name="webhook", type="webhook"),
        ],
        Secrets({}),
    )
    names = ("SMTP_HOST", "SLACK_WEBHOOK_URL", "PAGERDUTY_SERVICE_KEY", "TWILIO_", "OPWATCH_WEB")
    assert all(name in sentence for name, sentence in zip(names, told.values(), strict=True))


def test_a_signing_key_that_is_not_ascii_is_none():
    secrets = Secrets(EVERYTHING | {"HOOK_SECRET": "whsec_ä" * 6})
    with pytest.raises(MissingSecret, match="HOOK_SECRET is not"):
        webhook_access(WEBHOOK, secrets)


def test_a_secret_that_only_looks_like_a_url_is_masked():
    assert "pw://[x" not in masking([SecretStr("pw://[x")])("it is pw://[x here")


@pytest.mark.parametrize("password", ["short", "sh%40rt"])
def test_a_short_password_in_a_url_is_masked(password):
    mask = masking([SecretStr(f"https://user:{password}@h.example/a/b")])
    for form in (password, password.replace("%40", "@")):
        assert form not in mask(f"auth {form} failed for user at https://h.example/a/b")
