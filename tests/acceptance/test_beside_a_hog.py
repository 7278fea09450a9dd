"""Beside a CPU hog for each core no attack makes /healthz silent for more than 2 s.

What needs the hogs takes all cores for minutes: `make torture` runs it. `make test` does without.
"""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.acceptance import oracle
from tests.acceptance.alert_scene import breach
from tests.acceptance.cluster import Workers
from tests.acceptance.healthz import is_answered
from tests.acceptance.healthz_silences import Silences
from tests.acceptance.hogs import Hogs
from tests.acceptance.test_poison import text
from tests.ports import lasting_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

MAX_SILENCE_S = 2.0
PARTITIONS = 8
DAY_MS = 86_400_000
LONG = b"[" + b"{}," * 1_300_000 + b"{}]"
#: What a record may hold that is small on the wire; item 2.
LARGE = {
    "1,300,000 elements": LONG,
    "330,000 elements": b"[" + b"{}," * 330_000 + b"{}]",
    "300,000 operations": b"[" + b",".join([text()] * 300_000) + b"]",
    "two million brackets": b"[" * 2_000_000,
    "deep objects": b'{"a":' * 1_000_000,
    "a million fields": b"{" + b'"a":1,' * 1_000_000 + b'"id":"x"}',
    "100 MB": b" " * 100_000_000,
}
HOSTILE_TEMPLATES = (
    "{{ samples|round(-999999999) }}",
    "{% for a in range(9999) %}{% for b in range(9999) %}{{ a * b }}{% endfor %}{% endfor %}",
    "{{ 'x' * 999999999 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 'a'|center(999999999) }}",
)
HOSTILE_PATTERNS = (
    r"(.*)(.*)(.*)\1\2\3x",
    "(a|a?)+$",
    "(x+x+)+y",
    "(.*){1,1000}z",
    "a{1000}{1000}",
)


@contextmanager
def listened_to(
    kafka: str,
    prefix: str,
    folder: Path,
    role: str,
    rule_file: Path,
    partitions: int = PARTITIONS,
) -> Iterator[tuple[Workers, Silences]]:
    """Run a worker; its /healthz was heard when this is entered."""
    port = lasting_port()
    settings = {"OPWATCH_HTTP_PORT": str(port), "OPWATCH_RULE_FILE": str(rule_file)}
    settings["HOOK_URL"] = "https://127.0.0.1:9/hook"
    workers = Workers(kafka, prefix, partitions, folder, role=role, **settings)
    try:
        workers.start("w0")
        until = time.monotonic() + 60
        while not is_answered("127.0.0.1", port):
            assert time.monotonic() < until, "it does not start"
            time.sleep(0.2)
        with Silences(port, folder / "silences") as silences:
            yield workers, silences
    finally:
        workers.close()
        print((folder / "w0.log").read_text()[-4000:])


def producer_of(kafka: str) -> Producer:
    """Return a producer whose records may hold more than anyone should read."""
    return Producer(
        {
            "bootstrap.servers": kafka,
            "compression.type": "gzip",
            "compression.level": 1,
            "message.max.bytes": 400_000_000,
            "linger.ms": 20,
        }
    )


def threshold(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "name": f"rule_{number}",
        "kind": "metric_threshold",
        "metric": "duration_p95",
        "operator": "greater_than",
        "threshold": 100 + number,
        "window": "1h",
        "each": "platform",
        **fields,
    }


def written(path: Path, *rules: dict[str, Any], **file: Any) -> Path:
    path.write_text(json.dumps({"version": 1, "rules": rules, **file}))
    return path


def hostile_files(path: Path) -> Iterator[str]:
    """Write one rule file after the other that no worker should have to read; item 4."""
    for template in HOSTILE_TEMPLATES:
        yield written(path, threshold(0, summary=template)).name
    for pattern in HOSTILE_PATTERNS:
        yield written(path, threshold(0, match=f"platform=~{json.dumps(pattern)}")).name
    yield written(path, *map(threshold, range(1_000))).name
    yield written(path, *map(threshold, range(5_000))).name
    yield written(path, threshold(0, description="x" * 20_000_000)).name
    path.write_text("a: &a [x, x]\n" + "".join(f"a{i}: &a{i} [*a, *a]\n" for i in range(9)))
    yield path.name
    path.write_text("[" * 1_000_000)
    yield path.name


def assert_never_silent(silences: Silences, workers: Workers, hogs: Hogs) -> None:
    """Hold each silence to the promise, longer only as far as others take the hogs' half."""
    time.sleep(MAX_SILENCE_S)
    workers.supervise()
    assert workers.ended == []
    limit_s = MAX_SILENCE_S * max(1.0, 0.5 / hogs.share())
    print(f"the hogs had {hogs.share():.0%} of all cores: at most {limit_s:.1f} s of silence")
    longest = silences.longest()
    assert {name: silence for name, silence in longest.items() if silence > limit_s} == {}


def attack_measure(kafka, prefix, folder, eventually, hogs):
    rules = [threshold(i, window=window) for i, window in enumerate(["1m", "1h", "3h", "24h"])]
    rules.append({"name": "quiet", "kind": "no_data", "each": "platform", "after": "10m"})
    path = written(folder / "rules.yaml", *rules)
    with listened_to(kafka, prefix, folder, "measure", path) as (workers, silences):
        producer = producer_of(kafka)
        now_ms = int(time.time() * 1000)

        with silences.during("a partition 30 days behind, 200 platforms", 12):
            for day in range(30):
                for platform in range(200):
                    when_ms = now_ms - (30 - day) * DAY_MS
                    history = text(
                        id=f"{day}-{platform}", platform=f"p{platform}", occurred_at=when_ms
                    )
                    producer.produce(prefix + "operations", history, partition=0, timestamp=when_ms)
            for platform in range(200):
                producer.produce(
                    prefix + "operations",
                    text(id=f"now-{platform}", platform=f"p{platform}"),
                    partition=1,
                )
            producer.flush(60)
        for name, value in LARGE.items():
            with silences.during(name, 1):
                for topic in ("operations", "heartbeats"):
                    producer.produce(prefix + topic, value, partition=2, key=b"parser")
                producer.flush(60)
        with silences.during("large records among aggregates and partials", 3):
            for topic in ("aggregates", "partials"):
                for value in (LONG, b"[" * 2_000_000):
                    producer.produce(prefix + topic, value, partition=3)
            producer.flush(60)
        for at, _ in enumerate(hostile_files(path)):
            with silences.during(f"rule file {at}", 1):
                workers.signal("w0", signal.SIGHUP)

        producer.produce(prefix + "operations", text(id="the last"), partition=2)
        producer.flush(30)
        standing = oracle.Standing(kafka, prefix)
        eventually(lambda: standing.total() >= 31 * 200 + 1, 120)
        assert_never_silent(silences, workers, hogs)


def command(number: int, **fields: Any) -> bytes:
    now_ms = int(time.time() * 1000)
    known = {"version": 1, "id": f"command-{number}", "by": "somebody", "at_ms": now_ms}
    return json.dumps(known | fields).encode()


def silence(number: int, pattern: str) -> bytes:
    now_ms = int(time.time() * 1000)
    matcher = {"label": "platform", "operator": "=~", "value": pattern}
    span = {"start_ms": now_ms - 1_000, "end_ms": now_ms + 3_600_000}
    return command(number, kind="silence", matchers=[matcher], **span)


def attack_alert(kafka, prefix, folder, eventually, hogs=None):
    """Attack and look on for as long as silence may last, or, without hogs, one after the other."""
    pause_s = 1 if hogs else 0
    channel = {"name": "hook", "type": "webhook", "url_env": "HOOK_URL"}
    path = written(folder / "rules.yaml", threshold(0), channels=[channel])
    with listened_to(kafka, prefix, folder, "alert", path) as (workers, silences):
        producer = producer_of(kafka)

        def publish(topic: str, *values: bytes) -> None:
            for value in values:
                producer.produce(prefix + topic, value, partition=0)
            producer.flush(60)

        with silences.during("2,000 silences with hostile patterns", 3 * pause_s):
            patterns = [pattern for pattern in HOSTILE_PATTERNS for _ in range(400)]
            publish("commands", *(silence(i, pattern) for i, pattern in enumerate(patterns)))
        with silences.during("500 breaches with long labels", 5 * pause_s):
            routing = {"channels": ["hook"], "cooldown_ms": 0}
            for i in range(500):
                labels = {"platform": "a" * 3_000 + str(i), "operation": "x" * 3_000}
                opened = breach(i, 1, "opened", labels=labels, routing=routing)
                publish("breaches", json.dumps(opened).encode())
        for name, value in LARGE.items():
            with silences.during(name, pause_s):
                publish("commands", value)
                publish("breaches", value)
        for at, _ in enumerate(hostile_files(path)):
            with silences.during(f"rule file {at}", max(pause_s, 0.3)):
                workers.signal("w0", signal.SIGHUP)

        publish("breaches", json.dumps(breach(1_000, 1, "opened", routing=routing)).encode())
        eventually(
            lambda: any(
                b"alert-01000" in (record.value() or b"")
                for record in oracle.read_topic(kafka, prefix + "notifications")
            )
        )
        if hogs:
            assert_never_silent(silences, workers, hogs)
        workers.supervise()
        assert workers.ended == []


def test_an_alert_worker_outlives_every_attack(kafka, prefix, tmp_path, eventually):
    attack_alert(kafka, prefix, tmp_path, eventually)


@pytest.mark.alone
def test_workers_of_both_roles_answer_under_every_attack(kafka, prefix, tmp_path, eventually):
    """Both are attacked at the same time: each has the other for a busy neighbour besides."""
    with Hogs() as hogs, ThreadPoolExecutor() as pool:
        attacks = []
        for attack in (attack_measure, attack_alert):
            folder = tmp_path / attack.__name__
            folder.mkdir()
            of_its_own = f"{prefix}{attack.__name__}."
            attacks.append(pool.submit(attack, kafka, of_its_own, folder, eventually, hogs))
        for attacked in attacks:
            attacked.result()


@pytest.mark.alone
def test_a_measure_worker_of_64_partitions_answers(kafka, prefix, tmp_path, eventually):
    path = written(tmp_path / "rules.yaml", threshold(0))
    begun = listened_to(kafka, prefix, tmp_path, "measure", path, 64)
    with begun as (workers, silences), Hogs() as hogs:
        producer = producer_of(kafka)
        topic = prefix + "operations"
        with silences.during("64 partitions", 5):
            eventually(lambda: len(producer.list_topics(topic, 10).topics[topic].partitions) == 64)
        with silences.during("64 partitions, 2,000 operations", 5):
            for i in range(2_000):
                producer.produce(topic, text(id=str(i)), partition=i % 64)
            producer.flush(30)
            standing = oracle.Standing(kafka, prefix)
            eventually(lambda: standing.total() == 2_000)
        assert_never_silent(silences, workers, hogs)
