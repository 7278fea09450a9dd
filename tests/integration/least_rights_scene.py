"""A broker whose users have what docs/operating.md lists, or one right less."""

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from agents.kafka import topic_creation
from agents.kafka.role_topics import everything
from agents.runtime.settings import Settings
from schemas.commands import Silence
from schemas.dead_letters import DeadLetter, to_headers
from tests.acceptance.alert_scene import Receivers, breach
from tests.integration.secured import Right, SecuredKafka, documented
from tests.unit.cli.hostile_world import calibration, quality_score
from tests.unit.cli.samples import aggregate

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
            for name, value in environment_of(self, who, lacking).items():
                patched.setenv(name, value)
            return Settings(_env_file=None)


@contextmanager
def rights_scene(folder: Path, database: str) -> Iterator[Scene]:
    with SecuredKafka(folder) as kafka, Receivers() as receivers:
        cases = [*CASES, *((f"worker {r}", x) for r in ROLES for x in rights_of(f"worker {r}"))]
        kafka.add(*(user(*case) for case in cases))
        kafka.grant({user(*case): (granted(*case), prefix_of(*case)) for case in cases})
        administrator = kafka.administrator(PREFIX, PARTITIONS)
        asyncio.run(topic_creation.ensure(administrator, everything(administrator)))
        environment = receivers.settings(folder) | {
            "OPWATCH_PARTITIONS": str(PARTITIONS),
            "OPWATCH_HTTP_PORT": "0",
            "OPWATCH_LOG_FORMAT": "json",
            "METRICS_DATABASE_URL": database,
        }
        seed(kafka.kafka.bootstrap)
        (folder / "operations.jsonl").write_text(operation("replayed") + "\n")
        yield Scene(kafka, folder, environment)


def rights_of(who: str) -> list[Right | None]:
    return [None, *TABLE[who]]


def granted(who: str, lacking: Right | None) -> list[Right]:
    return [right for right in TABLE[who] if right != lacking]


def operation(name: str) -> str:
    now_ms = int(time.time() * 1000)
    fields = {"id": name, "operation": "parse", "occurred_at": now_ms, "success": True}
    return json.dumps(fields | {"duration_ms": 5})


def dead_letter(**fields: Any) -> tuple[str, list[tuple[str, bytes]]]:
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


def seed(bootstrap: str) -> None:
    """Publish one of each as their owner does."""
    producer = Producer({"bootstrap.servers": bootstrap})
    opened = breach(1, 1, "opened")
    minute = aggregate(start_ms=int(time.time()) // 60 * 60_000 - 60_000)
    key, headers = dead_letter()
    gone, given_up = dead_letter(
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
        ("dead-letters", key, operation("redriven"), headers),
        ("dead-letters", gone, json.dumps(opened), given_up),
    ):
        producer.produce(PREFIX + topic, value.encode(), name, headers=about)
    assert producer.flush(30) == 0


def environment_of(scene: Scene, who: str, lacking: Right | None) -> dict[str, str]:
    reached = scene.kafka.environment(user(who, lacking), prefix_of(who, lacking))
    return scene.environment | reached
