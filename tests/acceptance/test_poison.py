"""Bad input ends as one dead letter each; the worker lives and its neighbours count."""

import contextlib
import json
import time
import urllib.request

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests import topics
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.conftest import PARTITIONS
from tests.acceptance.oracle import Standing
from tests.effort import examples
from tests.ports import lasting_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

TEN_MB = 10 * 1024 * 1024
#: Three times as many as there may be series; with more effort 100,000.
PLATFORMS = min(examples(30_000), 100_000)


def operation(**changed: object) -> dict[str, object]:
    return {
        "id": "x",
        "operation": "parse",
        "platform": "lever",
        "occurred_at": int(time.time() * 1000),
        "success": True,
        "duration_ms": 12.5,
    } | changed


def text(**changed: object) -> bytes:
    return json.dumps(operation(**changed)).encode()


def poison() -> dict[str, bytes | None]:
    """Return records that hold nothing good, by name; each is one dead letter."""
    return {
        "not json": b"\x00\x01 not json",
        "half a record": text()[:40],
        "empty": b"",
        "null": None,
        "empty array": b"[]",
        "a number": b"17",
        "wrong types": text(success="yes", duration_ms="12"),
        "missing fields": b'{"id":"x"}',
        "NaN": text().replace(b"12.5", b"NaN"),
        "infinity": text().replace(b"12.5", b"Infinity"),
        "too large a number": text().replace(b"12.5", b"1e999"),
        "negative": text(duration_ms=-1),
        "confidence 7": text(confidence=7),
        "the name of all": text(operation="*"),
        "1970": text(occurred_at=17),
        "2100": text(occurred_at="2100-01-01T00:00:00Z"),
        "year 10000": text(occurred_at=10**15),
        "deep": b'{"a":' * 50_000,
        "deep array": b"[" * 50_000,
        "not utf-8": text().replace(b"lever", b"\xff\xfe"),
        "10 MB": text(error_message="x" * TEN_MB),
        "a million objects": b"[" + b"{}," * 1_300_000 + b"{}]",
        "two million brackets": b"[" * 2_000_000,
        "four million digits": text().replace(b"12.5", b"9" * 4_000_000),
        "a million fields": b"{" + b'"a":1,' * 600_000 + b'"id":"x"}',
    }


def made(kafka: str, prefix: str) -> Producer:
    admin = AdminClient({"bootstrap.servers": kafka})
    topic = NewTopic(
        prefix + "operations", PARTITIONS, 1, config={"max.message.bytes": str(2 * TEN_MB)}
    )
    topics.make(admin, topic)
    return Producer({"bootstrap.servers": kafka, "message.max.bytes": 2 * TEN_MB, "linger.ms": 20})


def latest(kafka: str, prefix: str) -> dict[str, dict]:
    """Return the aggregates that stand, by key."""
    return Standing(kafka, prefix).read()


def total(aggregates: dict[str, dict], series: str = "*") -> int:
    return sum(one["count"] for key, one in aggregates.items() if key.startswith(f"{series}/1m/"))


def test_each_bad_record_is_one_dead_letter_and_its_neighbours_count(
    kafka, prefix, worker, eventually
):
    producer = made(kafka, prefix)
    good = 0
    for value in poison().values():
        producer.produce(prefix + "operations", text())
        producer.produce(prefix + "operations", value)
        good += 1
    bad_element = [operation(), {"id": "no more"}, operation(), "a text", operation()]
    producer.produce(prefix + "operations", json.dumps(bad_element).encode())
    producer.flush(60)

    bad = len(poison()) + 2
    letters = eventually(
        lambda: (
            found
            if len(found := oracle.read_topic(kafka, prefix + "dead-letters")) >= bad
            else None
        )
    )
    assert len({letter.key() for letter in letters}) == len(letters) == bad
    reasons = {dict(letter.headers())["reason"] for letter in letters}
    assert {b"null_value", b"empty_array", b"too_old", b"from_future", b"too_large"} < reasons
    assert all(len(letter.value() or b"") <= 64 * 1024 for letter in letters)
    standing = Standing(kafka, prefix)
    eventually(lambda: standing.total() == good + 3)
    assert worker.ended == []


def test_platforms_past_the_limit_fill_overflow_not_the_memory(kafka, prefix, worker, eventually):
    producer = made(kafka, prefix)
    for i in range(PLATFORMS):
        producer.produce(prefix + "operations", text(platform=f"platform-{i}"))
        if i % 5_000 == 0:
            producer.flush(30)
    producer.flush(60)

    standing = Standing(kafka, prefix)

    def by_platform():
        aggregates = [value for key, value in standing.read().items() if "/1m/" in key]
        return [
            aggregate
            for aggregate in aggregates
            if aggregate["series"]["operation"] == "*" and aggregate["series"]["platform"]
        ]

    eventually(lambda: standing.total() == PLATFORMS, 400)
    # What most minutes merge from is published after their total.
    eventually(lambda: sum(window["count"] for window in by_platform()) == PLATFORMS, 400)
    worker.supervise()
    assert worker.ended == []
    minutes = [one for key, one in standing.read().items() if "/1m/" in key]
    assert any(window["series"]["platform"].startswith("overflow-") for window in by_platform())
    assert len({json.dumps(one["series"]) for one in minutes}) <= 10_000 + 20


def test_records_made_to_be_slow_never_silence_health(kafka, prefix, tmp_path, eventually):
    producer = Producer(
        {"bootstrap.servers": kafka, "message.max.bytes": 2 * TEN_MB, "compression.type": "gzip"}
    )
    made(kafka, prefix)
    port = lasting_port()
    workers = Workers(kafka, prefix, PARTITIONS, tmp_path, OPWATCH_HTTP_PORT=str(port))
    workers.start("w0")
    url = f"http://127.0.0.1:{port}/healthz"
    try:
        eventually(lambda: _answered(url))
        slow = [
            b"[" + b"{}," * 1_300_000 + b"{}]",
            b"[" + b"{}," * 9_998 + b"{}]",
            b"[" * 4_000_000,
            b"[" + text() + b',"' + b"\\\\" * 1_900_000 + b'"]',
            b"{" + b",".join(b'"k%d":1' % i for i in range(300_000)) + b"}",
            b"[" + b",".join([text(occurred_at=17)] * 9_999) + b"]",
        ]
        for value in slow * 6:
            producer.produce(prefix + "operations", value)
            producer.produce(prefix + "heartbeats", value, key=b"api")
        producer.produce(prefix + "operations", text())
        producer.flush(120)
        longest, until = 0.0, time.monotonic() + 240
        standing = Standing(kafka, prefix)
        while standing.total() < 1 + 6:
            assert time.monotonic() < until
            for _ in range(20):
                began = time.monotonic()
                assert _answered(url)
                longest = max(longest, time.monotonic() - began)
                time.sleep(0.02)
        assert longest < 2
        assert workers.is_running("w0")
    finally:
        workers.close()


def _answered(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
        return bool(answer.status == 200)
    return False
