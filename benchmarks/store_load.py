"""Measure how many windows a second are stored, beside other ways of writing the same rows.

python -m stack run -- python -m benchmarks.store_load [--series 1000] [--samples 60] [--connect]

The windows are an hour of 1,000 series: 60 of 1m, 12 of 5m and one of 1h each. The last line reads
them from Kafka with a worker, as a backlog.
"""

import argparse
import asyncio
import os
import resource
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import numpy as np
from confluent_kafka import Producer
from faust.types import TP

from agents.kafka import topic_creation
from agents.kafka.role_topics import everything
from agents.runtime.settings import Settings
from agents.store.batch import Batch, Gathered, Source
from agents.store.session import Logs, Session
from agents.store.storing import MOST_ENTRIES
from benchmarks import kafka_connect
from benchmarks.environment import say
from streams.history.aggregates import entries_of_aggregate
from streams.history.tables import WINDOWS
from tests.databases import database, settings_of
from tests.history_records import START_MS, window

PARTITIONS = 8
SPANS = {"1m": (60, 60_000), "5m": (12, 300_000), "1h": (1, 3_600_000)}
_DEADLINE_S = 600.0


def records(series: int, samples: int) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    """Yield partition, key and value of each window; a window has that many operations."""
    draw = np.random.default_rng(1)
    for size, (count, span_ms) in SPANS.items():
        for number in range(count):
            for which in range(series):
                durations = np.round(draw.lognormal(4, 1, samples), 3)
                name = f'parse-{which // 20}{{platform="board-{which % 20}"}}'
                yield (
                    which % PARTITIONS,
                    window(name, size, START_MS + number * span_ms, durations),
                )


def gathered_of(values: list[bytes]) -> list[Gathered]:
    """Return the rows of windows, without those of performance_metrics."""
    batch, tp = Batch(), TP("t", 0)
    for offset, value in enumerate(values):
        source = Source(tp, SimpleNamespace(offset=offset, value=b""))
        batch.add(source, [e for e in entries_of_aggregate(value) if e.table is WINDOWS])
    batch.reach(tp, len(values))
    return batch.gathered()


async def upserted(url: str, values: list[bytes], first: int) -> tuple[float, float]:
    """Return the seconds that making rows takes, and writing them as `store` does."""
    session = Session(settings_of(url))
    made_s = written_s = 0.0
    for begin in range(0, len(values), MOST_ENTRIES):
        before = time.perf_counter()
        part = gathered_of(values[begin : begin + MOST_ENTRIES])
        made = time.perf_counter()
        tp = TP(f"t{first + begin}", 0)
        part = [item._replace(source=Source(tp, item.source.record)) for item in part]
        await session.write(part, {tp: len(values)}, Logs({}, {}))
        written_s += time.perf_counter() - made
        made_s += made - before
    session.drop()
    return made_s, written_s


async def by_executemany(url: str, rows: list[tuple[Any, ...]]) -> float:
    """Return the seconds that plain upserts with executemany take."""
    names = list(WINDOWS.columns)
    statement = (
        f"INSERT INTO opwatch.windows AS stored ({', '.join(names)})"
        f" VALUES ({', '.join(f'${place}' for place in range(1, len(names) + 1))})"
        " ON CONFLICT (series, size, start_at) DO UPDATE SET"
        f" {', '.join(f'{name} = excluded.{name}' for name in names)}"
        " WHERE excluded.revision > stored.revision"
    )
    connection = await asyncpg.connect(url)
    await connection.execute("TRUNCATE opwatch.windows")
    before = time.perf_counter()
    for begin in range(0, len(rows), MOST_ENTRIES):
        async with connection.transaction():
            await connection.executemany(statement, rows[begin : begin + MOST_ENTRIES])
    seconds = time.perf_counter() - before
    await connection.close()
    return seconds


async def by_copy(url: str, rows: list[tuple[Any, ...]]) -> float:
    """Return the seconds that COPY takes, which cannot replace a row."""
    connection = await asyncpg.connect(url)
    await connection.execute("TRUNCATE opwatch.windows")
    before = time.perf_counter()
    for begin in range(0, len(rows), MOST_ENTRIES):
        await connection.copy_records_to_table(
            "windows",
            schema_name="opwatch",
            columns=list(WINDOWS.columns),
            records=rows[begin : begin + MOST_ENTRIES],
        )
    seconds = time.perf_counter() - before
    await connection.close()
    return seconds


async def size_of(url: str) -> int:
    """Return the bytes of all windows, with digests and indexes."""
    connection = await asyncpg.connect(url)
    total = await connection.fetchval(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
        " WHERE relname LIKE 'windows%' AND relkind = 'r'"
    )
    await connection.close()
    return int(total)


def backlog(url: str, values: list[tuple[int, tuple[bytes, bytes]]]) -> tuple[float, float]:
    """Return the seconds in which a worker that starts stores what waits on Kafka, and of CPU."""
    kafka, prefix = os.environ["OPWATCH_KAFKA_BOOTSTRAP"], f"bench-{secrets.token_hex(3)}."
    chosen = Settings(
        _env_file=None, kafka_bootstrap=kafka, topic_prefix=prefix, partitions=PARTITIONS
    )
    asyncio.run(topic_creation.ensure(chosen, everything(chosen)))
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 50, "compression.type": "lz4"})
    for partition, (key, value) in values:
        producer.produce(f"{prefix}aggregates", value, key, partition=partition)
        producer.poll(0)
    producer.flush(60)
    environment = os.environ | {
        "OPWATCH_TOPIC_PREFIX": prefix,
        "OPWATCH_PARTITIONS": str(PARTITIONS),
        "OPWATCH_HTTP_PORT": "0",
        "METRICS_DATABASE_URL": url,
    }
    command = [sys.executable, "-m", "agents.cli", "worker", "store"]
    before = time.perf_counter()
    worker = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        while asyncio.run(_stored(url, prefix)) < len(values):
            if time.perf_counter() - before > _DEADLINE_S:
                raise SystemExit("the backlog is not stored in ten minutes")
            time.sleep(0.2)
        seconds = time.perf_counter() - before
    finally:
        worker.terminate()
        worker.wait(30)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, used.ru_utime + used.ru_stime


async def _stored(url: str, prefix: str) -> int:
    connection = await asyncpg.connect(url)
    found = await connection.fetchval(
        "SELECT sum(next_offset) FROM opwatch.consumed_offsets WHERE topic = $1",
        f"{prefix}aggregates",
    )
    await connection.close()
    return int(found or 0)


def main() -> None:
    """Print a table of windows a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument(
        "--connect", action="store_true", help="Kafka Connect's JDBC sink too: some minutes"
    )
    options = parser.parse_args()
    made = list(records(options.series, options.samples))
    values = [value for _, (_, value) in made]
    count = len(values)
    say(f"{count:,} windows of {options.series:,} series, {options.samples} operations each")
    with database(os.environ["METRICS_DATABASE_URL"]) as url:
        made_s, written_s = asyncio.run(upserted(url, values, 0))
        total = asyncio.run(size_of(url))
        again_s = asyncio.run(upserted(url, values, count))[1]
        rows = [item.entry.values for item in gathered_of(values)]
        many_s = asyncio.run(by_executemany(url, rows))
        copy_s = asyncio.run(by_copy(url, rows))
        print("| how | windows a second |\n|---|---|")
        for how, seconds in (
            ("store: COPY and upsert, new windows", written_s),
            ("store: COPY and upsert, each replaces one", again_s),
            ("executemany and upsert", many_s),
            ("COPY alone, which cannot replace", copy_s),
            ("making rows of records", made_s),
        ):
            print(f"| {how} | {count / seconds:,.0f} |")
        a_day = total / count * 73 * 24 / 1e6
        print(
            f"\n{total / count:,.0f} bytes a window, {a_day:.1f} MB a series and day (1m, 5m, 1h)"
        )
    with database(os.environ["METRICS_DATABASE_URL"]) as url:
        seconds, cpu_s = backlog(url, made)
        print(
            f"backlog of an hour: {seconds:.1f} s ({count / seconds:,.0f} windows a second),"
            f" of the worker {cpu_s:.1f} s CPU ({1_000_000 * cpu_s / count:.0f} µs a window)"
        )
    if options.connect:
        with database(os.environ["METRICS_DATABASE_URL"]) as url:
            sunk = kafka_connect.sink(url, rows)
        if sunk is None:
            print("Kafka Connect is left out: Maven cannot get it")
        else:
            print(
                f"Kafka Connect's JDBC sink, upsert: {sunk.rows_per_s:,.0f} windows a second once"
                f" it runs, {sunk.seconds:.1f} s with its start, {sunk.cpu_s:.1f} s CPU"
                f" ({1_000_000 * sunk.cpu_s / count:.0f} µs a window)"
            )


if __name__ == "__main__":
    main()
