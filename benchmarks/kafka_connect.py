"""Measure Kafka Connect's JDBC sink, configured for upsert, with the rows that `store` writes.

It reads rows that were made beforehand: JSON with a schema, one row a record. So it does less than
`store`, which makes the rows of aggregates, and writes performance_metrics too.
"""

import asyncio
import base64
import json
import os
import resource
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stack.jars import CACHE, java, kafka_jars
from streams.history.tables import WINDOWS

_POM = Path(__file__).with_name("peers") / "kafka_connect" / "pom.xml"
_JARS = CACHE / "kafka-connect"
_PARTITIONS = 8
_DEADLINE_S = 600.0
_TYPES = {"int4": "int32", "int8": "int64", "float8": "double", "bool": "boolean", "bytes": "bytes"}
_TIME = {"type": "int64", "name": "org.apache.kafka.connect.data.Timestamp", "version": 1}
#: The sink has no type for an array of texts.
_COLUMNS = {name: kind for name, kind in WINDOWS.columns.items() if kind != "texts"}
_WORKER = """
bootstrap.servers={kafka}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.storage.file.filename={folder}/offsets
listeners=HTTP://127.0.0.1:0
plugin.discovery=only_scan
connector.client.config.override.policy=All
"""
_SINK = """
name={topic}
connector.class=io.debezium.connector.jdbc.JdbcSinkConnector
tasks.max=2
topics={topic}
connection.url=jdbc:postgresql://{address}?reWriteBatchedInserts=true
connection.username=opwatch
connection.password=none
insert.mode=upsert
primary.key.mode=record_value
primary.key.fields={key}
collection.name.format=public.sink
schema.evolution=none
batch.size=5000
consumer.override.max.poll.records=5000
consumer.override.auto.offset.reset=earliest
"""


class Sunk(NamedTuple):
    """What the sink took: from its first rows to its last, and with the start of its process."""

    rows_per_s: float
    seconds: float
    cpu_s: float


def sink(url: str, rows: Sequence[tuple[Any, ...]]) -> Sunk | None:
    """Return what it took to write rows that wait on Kafka; None if the jars cannot be had."""
    maven = shutil.which("mvn")
    if maven is None:
        return None
    if not _JARS.exists():
        command = [maven, "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"]
        if subprocess.call([*command, f"-DoutputDirectory={_JARS}"]) != 0:
            shutil.rmtree(_JARS, ignore_errors=True)
            return None
    kafka, topic = os.environ["OPWATCH_KAFKA_BOOTSTRAP"], f"bench-{secrets.token_hex(3)}"
    _publish(kafka, topic, rows)
    asyncio.run(_make_table(url))
    with tempfile.TemporaryDirectory() as folder:
        worker, connector = Path(folder) / "worker", Path(folder) / "sink"
        worker.write_text(_WORKER.format(kafka=kafka, folder=folder))
        address, key = url.partition("@")[2], ",".join(WINDOWS.key)
        connector.write_text(_SINK.format(topic=topic, address=address, key=key))
        classes = f"{_JARS}/*:{kafka_jars()}/*"
        main = "org.apache.kafka.connect.cli.ConnectStandalone"
        command = [java(), "-Xmx1g", "-cp", classes, main, str(worker), str(connector)]
        return _timed(command, url, len(rows))


def _timed(command: list[str], url: str, count: int) -> Sunk:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first_s, first = 0.0, 0
    try:
        while (written := asyncio.run(_count(url))) < count:
            now = time.perf_counter()
            if process.poll() is not None or now - began > _DEADLINE_S:
                raise SystemExit(f"Kafka Connect wrote {written:,} rows of {count:,}")
            if written and not first:
                first_s, first = now, written
            time.sleep(0.2)
        ended = time.perf_counter()
    finally:
        process.terminate()
        process.wait(60)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    rate = (count - first) / (ended - first_s) if first else 0.0
    return Sunk(rate, ended - began, cpu_s)


def _publish(kafka: str, topic: str, rows: Sequence[tuple[Any, ...]]) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for made in admin.create_topics([NewTopic(topic, _PARTITIONS, 1)]).values():
        made.result(30)
    fields = [
        {"field": name, "optional": name not in WINDOWS.key}
        | (_TIME if kind == "time" else {"type": _TYPES.get(kind, "string")})
        for name, kind in _COLUMNS.items()
    ]
    schema = json.dumps({"type": "struct", "fields": fields, "optional": False})
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 50, "compression.type": "lz4"})
    for number, row in enumerate(rows):
        values = zip(WINDOWS.columns, row, strict=True)
        payload = {name: _as_json(value) for name, value in values if name in _COLUMNS}
        value = f'{{"schema":{schema},"payload":{json.dumps(payload)}}}'
        while True:
            try:
                producer.produce(topic, value, partition=number % _PARTITIONS)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    producer.flush(60)


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return round(value.timestamp() * 1000) if hasattr(value, "timestamp") else value


async def _make_table(url: str) -> None:
    """Make a table of the same columns; it cannot write JSON to a column of that type."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE public.sink (LIKE opwatch.windows INCLUDING ALL)")
    for name, kind in WINDOWS.columns.items():
        if kind == "json":
            await connection.execute(f"ALTER TABLE public.sink ALTER {name} TYPE text")
    await connection.close()


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url)
    count = await connection.fetchval("SELECT count(*) FROM public.sink")
    await connection.close()
    return int(count)
