"""`opwatch config check` shows the settings without secrets, and says every mistake."""

from pathlib import Path

import pytest

from tests.unit.cli.command import ROOT, opwatch

RULE_FILE = str(ROOT / "config/opwatch.yaml")


def test_settings_are_shown_with_their_source_and_without_secrets(tmp_path: Path):
    (tmp_path / ".env").write_text("OPWATCH_GRACE_S=5\n")
    answer = opwatch(
        "config",
        "check",
        folder=tmp_path,
        OPWATCH_PARTITIONS="4",
        OPWATCH_KAFKA_SASL_MECHANISM="PLAIN",
        OPWATCH_KAFKA_USERNAME="svc",
        OPWATCH_KAFKA_PASSWORD="hunter2-is-secret",
        OPWATCH_PARTITION="5",
        OPWATCH_RULE_FILE=RULE_FILE,
    )
    assert answer.returncode == 0
    shown = {line.split()[0]: line.split()[1:] for line in answer.stdout.splitlines() if line}
    assert shown["OPWATCH_PARTITIONS"] == ["4", "environment"]
    assert shown["OPWATCH_GRACE_S"] == ["5.0", ".env"]
    assert shown["OPWATCH_REPLICATION"] == ["1", "default"]
    assert shown["OPWATCH_KAFKA_PASSWORD"] == ["**********", "environment"]
    assert "hunter2" not in answer.stdout + answer.stderr
    assert "OPWATCH_PARTITION is no setting and has no effect; did you mean" in answer.stderr


def test_a_variable_that_a_channel_names_is_not_called_useless(tmp_path: Path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nchannels: [{name: hook, type: webhook, secret_env: OPWATCH_S}]\n")
    given = {"OPWATCH_WEBHOOK_URL": "https://example.com/hook", "OPWATCH_S_FILE": "/none"}
    check = ("config", "check")
    answer = opwatch(*check, folder=tmp_path, OPWATCH_RULE_FILE=str(rules), **given)
    assert "no setting" not in answer.stderr
    without = opwatch(*check, folder=tmp_path, **given)
    # Of the two only OPWATCH_WEBHOOK_URL is a variable that any channel may read.
    assert without.stderr.count("is no setting and has no effect") == 1
    assert "OPWATCH_S_FILE is no setting" in without.stderr
    rules.write_text("rulez: []\n")
    broken = opwatch(*check, folder=tmp_path, OPWATCH_RULE_FILE=str(rules), **given)
    assert "OPWATCH_WEBHOOK_URL" not in broken.stderr


def test_a_template_that_will_fail_fails_the_check(tmp_path: Path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "version: 1\nchannels:\n"
        "  - {name: good, type: slack, template: '{{ severity|upper }}: {{ labels.platform }}'}\n"
        "  - {name: wrong, type: slack, template: '{{ breach.rule }}'}\n"
        "  - {name: adds, type: slack, template: '{{ severity + 1 }}'}\n"
    )
    given = {"OPWATCH_RULE_FILE": str(rules), "SLACK_WEBHOOK_URL": "https://example.com/hook"}
    for command in (("config", "check"), ("rules", "check")):
        answer = opwatch(*command, folder=tmp_path, **given)
        assert answer.returncode == 1
        wrong, adds = answer.stderr.splitlines()
        assert "rules.yaml:4:32: channels[1] wrong.template: fails" in wrong
        assert "there is no value 'breach'; there are acknowledge_url" in wrong
        assert adds.endswith("'high' is no number.")


def test_a_channel_without_its_secret_is_a_warning_and_no_failure(tmp_path: Path):
    secret = "https://hooks.slack.com/services/T0/B0/a-long-secret-token"
    answer = opwatch(
        "config",
        "check",
        folder=tmp_path,
        OPWATCH_RULE_FILE=RULE_FILE,
        SLACK_WEBHOOK_URL=secret,
        SMTP_HOST="mail.example.com",
    )
    assert answer.returncode == 0
    assert answer.stderr == (
        "opwatch: warning: the channel pagerduty_oncall cannot be used: Neither"
        " PAGERDUTY_SERVICE_KEY nor PAGERDUTY_SERVICE_KEY_FILE is set in the environment.\n"
    )
    listed = opwatch(
        "channels", "list", folder=tmp_path, OPWATCH_RULE_FILE=RULE_FILE, SLACK_WEBHOOK_URL=secret
    )
    assert listed.returncode == 0
    assert "Neither PAGERDUTY_SERVICE_KEY" in " ".join(listed.stdout.split())
    assert "a-long-secret-token" not in answer.stdout + listed.stdout + answer.stderr


def test_a_password_without_tls_fails_the_check(tmp_path: Path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "version: 1\nchannels: [{name: mail, type: email, to: [a@b.example], tls: none}]\n"
    )
    given = {"OPWATCH_RULE_FILE": str(rules), "SMTP_HOST": "relay", "SMTP_USER": "svc"}
    answer = opwatch("config", "check", folder=tmp_path, SMTP_PASSWORD="hunter2-is-secret", **given)
    assert answer.returncode == 1
    assert "the channel mail cannot be used: SMTP_PASSWORD is set, and without TLS" in answer.stderr
    assert "hunter2" not in answer.stdout + answer.stderr


def test_wrong_settings_fail_the_check_with_every_mistake(tmp_path: Path):
    answer = opwatch(
        "config", "check", folder=tmp_path, OPWATCH_PARTITIONS="0", OPWATCH_LOG_LEVEL="loud"
    )
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 2


@pytest.mark.parametrize("setting", ["KAFKA_CA_FILE", "DB_CA_FILE", "DB_PASSWORD_FILE"])
def test_a_missing_file_fails_the_check_of_the_settings(setting: str, tmp_path: Path):
    answer = opwatch("config", "check", folder=tmp_path, **{f"OPWATCH_{setting}": "/none"})
    assert answer.returncode == 1
    assert answer.stderr == (
        f"opwatch: OPWATCH_{setting} is '/none': cannot be read: no such file or directory.\n"
    )


def test_a_wrong_quality_file_fails_the_check_of_the_settings(tmp_path: Path):
    (tmp_path / "quality.yaml").write_text("goood: 0.9\n")
    answer = opwatch("config", "check", folder=tmp_path, OPWATCH_QUALITY_FILE="quality.yaml")
    assert answer.returncode == 1
    assert "quality.yaml:1:1: goood: no such field; did you mean good?" in answer.stderr
