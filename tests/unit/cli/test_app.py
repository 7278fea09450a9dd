"""The command line as a whole, where no Kafka is needed."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.command import ROOT, opwatch

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


def test_a_channel_that_is_not_there_is_a_sentence():
    answer = opwatch("channels", "preview", "slack_enginering")
    assert answer.returncode == 1
    assert answer.stderr == (
        "opwatch: no channel is called 'slack_enginering'; did you mean slack_engineering?\n"
    )


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
