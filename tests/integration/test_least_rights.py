"""With what docs/operating.md lists every role and command works; with less it says what lacks."""

import asyncio
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import SecretStr

from agents.cli.app import app
from agents.cli.command import CommandError
from agents.kafka import topic_creation
from agents.kafka.admin_client import admin
from agents.kafka.role_topics import everything, of_role
from agents.kafka.unreachable import Unreachable
from agents.runtime.settings import Settings
from stack.net import LOOPBACK
from tests import preloaded
from tests.integration.least_rights_scene import (
    CASES,
    COMMANDS,
    PREFIX,
    REFUSED,
    ROLES,
    SILENCE,
    TABLE,
    Scene,
    dead_letter,
    environment_of,
    prefix_of,
    rights_scene,
    user,
)
from tests.integration.secured import NOWHERE, Right

pytestmark = pytest.mark.timeout(600)


def _start(scene: Scene, role: str, lacking: Right | None) -> "subprocess.Popen[bytes]":
    environment = _bare() | environment_of(scene, f"worker {role}", lacking)
    log = scene.folder / f"{user(role, lacking)}.log"
    return preloaded.start(["worker", role], environment, Path.cwd(), log)


def _bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OPWATCH_")}


def _log(scene: Scene, role: str, lacking: Right | None = None) -> str:
    return (scene.folder / f"{user(role, lacking)}.log").read_text()


def _is_noted(who: str, lacking: Right) -> bool:
    """Return whether the rest is done, and what could not be is said."""
    return lacking.operation == "DESCRIBE_CONFIGS" or who == "channels list"


def _sentence(lacking: Right, prefix: str) -> str:
    if lacking.operation == "CREATE":
        return "and there is no right to CREATE it"
    kind = {"TOPIC": "topic", "GROUP": "consumer group"}.get(lacking.kind, "transactional id")
    return f"no right to {lacking.operation} on the {kind} {prefix}{lacking.name.rstrip('*')}"


def _commands(scene: Scene, capfd: pytest.CaptureFixture[str]) -> Iterator[str]:
    """Yield what is wrong with what a command says and does."""
    given = {
        "RULES": scene.environment["OPWATCH_RULE_FILE"],
        "OPERATIONS": str(scene.folder / "operations.jsonl"),
        "LETTER": dead_letter()[0],
        "SILENCE": SILENCE,
    }
    for who, lacking in CASES:
        arguments = [*who.split(), *(given.get(each, each) for each in COMMANDS[who])]
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(scene.folder)
            for name, value in environment_of(scene, who, lacking).items():
                patched.setenv(name, value)
            began = time.monotonic()
            code, said = _call(arguments, capfd)
        if lacking is None:
            right = code == (1 if who in REFUSED else 0) and "no right" not in said
        else:
            right = code == (0 if _is_noted(who, lacking) else 1)
            right = right and _sentence(lacking, prefix_of(who, lacking)) in said
        if not right or "Error" in said or time.monotonic() - began > 20:
            yield f"{who} without {lacking}: {code} {said}"


def _call(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code, said = 0, ""
    try:
        code = app(arguments, prog_name="opwatch", standalone_mode=False) or 0
    except CommandError as sentence:
        code, said = sentence.code, str(sentence)
    except (SystemExit, click.exceptions.Exit) as end:
        code = int(getattr(end, "exit_code", getattr(end, "code", 0)) or 0)
    captured = capfd.readouterr()
    return code, said + captured.out + captured.err


def _starts(scene: Scene) -> Iterator[str]:
    """Yield what is wrong with what a worker says first without one of its rights."""
    for role in ROLES:
        for lacking in (each for each in TABLE[f"worker {role}"] if each.kind == "TOPIC"):
            settings = scene.settings(f"worker {role}", lacking)
            try:
                _, notes = asyncio.run(topic_creation.ensure(settings, of_role(settings, role)))
                said, stops = " ".join(note.sentence for note in notes), False
            except topic_creation.TopicMisfit as misfit:
                said, stops = str(misfit), True
            if stops is _is_noted(role, lacking) or _sentence(lacking, PREFIX) not in said:
                yield f"{role} without {lacking}: {said}"


def _unreachable(scene: Scene) -> Iterator[str]:
    """Yield where a setting that does not fit the listener is not named."""
    kafka, right = scene.kafka, scene.settings("topics check", None)
    tls = {"kafka_tls": True, "kafka_ca_file": str(kafka.ca_file)}
    plain = {"kafka_tls": False, "kafka_ca_file": None}
    no_sasl = {"kafka_sasl_mechanism": None}
    for changed, sentence in (
        (plain, f"the listener at {kafka.bootstrap} speaks TLS. Set OPWATCH_KAFKA_TLS=true"),
        ({"kafka_ca_file": None}, "does not verify: unable to get local issuer certificate"),
        ({"kafka_sasl_mechanism": "PLAIN"}, "has no SASL mechanism PLAIN"),
        ({"kafka_password": SecretStr("wrong")}, "it refuses the user or the password"),
        (no_sasl, "hangs up: it may want SASL"),
        (tls | {"kafka_bootstrap": kafka.kafka.bootstrap}, "does not speak TLS. Leave"),
        (plain | {"kafka_bootstrap": kafka.kafka.bootstrap}, "this listener takes no SASL"),
        (
            plain | no_sasl | {"kafka_bootstrap": kafka.misleading},
            f"the broker advertises {NOWHERE}, and there its name cannot be resolved",
        ),
        (
            {"kafka_bootstrap": f"broker.invalid:9092,{LOOPBACK}:1"},
            f"broker.invalid:9092: its name cannot be resolved; {LOOPBACK}:1: connection refused",
        ),
    ):
        said = asyncio.run(_why(right.model_copy(update=changed)))
        if sentence not in said:
            yield f"{changed}: {said}"


async def _why(settings: Settings) -> str:
    try:
        async with admin(settings, deadline_s=2) as client:
            await client.describe_cluster()
    except Unreachable as error:
        return str(error)
    return "it is reached"


def test_with_what_is_listed_all_works_and_with_less_it_is_said_what_lacks(
    tmp_path: Path, history: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """One test, for there is to be one broker."""
    with rights_scene(tmp_path, history) as scene:
        workers = {role: _start(scene, role, None) for role in ROLES}
        without = {role: _start(scene, role, Right("READ", "GROUP", role)) for role in ROLES}
        try:
            assert list(_starts(scene)) == []
            assert list(_unreachable(scene)) == []
            give_up = time.monotonic() + 60
            while not all(_is_ready(_log(scene, role)) for role in ROLES):
                assert time.monotonic() < give_up, [_log(scene, role) for role in ROLES]
                time.sleep(0.3)
            assert list(_commands(scene, capfd)) == []
            for role in ROLES:
                assert "no right" not in _log(scene, role)
                assert workers[role].poll() is None
                assert without[role].wait(60) == 1
                lacking = Right("READ", "GROUP", role)
                assert _sentence(lacking, PREFIX) in _log(scene, role, lacking)
                assert "Traceback" not in _log(scene, role, lacking)
            withdrawn = {
                "measure": Right("WRITE", "TOPIC", "partials"),
                "quality": Right("WRITE", "TOPIC", "quality-partials"),
                "alert": Right("READ", "TOPIC", "breaches"),
                "store": Right("READ", "TOPIC", "labels"),
            }
            for role, right in withdrawn.items():
                scene.kafka.withdraw(user(f"worker {role}", None), right, PREFIX)
            for role, right in withdrawn.items():
                assert workers[role].wait(60) == 1
                assert _sentence(right, PREFIX) in _log(scene, role).splitlines()[-1]
                assert "cannot go on" not in _log(scene, role)
            elsewhere = scene.settings("topics check", None)
            elsewhere = elsewhere.model_copy(update={"topic_prefix": f"{PREFIX}elsewhere."})
            with pytest.raises(
                topic_creation.TopicMisfit, match="and there is no right to CREATE it"
            ):
                asyncio.run(topic_creation.ensure(elsewhere, everything(elsewhere)))
        finally:
            for worker in (*workers.values(), *without.values()):
                worker.kill()
                worker.wait()


def _is_ready(log: str) -> bool:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    urls = [line["url"] for line in lines if "url" in line]
    try:
        with urllib.request.urlopen(urls[0].replace("/metrics", "/readyz"), timeout=5) as answer:
            return bool(answer.status == 200)
    except (IndexError, urllib.error.HTTPError):
        return False


def test_the_table_names_every_command_that_reaches_kafka() -> None:
    assert {*COMMANDS, *(f"worker {role}" for role in ROLES)} == set(TABLE)
