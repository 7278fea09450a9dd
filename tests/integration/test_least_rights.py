"""With what docs/operating.md lists every role and command works; with less it says what lacks."""

import asyncio
import hashlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from agents.cli.app import app
from agents.cli.command import CommandError
from agents.kafka import topic_creation
from agents.kafka.admin_client import admin
from agents.kafka.role_topics import everything, of_role
from agents.kafka.unreachable import Unreachable
from agents.runtime.settings import Settings
from schemas.commands import Silence
from schemas.dead_letters import DeadLetter, to_headers
from stack.net import LOOPBACK
from tests import preloaded
from tests.acceptance.alert_scene import Receivers, breach
from tests.integration.secured import NOWHERE, Right, SecuredKafka, documented
from tests.unit.cli.hostile_world import calibration, quality_score
from tests.unit.cli.samples import aggregate

pytestmark = pytest.mark.timeout(600)

PREFIX = "least."
PARTITIONS = 2
SILENCE = "0123456789ab"
TABLE = documented()
ROLES = [who.removeprefix("worker ") for who in TABLE if who.startswith("worker ")]
#: What each command is called with, in place of what the table says.
COMMANDS: dict[str, tuple[str, ...]] = {
    "topics create": (),
    "topics check": (),
    "tail": ("--once",),
    "rules backtest": ("RULES", "--from", "24h"),
    "replay": ("OPERATIONS", "--speed", "max"),
    "quality show": ("a1",),
    "quality worst": (),
    "quality calibration": (),
    "deadletters list": (),
    "deadletters show": ("LETTER",),
    "deadletters redrive": ("LETTER",),
    "deadletters redrive --reason undelivered": (),
    "alerts list": (),
    "alerts show": ("alert-00001",),
    "why": ("alert-00001",),
    "why-not": ("hook",),
    "ack": ("alert-00001", "--comment", "on it", "--by", "ada"),
    "silence add": ('platform="x"', "--for", "1h", "--comment", "quiet", "--by", "ada"),
    "silence list": ("--all",),
    "silence end": ("SILENCE", "--by", "ada"),
    "channels list": (),
    "channels test": ("hook", "--by", "ada"),
    "channels preview --breach-id": ("breach-00001-0", "hook"),
}
#: The message cannot be tried again, since it never was; nothing was held back.
REFUSED = {"deadletters redrive --reason undelivered", "why-not"}
#: With all rights last: what a command did is not done again.
CASES = [(who, lacking) for who in COMMANDS for lacking in (*TABLE[who], None)]


def user(who: str, lacking: Right | None) -> str:
    return "u" + hashlib.sha256(f"{who} {lacking}".encode()).hexdigest()[:12]


def prefix_of(who: str, lacking: Right | None) -> str:
    """Return a prefix of its own for who makes topics: there are none yet."""
    return f"{user(who, lacking)}." if who == "topics create" else PREFIX


class Scene(NamedTuple):
    """A broker with users, topics and some records."""

    kafka: SecuredKafka
    folder: Path
    environment: dict[str, str]

    def settings(self, who: str, lacking: Right | None) -> Settings:
        with pytest.MonkeyPatch.context() as patched:
            for name, value in _environment(self, who, lacking).items():
                patched.setenv(name, value)
            return Settings(_env_file=None)


@contextmanager
def _scene(folder: Path, database: str) -> Iterator[Scene]:
    with SecuredKafka(folder) as kafka, Receivers() as receivers:
        cases = [*CASES, *((f"worker {r}", x) for r in ROLES for x in _each(f"worker {r}"))]
        kafka.add(*(user(*case) for case in cases))
        kafka.grant({user(*case): (_granted(*case), prefix_of(*case)) for case in cases})
        administrator = kafka.administrator(PREFIX, PARTITIONS)
        asyncio.run(topic_creation.ensure(administrator, everything(administrator)))
        environment = receivers.settings(folder) | {
            "OPWATCH_PARTITIONS": str(PARTITIONS),
            "OPWATCH_HTTP_PORT": "0",
            "OPWATCH_LOG_FORMAT": "json",
            "METRICS_DATABASE_URL": database,
        }
        _seed(kafka.kafka.bootstrap)
        (folder / "operations.jsonl").write_text(_operation("replayed") + "\n")
        yield Scene(kafka, folder, environment)


def _each(who: str) -> list[Right | None]:
    return [None, *TABLE[who]]


def _granted(who: str, lacking: Right | None) -> list[Right]:
    return [right for right in TABLE[who] if right != lacking]


def _operation(name: str) -> str:
    now_ms = int(time.time() * 1000)
    fields = {"id": name, "operation": "parse", "occurred_at": now_ms, "success": True}
    return json.dumps(fields | {"duration_ms": 5})


def _letter(**fields: Any) -> tuple[str, list[tuple[str, bytes]]]:
    known = {
        "reason": "invalid_operation",
        "detail": "it was wrong",
        "topic": f"{PREFIX}operations",
        "partition": 0,
        "offset": 7,
        "timestamp_ms": int(time.time() * 1000),
        "size_bytes": 1,
        "sha256": "0" * 64,
    }
    letter = DeadLetter.model_validate(known | fields)
    return letter.key, to_headers(letter)


def _seed(bootstrap: str) -> None:
    """Publish one of each as their owner does."""
    producer = Producer({"bootstrap.servers": bootstrap})
    opened = breach(1, 1, "opened")
    minute = aggregate(start_ms=int(time.time()) // 60 * 60_000 - 60_000)
    key, headers = _letter()
    gone, given_up = _letter(
        reason="undelivered", topic=f"{PREFIX}breaches", offset=0, delivery="nowhere"
    )
    now_ms = int(time.time() * 1000)
    silence = Silence(
        id=SILENCE,
        at_ms=now_ms,
        by="ada",
        comment="seeded",
        matchers=[{"label": "rule", "value": "none"}],
        start_ms=now_ms,
        end_ms=now_ms + 3_600_000,
    )
    for topic, name, value, about in (
        ("commands", SILENCE, silence.model_dump_json(), None),
        ("breaches", opened["fingerprint"], json.dumps(opened), None),
        ("aggregates", "x", minute.model_dump_json(), None),
        ("quality-scores", "a1", json.dumps(quality_score("a1")), None),
        ("aggregates", "calibration{", json.dumps(calibration()), None),
        ("dead-letters", key, _operation("redriven"), headers),
        ("dead-letters", gone, json.dumps(opened), given_up),
    ):
        producer.produce(PREFIX + topic, value.encode(), name, headers=about)
    assert producer.flush(30) == 0


def _environment(scene: Scene, who: str, lacking: Right | None) -> dict[str, str]:
    reached = scene.kafka.environment(user(who, lacking), prefix_of(who, lacking))
    return scene.environment | reached


def _start(scene: Scene, role: str, lacking: Right | None) -> "subprocess.Popen[bytes]":
    environment = _bare() | _environment(scene, f"worker {role}", lacking)
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
        "LETTER": _letter()[0],
        "SILENCE": SILENCE,
    }
    for who, lacking in CASES:
        arguments = [*who.split(), *(given.get(each, each) for each in COMMANDS[who])]
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(scene.folder)
            for name, value in _environment(scene, who, lacking).items():
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
    with _scene(tmp_path, history) as scene:
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
