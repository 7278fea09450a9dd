"""What would go out is shown without Kafka and without secrets."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.cli import channels

RULE_FILE = str(Path(__file__).parents[3] / "config/opwatch.yaml")
SECRET = "a-long-secret-token"


@pytest.mark.parametrize("channel", ["engineering_email", "slack_engineering", "pagerduty_oncall"])
@pytest.mark.parametrize("event", channels.EVENTS)
def test_a_channels_bytes_are_shown_without_kafka_and_secrets(
    channel: str, event: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPWATCH_RULE_FILE", RULE_FILE)
    monkeypatch.setenv("OPWATCH_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"https://hooks.slack.com/services/T0/B0/{SECRET}")

    answer = CliRunner().invoke(channels.app, ["preview", channel, "--event", event])

    assert answer.exit_code == 0, answer.output
    assert answer.stdout
    assert SECRET not in answer.output
