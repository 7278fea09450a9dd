"""No command writes what a terminal would obey, whatever stands on the topics and in the files."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from agents.cli import app
from agents.cli import topics as topics_command
from agents.kafka import topic_creation
from agents.kafka.topic_fit import ExistingTopic, Misfit
from agents.runtime.escaping import visible
from tests.unit.cli.hostile_kafka import install
from tests.unit.cli.hostile_world import CHARACTERS, HOSTILE, KEY

SHORT = "3f9c"
#: A file name may hold all but NUL and the slash.
FILE = HOSTILE.replace("\x00", "")[:40]


def quoted(text: str) -> str:
    written: str = yaml.safe_dump(text, default_style='"', width=100_000)
    return written.strip()


YAML_HOSTILE = quoted(HOSTILE)
#: No link and no matcher has a space in it.
NO_SPACE = "".join(CHARACTERS.split())
RULES = f"""\
channels:
  - {{name: hook, type: webhook, url_env: WEBHOOK_A, secret_env: WEBHOOK_B}}
  - {{name: slack, type: slack, channel: {YAML_HOSTILE}, template: {YAML_HOSTILE}}}
rules:
  - name: broken
    description: {YAML_HOSTILE}
    kind: metric_threshold
    metric: error_rate
    each: operation
    match: {quoted(f'operation!="{HOSTILE}"')}
    operator: greater_than
    threshold: 1
    window: 1m
    labels: {{{YAML_HOSTILE}: {YAML_HOSTILE}}}
    runbook: {quoted(f"https://x/{NO_SPACE}")}
    summary: {quoted(f"{HOSTILE} {{{{ labels }}}}")}
    channels: [hook, slack]
"""
WRONG_RULES = f"""\
{YAML_HOSTILE}: 1
channels: [{{name: {YAML_HOSTILE}, type: {YAML_HOSTILE}, {YAML_HOSTILE}: 1}}]
rules:
  - name: {YAML_HOSTILE}
    kind: metric_threshold
    metric: {YAML_HOSTILE}
    match: {YAML_HOSTILE}
    summary: {quoted("{{ " + HOSTILE)}
    window: {YAML_HOSTILE}
    channels: [{YAML_HOSTILE}]
"""
WRONG_QUALITY = f"""\
{YAML_HOSTILE}: 1
weights: {{{YAML_HOSTILE}: {YAML_HOSTILE}}}
operations:
  - {{operation: {YAML_HOSTILE}, required: [{YAML_HOSTILE}], {YAML_HOSTILE}: 1}}
"""
RULE_TESTS = f"""\
rule_file: rules.yaml
tests:
  - name: {YAML_HOSTILE}
    given: [{{series: {quoted("n" + CHARACTERS[13:])}, count: 100x5, failures: 100x5}}]
    expect: [{{at: 3m, open: [{{rule: broken, series: {YAML_HOSTILE}, why: {YAML_HOSTILE}}}]}}]
"""
RECORDED = (
    '{"operation":"a","success":true,"duration_ms":1,"timestamp":"'
    + HOSTILE.encode("unicode-escape").decode().replace("\\x", "\\u00")[:60].replace("\\U", "u")
    + '"}\n'
    + HOSTILE
    + '\n{"\x9b":"\u202e"}\n'
)

#: Of each command the ways to run it: (arguments, whether what is hostile is to be seen).
#: A command that is not here fails the test: say how it is run with hostile data.
WAYS: dict[str, list[tuple[list[str], bool]]] = {
    "tail": [
        (["--once"], True),
        (["--once", "--json"], True),
        (["--for", "0"], True),
        (["--window", HOSTILE], True),
    ],
    "replay": [(["{replay}"], False), ([HOSTILE.replace("\x00", "")], True)],
    "why": [([SHORT], True), ([SHORT, "--all", "--json"], True), ([HOSTILE], True)],
    "why-not": [(["hook"], True), (["hook", "--json"], True), ([HOSTILE], True)],
    "ack": [([SHORT, "-c", HOSTILE, "--by", HOSTILE], True), ([HOSTILE, "-c", "x"], True)],
    "worker measure": [([HOSTILE], True)],
    "worker quality": [([HOSTILE], True)],
    "worker alert": [([HOSTILE], True)],
    "worker store": [([HOSTILE], True)],
    "dashboard": [([HOSTILE], True)],
    "topics create": [([], True), (["--partitions", HOSTILE], False)],
    "topics check": [([], True)],
    "topics reshard": [([HOSTILE], False)],
    "deadletters list": [([], True), (["--json"], True), (["--reason", HOSTILE], True)],
    "deadletters show": [([KEY], True), (["opwatch.operations/0/18/" + HOSTILE], True)],
    "deadletters redrive": [
        (["--all", "--dry-run"], True),
        ([KEY, HOSTILE, "--dry-run"], True),
        (
            [
                "--reason",
                "invalid_operation",
                "--dry-run",
                "--through",
                "printf '\\033[31m\\302\\233'",
            ],
            True,
        ),
    ],
    "quality show": [
        (["h1"], True),
        (["h1", "--json"], True),
        ([HOSTILE], True),
        (["h1", "--since", HOSTILE], True),
    ],
    "quality worst": [
        ([], True),
        (["--json"], True),
        (["--platform", HOSTILE], False),
        (["--since", HOSTILE], True),
    ],
    "quality calibration": [
        ([], True),
        (["--json"], True),
        (["--model", HOSTILE], False),
        (["--window", HOSTILE], True),
    ],
    "quality check": [(["{quality}"], True), ([], False), ([HOSTILE.replace("\x00", "")], True)],
    "report": [(["--from", HOSTILE], True), ([HOSTILE], True)],
    "db upgrade": [([HOSTILE], True)],
    "db check": [([HOSTILE], True)],
    "db prune": [([HOSTILE], True)],
    "db psql": [(["--help"], False)],
    "rules list": [([], True)],
    "rules check": [(["{wrong}"], True), ([], False), ([HOSTILE.replace("\x00", "")], True)],
    "rules test": [(["{tests}"], True)],
    "rules backtest": [
        (["--from", "1h"], True),
        (["--from", "1h", "--json"], True),
        (["--from", HOSTILE], True),
        (["{rules}", "--input", "{replay}"], False),
    ],
    "alerts list": [([], True), (["--json"], True)],
    "alerts show": [([SHORT], True), ([SHORT, "--json"], True)],
    "silence add": [
        (['a="b"', "--for", "1h", "-c", HOSTILE], True),
        ([HOSTILE, "--for", "1h", "-c", "x"], True),
        (['a="b"', "--for", HOSTILE[-9:], "-c", "x"], False),
    ],
    "silence list": [([], True), (["--json"], True)],
    "silence end": [(["5d1c", "--by", "x"], True), ([HOSTILE], True)],
    "channels list": [([], False), (["--json"], False)],
    "channels test": [(["hook"], True), ([HOSTILE], True)],
    "channels preview": [(["hook"], False), (["slack"], False), ([HOSTILE], True)],
    "schema export": [(["--out", "{folder}"], True)],
    "config check": [([], True)],
    "config table": [([], False), ([f"--{HOSTILE}"], True)],
}


def commands() -> Iterator[str]:
    def walk(command: Any, path: str) -> Iterator[str]:
        if not hasattr(command, "commands"):
            yield path
            return
        for name, part in command.commands.items():
            yield from walk(part, f"{path} {name}".strip())

    yield from walk(get_command(app.app), "")


def test_every_command_is_walked() -> None:
    assert set(WAYS) == set(commands())


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / FILE
    found = {"folder": folder}
    for name, text in (
        ("rules", RULES), ("wrong", WRONG_RULES), ("tests", RULE_TESTS), ("replay", RECORDED),
        ("quality", WRONG_QUALITY),
    ):  # fmt: skip
        found[name] = tmp_path / f"{name}.yaml"
        found[name].write_text(text)
    return {name: str(path) for name, path in found.items()}


CASES = [(name, way, shows) for name, ways in WAYS.items() for way, shows in ways]


@pytest.mark.parametrize(
    ("name", "way", "shows"), CASES, ids=[f"{n}-{at}" for at, (n, *_) in enumerate(CASES)]
)
def test_nothing_that_a_terminal_would_obey_is_written(
    name: str,
    way: list[str],
    shows: bool,
    files: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    for variable in ("OPWATCH_LOG_LEVEL", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OPWATCH_RULE_FILE", files["rules"])
    monkeypatch.setenv("OPWATCH_KAFKA_USERNAME", HOSTILE.replace("\x00", ""))
    monkeypatch.setenv("SLACK_WEBHOOK_URL", HOSTILE.replace("\x00", ""))
    install(monkeypatch)

    async def made(*_: Any, **__: Any) -> tuple[list[str], list[Misfit]]:
        return [HOSTILE], [Misfit("t", HOSTILE, stops=False)]

    async def judged(_: Any, specs: Any) -> tuple[dict[str, ExistingTopic], list[Misfit]]:
        found = {spec.name: ExistingTopic(1, {"cleanup.policy": HOSTILE}) for spec in specs}
        return found, [Misfit(specs[0].name, HOSTILE, stops=True)]

    monkeypatch.setattr(topic_creation, "ensure", made)
    monkeypatch.setattr(topics_command, "_judged", judged)
    arguments = [part.format(**files) if part.startswith("{") else part for part in way]
    written = outcome([*name.split(), *arguments], monkeypatch, capsysbinary)
    for data in written:
        text = data.decode()  # strictly: half a character is none
        assert not [
            letter for letter in text if letter not in "\r\n\t" and visible(letter) != letter
        ]
    both = b"".join(written).decode()
    assert "Please report it" not in both
    assert "Traceback" not in both
    if shows:
        assert "[red]" in both or "\\u009b" in both or "\\x9b" in both
    if "--json" in way:
        assert [json.loads(line) for line in written[0].decode().splitlines()]


def outcome(
    arguments: list[str], monkeypatch: Any, capsysbinary: pytest.CaptureFixture[bytes]
) -> tuple[bytes, bytes]:
    monkeypatch.setattr(sys, "argv", ["opwatch", *arguments])
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # put back afterwards
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    with pytest.raises(SystemExit) as ended:
        app.run()
    assert ended.value.code in (0, 1, 2, 3, None)
    return capsysbinary.readouterr()


def test_raw_bytes_stay_as_they_are_for_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    install(monkeypatch)
    out, _ = outcome(["deadletters", "show", "--raw", KEY], monkeypatch, capsysbinary)
    assert out == b'{"a":"\\ud800\\u009b","\xe2\x80\xae":["[red]"]}'
