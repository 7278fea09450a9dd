"""A channel reads only the variables that the deployment allows."""

import pytest
from pydantic import ValidationError

from agents.channels.secrets import NotAllowed, Secrets
from agents.runtime.channel_variables import DEFAULT
from agents.runtime.settings import Settings, own_variables
from tests.unit.alert.secret_samples import EVERYTHING

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
