"""The command line as a whole, where no Kafka is needed."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import preloaded

ROOT = Path(__file__).parents[3]
RULE_FILE = str(ROOT / "config/opwatch.yaml")
COMMANDS = [
    "worker measure",
    "worker quality",
    "worker alert",
    "worker store",
    "topics create",
    "topics check",
    "topics reshard",
    "tail",
    "dashboard",
    "replay",
    "deadletters list",
    "deadletters show",
    "deadletters redrive",
    "quality show",
    "quality worst",
    "quality calibration",
    "quality check",
    "report",
    "db upgrade",
    "db check",
    "db prune",
    "db psql",
    "rules list",
    "rules check",
    "rules test",
    "rules backtest",
    "alerts list",
    "alerts show",
    "why",
    "why-not",
    "ack",
    "silence add",
    "silence list",
    "silence end",
    "channels list",
    "channels test",
    "channels preview",
    "schema export",
    "config check",
    "config table",
]
GROUPS = [
    "",
    "worker",
    "topics",
    "deadletters",
    "quality",
    "db",
    "rules",
    "alerts",
    "silence",
    "channels",
    "schema",
    "config",
]


def opwatch(
    *arguments: str, folder: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OPWATCH_")}
    return preloaded.run(
        arguments, environment=plain | {"PYTHONPATH": str(ROOT)} | environment, folder=folder
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_examples(command: str):
    answer = opwatch(*command.split(), "--help")
    assert answer.returncode == 0
    assert "\n  Examples:\n    " in answer.stdout
    assert f"opwatch {command}" in answer.stdout
    assert "\x1b" not in answer.stdout


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_helps_with_examples(group: str):
    answer = opwatch(*group.split(), "--help")
    assert answer.returncode == 0
    assert f"\n  Examples:\n    opwatch {group}" in answer.stdout


def test_no_command_is_left_out():
    for group in GROUPS:
        listed = opwatch(*group.split(), "--help").stdout.partition("Commands:")[2]
        rows = [line for line in listed.splitlines() if line[:2] == "  " != line[2:4]]
        names = {line.split()[0] for line in rows}
        told = {
            command.removeprefix(group).split()[0]
            for command in COMMANDS
            if command.startswith(group + " ") or not group
        }
        assert names == told


def test_the_version_is_told():
    answer = opwatch("--version")
    assert answer.stdout.startswith("opwatch 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["tail", "--window", "3m"],
        ["replay", "x", "--speed", "0.5"],
        ["replay", "x", "--speed", "nan"],
        ["replay", "x", "--map", "a"],
        ["replay", "x", "--map", "a=b"],
        ["replay", "x", "--format", "xml"],
        ["deadletters", "list", "--since", "yesterday"],
        ["deadletters", "redrive", "k", "--all"],
        ["topics", "create", "--partitions", "0"],
        ["ack", "3f9c", "--coment", "x"],
        ["silence", "add", "platform=lever", "--for", "2h", "--comment", "x"],
        ["silence", "add", 'platform="lever"', "--for", "two hours", "--comment", "x"],
        ["silence", "add", 'platform="lever"', "--for", "0", "--comment", "x"],
        ["silence", "add", 'platform="lever"', "--for", "2h", "-c", "x", "--start", "2h"],
        ["silence", "add", 'platform=~"("', "--for", "2h", "--comment", "x"],
        ["why-not", "slack_engineering", "--since", "yesterday"],
        ["channels", "preview", "slack_engineering", "--event", "exploded"],
        ["report", "everything"],
        ["report", "--from", "yesterday"],
        ["report", "--from", "2026-01-02", "--to", "2026-01-01"],
        ["report", "--format", "pdf"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]):
    answer = opwatch(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr


def test_wrong_settings_are_exit_code_2_with_every_mistake():
    answer = opwatch("tail", OPWATCH_PARTITIONS="0", OPWATCH_GRACE_S="x")
    assert answer.returncode == 2
    assert [line.split()[1] for line in answer.stderr.splitlines()] == [
        "OPWATCH_PARTITIONS",
        "OPWATCH_GRACE_S",
    ]


def test_help_is_quick_because_nothing_heavy_is_imported():
    heavy = "aiokafka faust rich.table pydantic numpy msgspec structlog"
    code = (
        "import sys, agents.cli.app\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"


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


def test_a_channel_that_is_not_there_is_a_sentence():
    answer = opwatch("channels", "preview", "slack_enginering")
    assert answer.returncode == 1
    assert answer.stderr == (
        "opwatch: no channel is called 'slack_enginering'; did you mean slack_engineering?\n"
    )


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


@pytest.mark.parametrize("role", ["measure", "quality", "alert"])
def test_a_worker_whose_port_is_taken_says_so_in_a_sentence(role: str):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = opwatch("worker", role, OPWATCH_HTTP_PORT=str(port))
    assert answer.returncode == 1
    assert answer.stderr == (
        f"opwatch: cannot listen on 127.0.0.1:{port}: another program has the port."
        " OPWATCH_HTTP_PORT names another; 0 takes a free one.\n"
    )


def test_schemas_are_written_and_checked(tmp_path: Path):
    assert opwatch("schema", "export", "--out", str(tmp_path), "--check").returncode == 1
    written = opwatch("schema", "export", "--out", str(tmp_path))
    assert {Path(line).name for line in written.stdout.splitlines()} == {
        "operations.json",
        "analyses.json",
        "labels.json",
        "beats.json",
        "partials.json",
        "quality-partials.json",
        "quality-scores.json",
        "scored-analyses.json",
        "remediations.json",
        "aggregates.json",
        "heartbeats.json",
        *("analyses.json", "labels.json", "quality-partials.json", "quality-scores.json"),
        *("scored-analyses.json", "remediations.json", "calibration.json"),
        "breaches.json",
        "commands.json",
        "notifications.json",
        "dead-letters.json",
        "rule-file.json",
        "asyncapi.yaml",
    }
    assert opwatch("schema", "export", "--out", str(tmp_path), "--check").returncode == 0
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 2.0.0\n")
    stale = opwatch("schema", "export", "--out", str(tmp_path), "--check")
    assert stale.returncode == 1
    assert stale.stderr.count("\n") == 1
    assert "asyncapi.yaml differ from schemas/" in stale.stderr


def test_a_quality_worker_reports_every_mistake_in_its_file(tmp_path: Path):
    file = tmp_path / "quality.yaml"
    file.write_text("version: 1\nbudget: soon\nweigths: {}\n")
    answer = opwatch("worker", "quality", OPWATCH_QUALITY_FILE=str(file), OPWATCH_HTTP_PORT="0")
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 2
    assert "Traceback" not in answer.stderr
