"""Every codec, on every topic that a role or a command reads, however it came to be there."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stack.kafka import LocalKafka
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.conftest import PARTITIONS
from tests.integration.command_line import Cli
from tests.ports import lasting_port
from tests.topics import make

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
#: What producers say of it, and what the topic makes of that.
KINDS = tuple(
    itertools.product(CODECS, ("alone", "batched"), ("plain", "idempotent", "transactional"))
)
RULES = """
version: 1
rules:
  - {name: errors, kind: metric_threshold, metric: error_rate, operator: greater_than,
     threshold: 1, window: 1m, severity: high}
"""


@pytest.fixture(params=["zstd", "lz4"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return a broker that compresses what it is given, so what topics inherit."""
    settings = {"compression.type": request.param}
    with LocalKafka(tmp_path / "kafka", port=lasting_port(), settings=settings) as kafka:
        yield kafka.bootstrap


def operations(name: str, count: int) -> list[bytes]:
    now_ms = int(time.time() * 1000)
    return [
        json.dumps(
            {
                "id": f"{name}-{i}",
                "operation": "parse",
                "occurred_at": now_ms,
                "success": i % 2 == 0,
                "duration_ms": 12.5,
            }
        ).encode()
        for i in range(count)
    ]


def send(kafka: str, topic: str, values: list[tuple[bytes | None, bytes]], *kind: str) -> None:
    codec, together, trust = kind
    producer = Producer(
        {"bootstrap.servers": kafka, "compression.type": codec}
        | ({"linger.ms": 200} if together == "batched" else {"batch.num.messages": 1})
        | ({"enable.idempotence": True} if trust == "idempotent" else {})
        | ({"transactional.id": f"{topic}-{'-'.join(kind)}"} if trust == "transactional" else {})
    )
    if trust == "transactional":
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(topic, b"never counted, nor refused", key=b"x")
        producer.flush(30)
        producer.abort_transaction(30)
        producer.begin_transaction()
    for key, value in values:
        producer.produce(topic, value, key=key)
    producer.flush(30)
    if trust == "transactional":
        producer.commit_transaction(30)


@pytest.mark.parametrize("topics", ["uncompressed", *CODECS[1:], "producer"])
def test_operations_of_every_producer_and_topic_count(kafka, prefix, tmp_path, eventually, topics):
    admin = AdminClient({"bootstrap.servers": kafka})
    operations_topic = prefix + "operations"
    new = NewTopic(operations_topic, PARTITIONS, 1, config={"compression.type": topics})
    make(admin, new)
    workers = Workers(kafka, prefix, PARTITIONS, tmp_path, OPWATCH_SESSION_TIMEOUT_S="6")
    workers.start("w0")
    try:
        for kind in KINDS:
            values = operations("-".join(kind), 20)
            send(kafka, operations_topic, [(None, value) for value in values], *kind)
        standing = oracle.Standing(kafka, prefix)
        eventually(lambda: standing.total() == 20 * len(KINDS))
        assert oracle.read_topic(kafka, prefix + "dead-letters") == []
        assert workers.ended == []
    finally:
        workers.close()


def test_roles_tables_and_commands_read_what_the_broker_compressed(broker, tmp_path, eventually):
    cli = Cli(broker, tmp_path)
    cli.environment["OPWATCH_PARTITIONS"] = str(PARTITIONS)
    assert cli("topics", "create").returncode == 0
    prefix = cli.prefix
    rule_file = tmp_path / "rules.yaml"
    rule_file.write_text(RULES)
    options = {"OPWATCH_SESSION_TIMEOUT_S": "6", "OPWATCH_RULE_FILE": str(rule_file)}
    roles = [
        Workers(broker, prefix, PARTITIONS, tmp_path, role=role, **options)
        for role in ("measure", "alert")
    ]
    try:
        for workers, name in zip(roles, ("m", "a"), strict=True):
            workers.start(name)
        standing = oracle.Standing(broker, prefix)
        for round_ in range(2):
            for codec in CODECS:
                kind = (codec, "batched", "plain")
                name = f"{round_}-{codec}"
                values = operations(name, 50)
                send(broker, prefix + "operations", [(None, value) for value in values], *kind)
                beat = {"service": name, "status": "up", "sent_at": int(time.time() * 1000)}
                beats = [(name.encode(), json.dumps(beat | {"every_s": 5}).encode())] * 5
                send(broker, prefix + "heartbeats", beats, *kind)
                for topic in ("breaches", "commands", "partials"):
                    send(broker, prefix + topic, [(b"k", b"no record of ours")] * 5, *kind)
            eventually(lambda: standing.total() == 250 * (round_ + 1))  # noqa: B023
            eventually(lambda: oracle.read_topic(broker, prefix + "breaches"))
            for workers, name in zip(roles, ("m", "a"), strict=True):
                assert workers.ended == []
                workers.restart(name)  # its tables are restored from compressed changelogs
        eventually(lambda: len(cli("alerts", "list", "--json").stdout.splitlines()) >= 1)
        assert cli("deadletters", "list", "--reason", "invalid_command").returncode == 0
        assert cli("deadletters", "list", "--reason", "invalid_breach").returncode == 0
        assert all(workers.ended == [] for workers in roles)
        assert b"Traceback" not in b"".join(log.read_bytes() for log in tmp_path.glob("*.log"))
    finally:
        for workers in roles:
            workers.close()
