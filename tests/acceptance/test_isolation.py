"""A record that ends whoever reads it is found, left out and told; its neighbours count."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.conftest import PARTITIONS
from tests.acceptance.quality_scene import Publisher, make_analysis
from tests.acceptance.quality_scene import latest as scored
from tests.acceptance.test_poison import latest, made, text, total

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

#: Run by the worker's interpreter at its start: what reads records dies of some.
SITE = """
import os, signal
import streams.measure.blocks, streams.measure.operation_reader
import agents.folding.windows, agents.measure.operations, agents.measure.rules
import agents.measure.services
import agents.alert.reader
import agents.quality.analysis_partition, agents.quality.calibrating, agents.quality.labelling

def dying(module, name, value_of=lambda value: value):
    inner = getattr(module, name)
    def reads(value, *rest):
        if b"KILLS" in (value_of(value) or b""):
            os.kill(os.getpid(), signal.SIGKILL)
        if b"RAISES" in (value_of(value) or b""):
            raise LookupError("a mistake of ours")
        return inner(value, *rest)
    setattr(module, name, reads)

dying(
    streams.measure.operation_reader,
    "decoding",
    lambda records: b"".join(record.value or b"" for record in records),
)
dying(agents.measure.services, "read_heartbeat", lambda record: record.value)
dying(agents.folding.windows, "read_partial")
dying(agents.measure.rules, "read_aggregate")
dying(agents.quality.analysis_partition, "read_analysis", lambda record: record.value)
dying(agents.quality.labelling, "read_label", lambda record: record.value)
dying(agents.quality.calibrating, "decode")
dying(agents.alert.reader, "read_breach")
dying(agents.alert.reader, "read_command")

fold = streams.measure.blocks.fold
def folding(columns, pairs, after):
    if "FOLDS" in columns.ids:
        raise ArithmeticError("a sum that cannot be")
    return fold(columns, pairs, after)
streams.measure.blocks.fold = folding
"""


@pytest.fixture
def dies(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which workers die of some records."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE)
    return {"PYTHONPATH": str(folder), "OPWATCH_SESSION_TIMEOUT_S": "6"}


@pytest.fixture
def supervised(kafka: str, prefix: str, tmp_path: Path, dies: dict[str, str]) -> Any:
    """Return what starts a role's worker and holds it up while something is looked for."""
    started: list[Workers] = []

    def start(role: str) -> Workers:
        workers = Workers(kafka, prefix, PARTITIONS, tmp_path, role=role, **dies)
        workers.start(f"{role}-0")
        started.append(workers)
        return workers

    yield start
    for workers in started:
        workers.close()
    for log in tmp_path.glob("*.log"):
        print(log.read_text()[-6000:])


def poison_of(kafka: str, prefix: str) -> dict[str, str]:
    """Return the details of the dead letters `poison`, the first of each key."""
    found: dict[str, str] = {}
    for letter in oracle.read_topic(kafka, prefix + "dead-letters"):
        headers = dict(letter.headers())
        if headers["reason"] == b"poison":
            key = letter.key().decode().removeprefix(prefix)
            found.setdefault(key, headers["detail"].decode())
    return found


def until(workers: Workers, probe: Callable[[], Any], seconds: float = 240) -> Any:
    """Hold workers up until something is so; return it."""
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end, f"it did not come true; {workers.ended}"
        workers.supervise()
        time.sleep(0.5)
    return found


def test_operations_that_end_the_worker_are_left_out_and_their_neighbours_count(
    kafka, prefix, supervised
):
    producer = made(kafka, prefix)
    for partition in range(PARTITIONS):
        for i in range(1200):
            producer.produce(prefix + "operations", text(id=f"{i}"), partition=partition)
            if i in (300, 700) and not partition:
                producer.produce(prefix + "operations", text(id="KILLS"), partition=0)
            if i == 500 and not partition:
                array = f"[{text().decode()},{text(id='FOLDS').decode()}]"
                producer.produce(prefix + "operations", array.encode(), partition=0)
    producer.produce(prefix + "operations", text(id="RAISES"), partition=1)
    producer.flush(60)
    workers = supervised("measure")

    found = until(workers, lambda: len(poison := poison_of(kafka, prefix)) >= 4 and poison)
    assert sorted(key.split("/")[1] for key in found) == ["0", "0", "0", "1"]
    details = " ".join(found.values())
    assert details.count("it was killed") == 2
    assert "ArithmeticError: a sum that cannot be" in details
    assert "LookupError: a mistake of ours" in details
    standing = oracle.Standing(kafka, prefix)
    until(workers, lambda: standing.total() == 2400)
    deaths = len(workers.ended)
    assert deaths <= 6

    workers.kill("measure-0")  # the block is read again, and judged alike, without a death more
    producer.produce(prefix + "operations", text(id="after"), partition=0)
    producer.flush(60)
    until(workers, lambda: standing.total() == 2401)
    assert len(workers.ended) == deaths
    assert set(poison_of(kafka, prefix)) == set(found)


@pytest.mark.parametrize(
    ("topic", "read_from"),
    [("heartbeats", "beats"), ("partials", "partials"), ("aggregates", "aggregates")],
)
def test_what_measure_reads_besides_is_isolated_too(kafka, prefix, supervised, topic, read_from):
    producer = made(kafka, prefix)
    workers = supervised("measure")
    until(workers, lambda: _exists(kafka, prefix + topic))
    producer.produce(prefix + topic, b'{"KILLS":1}', key=b"x", partition=0)
    producer.flush(60)

    found = until(workers, lambda: poison_of(kafka, prefix))
    assert [key.partition("/")[0] for key in found] == [read_from]
    producer.produce(prefix + "operations", text())
    producer.flush(60)
    until(workers, lambda: total(latest(kafka, prefix)) == 1)


def test_what_quality_reads_is_isolated_and_its_neighbours_are_scored(kafka, prefix, supervised):
    producer = Producer({"bootstrap.servers": kafka})
    workers = supervised("quality")
    topics = {"analyses", "labels", "quality-partials", "calibration"}
    for topic in topics:
        until(workers, lambda topic=topic: _exists(kafka, prefix + topic))
        producer.produce(prefix + topic, b'{"KILLS":1}', key=b"x", partition=0)
    producer.flush(60)
    publisher = Publisher(kafka, prefix)
    publisher.analyses(make_analysis(f"good-{number}") for number in range(8))
    publisher.flush()

    def found() -> set[str]:
        return {key.partition("/")[0] for key in poison_of(kafka, prefix)}

    until(workers, lambda: found() == topics)
    until(workers, lambda: len(scored(kafka, prefix + "scored-analyses")) == 8)


def test_what_alert_reads_is_isolated_too(kafka, prefix, supervised):
    producer = Producer({"bootstrap.servers": kafka})
    workers = supervised("alert")
    for topic in ("breaches", "commands"):
        until(workers, lambda topic=topic: _exists(kafka, prefix + topic))
        producer.produce(prefix + topic, b'{"KILLS":1}', key=b"x")
        producer.produce(prefix + topic, b'{"kind":"nothing"}', key=b"x")
    producer.flush(60)

    def found() -> set[str]:
        return set(poison_of(kafka, prefix))

    until(workers, lambda: len(found()) == 2)
    assert found() == {"breaches/0/0/-", "commands/0/0/-"}
    until(workers, lambda: len(oracle.read_topic(kafka, prefix + "dead-letters")) >= 4)


def _exists(kafka: str, topic: str) -> bool:
    from confluent_kafka.admin import AdminClient

    return topic in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
