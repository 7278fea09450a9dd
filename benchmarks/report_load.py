"""Time `opwatch report` over 30 days of 1-minute windows of 100 series, and say what they take.

    python -m benchmarks.report_load --days 30 --series 100

It makes a database of its own on the server of METRICS_DATABASE_URL, and removes it.
"""

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np

from agents.database import migrate
from agents.report.catalogue import REPORTS, Options
from agents.report.history import open_history, whole_minutes
from agents.runtime.settings import Settings
from streams.measure.centroids import PARTIAL_LIMIT, PUBLISHED_LIMIT, STORED_LIMIT
from streams.measure.digests import ENGINES, merge, pack_samples, thinned
from streams.measure.window_times import SIZE_MS, SIZES, window_start

#: Operations of a series in a minute, and different digests of each window size.
_A_MINUTE, _POOL = 60, 50
_RUNS = 5
_FILL = """
INSERT INTO opwatch.windows (series, size, start_at, end_at, operation, platform, revision, final,
  missing, count, successes, failures, success_rate, duration_sum_ms, mean_ms, min_ms, max_ms,
  std_dev_ms, p50_ms, p90_ms, p95_ms, p99_ms, cache_lookups, cache_hits, cache_misses,
  cache_evictions, cache_ttl_count, confidence_count, failures_by_type, exemplars, digest)
SELECT CASE n WHEN 0 THEN '*' ELSE format('*{platform="p%s"}', n) END, $1, at,
  at + $4::interval, '*', CASE n WHEN 0 THEN NULL ELSE 'p' || n END, c, true, 0, c, c * 95 / 100,
  c - c * 95 / 100, 0.95, 80 * c, 80, 1, 900, 60, 70, 150, 210, 400, c, c / 2, c - c / 2, 0, 0, 0,
  '{"most_frequent": [{"name": "timeout", "count": 3}], "other": 0, "unnamed": 0}', '[]',
  ($5::bytea[])[1 + floor(random() * array_length($5::bytea[], 1))::int]
FROM generate_series($2::timestamptz, $3::timestamptz - $4::interval, $4::interval) AS at,
  generate_series(0, $6::int - 1) AS n, (SELECT $7::bigint AS c) AS counted
"""


def main() -> None:
    """Fill, measure, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--keep", metavar="NAME", help="fill this database once, and let it stay")
    arguments = parser.parse_args()
    server = os.environ["METRICS_DATABASE_URL"]
    name = arguments.keep or f"bench_{os.getpid()}"
    url = server.rpartition("/")[0] + "/" + name
    try:
        if not asyncio.run(_exists(server, name)):
            asyncio.run(_execute(server, f"CREATE DATABASE {name}"))
            end = datetime.now(UTC).replace(second=0, microsecond=0)
            begin = end - timedelta(days=2 * arguments.days)
            asyncio.run(_fill(url, begin, end, arguments.series))
        _measure(url, arguments.days)
    finally:
        if not arguments.keep:
            asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _fill(url: str, begin: datetime, end: datetime, series: int) -> None:
    await migrate.upgrade(Settings(_env_file=None, metrics_database_url=url))
    connection = await asyncpg.connect(url)
    for size in SIZES:
        step = timedelta(milliseconds=SIZE_MS[size])
        # The span before needs minutes only where it begins and ends: they are half of the rows.
        since = end - (end - begin) / 2 - timedelta(hours=1) if size in ("1m", "5m") else begin
        starts = [
            datetime.fromtimestamp(window_start(size, _ms(at)) / 1000, tz=UTC)
            for at in (since, end)
        ]
        at = starts[0]
        while at < starts[1]:
            await connection.execute("SELECT opwatch.make_partition('windows', $1, $2)", size, at)
            at += min(step * 1440, timedelta(days=5)) if size != "1m" else timedelta(hours=12)
        begun = time.monotonic()
        count = _A_MINUTE * SIZE_MS[size] // 60_000
        digests = _digests(count)
        done = await connection.execute(
            _FILL, size, *starts, step, digests, series, count, timeout=None
        )
        rows = int(done.split()[-1])
        print(f"{size}: {rows:,} windows in {time.monotonic() - begun:.0f} s", flush=True)
    await connection.execute("VACUUM ANALYZE opwatch.windows", timeout=None)
    size = await connection.fetchval(
        "SELECT sum(pg_total_relation_size(relid))::bigint"
        " FROM pg_partition_tree('opwatch.windows') WHERE isleaf"
    )
    print(f"windows: {size / 1e9:.2f} GB", flush=True)
    await connection.close()


def _digests(count: int) -> list[bytes]:
    """Return digests of windows with this many operations: lognormal, median 70 ms."""
    random, engine = np.random.default_rng(1), ENGINES["fastdigest"]
    found = []
    for _ in range(_POOL):
        samples = random.lognormal(np.log(70), 0.6, min(count, 50_000)).astype(np.float32)
        parts = [
            pack_samples(samples[at : at + 5_000], PARTIAL_LIMIT)
            for at in range(0, len(samples), 5_000)
        ]
        found.append(thinned(merge(parts, engine, STORED_LIMIT), PUBLISHED_LIMIT))
    return found


async def _time_reports(url: str, days: int) -> None:
    """Time what the database and the merging take, without a process that has to import."""
    chosen = Settings(_env_file=None, metrics_database_url=url)
    for name in ("platforms", "worst", "failures"):
        took_s, rows = [], 0
        for _ in range(_RUNS):
            begun, now_ms = time.monotonic(), int(time.time() * 1000)
            span = whole_minutes(now_ms - days * 86_400_000, now_ms)
            async with open_history(chosen) as history:
                options = Options(span, "*", None, 100, 3, None, False)
                rows = len((await REPORTS[name](history, options)).rows)
            took_s.append(time.monotonic() - begun)
        print(
            f"{name} over {days} days, connecting included: median {statistics.median(took_s):.2f}"
            f" s of {_RUNS}, {min(took_s):.2f} to {max(took_s):.2f}; {rows} rows",
            flush=True,
        )


def _measure(url: str, days: int) -> None:
    asyncio.run(_time_reports(url, days))
    environment = os.environ | {"METRICS_DATABASE_URL": url}
    for name in ("platforms", "worst", "failures", "slo"):
        command = [sys.executable, "-m", "agents.cli", "report", name, "--from", f"{days}d"]
        command += ["--format", "json"]
        took_s = []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(_RUNS):
            begun = time.monotonic()
            done = subprocess.run(command, env=environment, capture_output=True, check=False)
            took_s.append(time.monotonic() - begun)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / _RUNS
        lines = len(done.stdout.splitlines())
        print(
            f"opwatch report {name} --from {days}d: median {statistics.median(took_s):.2f} s of"
            f" {_RUNS}, {min(took_s):.2f} to {max(took_s):.2f}, the process included,"
            f" {cpu_s:.2f} s of CPU without the server's; {lines} rows",
            flush=True,
        )


async def _exists(url: str, name: str) -> bool:
    connection = await asyncpg.connect(url)
    found = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
    await connection.close()
    return found is not None


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement, timeout=None)
    await connection.close()


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


if __name__ == "__main__":
    main()
