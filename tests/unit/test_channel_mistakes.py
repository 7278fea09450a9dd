"""The reader of a rule file says what is wrong with a channel, and repeats no secret."""

import pytest

from agents.rule_file.load import parse
from tests.unit.rule_texts import rule, told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "type: email, to: [nobody]",
            (
                "to[0]: 'nobody' is no mail address: write name@example.com,"
                " or Name <name@example.com>."
            ),
        ),
        ("type: email", "to: is missing: write `to: [name@example.com]`."),
        (
            "type: sms, to: ['0155']",
            (
                "to[0]: '0155' is no telephone number: write it in quotes with"
                ' its country, "+15551234567".'
            ),
        ),
        ("type: slak", "type: 'slak' is no type; did you mean slack?"),
        ("type: slack, severities: [hihg]", "severities[0]: 'hihg' is wrong; did you mean high?"),
        (
            "type: slack, fallback: c",
            ("fallback: a channel cannot stand in for itself: name another."),
        ),
        (
            "type: webhook, url_env: my-url",
            (
                "url_env: 'my-url' is no name of an environment"
                " variable: write one such as SLACK_WEBHOOK_URL and put the value into the"
                " environment."
            ),
        ),
    ],
)
def test_what_may_be_wrong_with_a_channel(text: str, expected: str):
    (sentence,) = told(f"channels:\n  - {{name: c, {text}}}\n")
    assert sentence.partition(" c.")[2] == expected


@pytest.mark.parametrize(
    "text",
    [
        "type: slack, webhook_url: hunter2hunter2",
        "type: slack, channel: 'https://hooks.slack.com/services/hunter2hunter2'",
        "type: teams, webhook_url: hunter2hunter2",
        "type: teams, webhook_url_env: 'https://a.b.logic.azure.com:443/w?sig=hunter2hunter2'",
        "type: pagerduty, service_key_env: 0123456789abcdef0123456789abcdef",
        "type: webhook, secret_env: whsec_hunter2hunter2",
        "type: email, to: [a@b.c], password: hunter2hunter2",
        "type: sms, to: ['+15551234567'], auth_token: hunter2hunter2",
    ],
)
def test_a_secret_is_told_and_never_repeated(text: str):
    (sentence,) = told(f"channels:\n  - {{name: c, {text}}}\n")
    assert "a secret does not belong in the file" in sentence
    assert "hunter2" not in sentence
    assert "0123456789abcdef" not in sentence


@pytest.mark.parametrize(
    "text",
    [
        "see https://hooks.slack.com/ and docs", "whsec_", "a token such as xoxb-…",
        "whsec_<secret>",
        "made at https://prod.logic.azure.com/ by ada", "xoxb- is how they begin",
    ],
)  # fmt: skip
def test_what_only_begins_as_a_secret_is_none(text: str):
    loaded = parse(rule(description=f"'{text}'"))
    assert loaded.rules.rules[0].description == text


def test_a_secret_is_put_where_its_own_vendor_looks():
    for kind, name in (("teams", "TEAMS_WEBHOOK_URL"), ("slack", "SLACK_WEBHOOK_URL")):
        (sentence,) = told(f"channels:\n  - {{name: c, type: {kind}, webhook_url: hunter2}}\n")
        assert sentence.endswith(f"into the environment as {name}.")


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("service_key_env", "pagerduty"),
        ("webhook_url_env", "slack"),
        ("url_env", "webhook"),
        ("secret_env", "webhook"),
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "OPWATCH_KAFKA_PASSWORD",
        "OPWATCH_LINK_SECRET",
        "OPWATCH_KAFKA_PASSWORD_FILE",
        "OPWATCH_RULE",  # whose _FILE is a setting
        "METRICS_DATABASE_URL",
        "PATH",
    ],
)
def test_a_channel_that_names_a_secret_of_ours_is_a_mistake(field: str, kind: str, name: str):
    text = f"channels:\n  - name: c\n    type: {kind}\n    {field}: {name}\n"
    (sentence,) = told(text)
    assert sentence.startswith(f"4:5: channels[0] c.{field}: {name} is opwatch's or the system's")
