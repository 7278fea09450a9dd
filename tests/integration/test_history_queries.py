"""What SQL says of the history equals what was measured: counts exactly, percentiles nearly."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import asyncpg
import numpy as np
import pytest

from streams.measure.digests import pack, unpack
from tests.integration.conftest import Measured

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
SIZES_S = {"1m": 60, "5m": 300, "1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800}


@pytest.fixture
async def connection(measured: Measured) -> AsyncIterator[asyncpg.Connection]:
    # Another zone than UTC, and no schema in the search path, as dashboards may have it.
    found = await asyncpg.connect(
        measured.url, server_settings={"timezone": "America/New_York", "search_path": "public"}
    )
    yield found
    await found.close()


def spans(number: int, seed: int) -> list[tuple[datetime, datetime]]:
    chance = random.Random(seed)
    found = []
    for _ in range(number):
        start = MONDAY + timedelta(seconds=chance.randrange(10 * 86_400))
        longest = chance.choice([90, 4_000, 90_000, 700_000])
        found.append((start, start + timedelta(seconds=chance.randrange(longest))))
    return found


async def test_the_windows_of_a_span_cover_its_whole_minutes_once(connection: asyncpg.Connection):
    for start, end in spans(150, seed=1):
        parts = await connection.fetch("SELECT * FROM opwatch.window_ranges($1, $2)", start, end)
        ranges = sorted((row["range_start"], row["range_end"], row["size"]) for row in parts)
        first = -(-start.timestamp() // 60) * 60
        last = end.timestamp() // 60 * 60
        if first >= last:
            assert ranges == []
            continue
        assert (ranges[0][0].timestamp(), ranges[-1][1].timestamp()) == (first, last)
        assert all(a[1] == b[0] for a, b in pairwise(ranges))
        for begins, ends, size in ranges:
            shift = MONDAY.timestamp() if size == "7d" else 0
            assert (begins.timestamp() - shift) % SIZES_S[size] == 0
            assert (ends.timestamp() - shift) % SIZES_S[size] == 0


async def test_each_operation_is_counted_once_in_any_span(
    connection: asyncpg.Connection, measured: Measured
):
    for start, end in spans(60, seed=2):
        rows = await connection.fetch("SELECT * FROM opwatch.figures($1, $2)", start, end)
        found = {row["series"]: row for row in rows}
        for name, truth in measured.during(start, end).items():
            if not len(truth.time_ms):
                assert name not in found
                continue
            row = found[name]
            assert row["count"] == len(truth.time_ms)
            assert row["failures"] == truth.failed.sum()
            assert row["success_rate"] == pytest.approx(100 * (1 - truth.failed.mean()))
            assert row["hit_rate"] == pytest.approx(100 * truth.hit.mean())
            assert row["mean_ms"] == pytest.approx(truth.duration_ms.mean(dtype=float), rel=1e-5)


async def test_success_rate_of_24h_in_plain_sql_is_that_of_the_operations(
    connection: asyncpg.Connection, measured: Measured
):
    day = MONDAY + timedelta(days=2)
    truth = measured.during(day, day + timedelta(days=1))['*{platform="lever"}']
    right = 100 * (1 - truth.failed.mean())
    of_the_day = await connection.fetchval(
        "SELECT 100 * success_rate FROM opwatch.windows"
        " WHERE size = '24h' AND operation = '*' AND platform = 'lever' AND start_at = $1",
        day,
    )
    assert of_the_day == pytest.approx(right, abs=1e-9)
    as_specified = await connection.fetchval(
        "SELECT metric_value FROM opwatch.performance_metrics WHERE metric_type = 'success_rate'"
        " AND platform = 'lever' AND measurement_window = '24h' AND measured_at = $1"
        " AND additional_data ->> 'operation' = '*'",
        (day + timedelta(days=1)).replace(tzinfo=None),
    )
    assert float(as_specified) == pytest.approx(right, abs=0.00005)  # DECIMAL(10,4)
    for size in ("1m", "5m", "1h", "6h"):
        of_parts = await connection.fetchval(
            "SELECT 100 * sum(successes) / sum(count) FROM opwatch.windows WHERE size = $1"
            " AND operation = '*' AND platform = 'lever'"
            " AND start_at >= $2 AND start_at < $2 + interval '24 hours'",
            *(size, day),
        )
        assert float(of_parts) == pytest.approx(right, abs=1e-9)


async def test_percentiles_of_any_span_are_within_half_a_per_cent(
    connection: asyncpg.Connection, measured: Measured
):
    for start, end in spans(25, seed=3):
        rows = await connection.fetch(
            "SELECT * FROM opwatch.percentiles('{50,95}', $1, $2, '*')", start, end
        )
        found = {(row["series"], row["percentile"]): row["duration_ms"] for row in rows}
        for name, truth in measured.during(start, end).items():
            if name.startswith("*") and len(truth.time_ms):
                exact = np.quantile(truth.duration_ms.astype(float), (0.5, 0.95))
                got = [found[name, percentile] for percentile in (50, 95)]
                assert got == pytest.approx(exact, rel=0.005)


@pytest.mark.parametrize("heaviest", [1, 60_000, 70_000, 2**33])
async def test_sql_reads_the_centroids_that_were_packed(
    connection: asyncpg.Connection, heaviest: int
):
    means = np.array([0, 1e-40, 0.001, 1.5, 80.25, 12_345.678, 9.9e9], np.float32)
    weights = np.array([1, 1, 1, min(heaviest, 7), heaviest, 1, min(heaviest, 300)], float)
    packed = pack(means, weights)
    rows = await connection.fetch("SELECT * FROM opwatch.digest_centroids($1)", packed)
    expected_means, expected_weights = unpack(packed)
    assert [row["duration_ms"] for row in rows] == expected_means.astype(float).tolist()
    counts = np.ones(len(means)) if expected_weights is None else expected_weights
    assert [row["operations"] for row in rows] == counts.tolist()


async def test_platforms_stand_beside_the_span_before(
    connection: asyncpg.Connection, measured: Measured
):
    start, end = MONDAY + timedelta(days=3, hours=5), MONDAY + timedelta(days=5, minutes=7)
    rows = await connection.fetch("SELECT * FROM opwatch.by_platform($1, $2)", start, end)
    now = measured.during(start, end)
    before = measured.during(start - (end - start), start)
    assert [row["platform"] for row in rows] == [None, "ashby", "lever"]
    for row in rows:
        name = "*" if row["platform"] is None else f'*{{platform="{row["platform"]}"}}'
        assert row["count"] == len(now[name].time_ms)
        assert row["count_before"] == len(before[name].time_ms)
        exact = np.quantile(before[name].duration_ms.astype(float), 0.95)
        assert row["p95_ms_before"] == pytest.approx(exact, rel=0.005)
    worst = await connection.fetch("SELECT * FROM opwatch.worst_platforms($1, $2)", start, end)
    assert [row["platform"] for row in worst] == ["ashby", "lever"]


async def test_failures_of_a_span_are_counted_by_type(
    connection: asyncpg.Connection, measured: Measured
):
    start, end = MONDAY + timedelta(hours=7), MONDAY + timedelta(days=6, minutes=31)
    rows = await connection.fetch(
        "SELECT * FROM opwatch.failures_by_type($1, $2, '*', 'ashby')", start, end
    )
    truth = measured.during(start, end)['*{platform="ashby"}']
    exact = Counter(kind for kind in truth.error_types if kind is not None)
    assert {row["error_type"]: row["failures"] for row in rows} == exact
    assert sum(row["share"] for row in rows) == pytest.approx(100)


async def test_error_budget_left_equals_one_computed_by_hand(history: str):
    connection = await asyncpg.connect(history)
    # 20,000 operations at 99.9 %: 20 may fail. In November 5 did, 15 are left: 75 % of the budget.
    await put_day(connection, datetime(2026, 11, 10, tzinfo=UTC), count=20_000, failures=5)
    # 10,000 in December: 10 may fail, 25 did. Overspent by 15: -150 % is left.
    await put_day(connection, datetime(2026, 12, 10, tzinfo=UTC), count=10_000, failures=25)
    query = "SELECT * FROM opwatch.error_budget(99.9, $1, $2)"
    november, december, january = (
        datetime(*month, 1, tzinfo=UTC) for month in ((2026, 11), (2026, 12), (2027, 1))
    )
    row = await connection.fetchrow(query, november, december)
    assert (row["operations"], row["bad"], row["is_met"]) == (20_000, 5, True)
    assert row["budget"] == pytest.approx(20)
    assert row["budget_left"] == pytest.approx(75)
    assert row["burn_rate"] == pytest.approx(0.25)
    assert row["compliance"] == pytest.approx(99.975)
    row = await connection.fetchrow(query, december, january)
    assert row["budget_left"] == pytest.approx(-150)
    assert row["is_met"] is False
    # Together: 30 of 30,000 may fail, and 30 did. Nothing is left, and it is met.
    row = await connection.fetchrow(query, november, january)
    assert (row["bad"], row["is_met"]) == (30, True)
    assert row["budget_left"] == pytest.approx(0, abs=1e-9)
    # 40 % took 100 ms, which is not below 100 ms: at 50 % half may be, so a fifth is left.
    row = await connection.fetchrow(
        "SELECT * FROM opwatch.error_budget(50, $1, $2, below_ms => 100)", november, december
    )
    assert (row["bad"], row["budget"]) == (8_000, 10_000)
    assert row["budget_left"] == pytest.approx(20)
    await connection.close()


async def put_day(
    connection: asyncpg.Connection, day: datetime, *, count: int, failures: int
) -> None:
    """Store a day of all operations, and its week: 60 % took 50 ms, the others 100 ms."""
    digest = pack(np.array([50, 100]), np.array([0.6 * count, 0.4 * count]))
    week = day - timedelta(days=day.weekday())
    for size, start, length in (("24h", day, 1), ("7d", week, 7)):
        await connection.execute("SELECT opwatch.make_partition('windows', $1, $2)", size, start)
        await connection.execute(
            "INSERT INTO opwatch.windows (series, size, start_at, end_at, operation, revision,"
            " final, missing, count, successes, failures, duration_sum_ms, mean_ms, min_ms, max_ms,"
            " std_dev_ms, p50_ms, p90_ms, p95_ms, p99_ms, cache_lookups, cache_hits, cache_misses,"
            " cache_evictions, cache_ttl_count, confidence_count, exemplars, digest)"
            " VALUES ('*', $5, $1, $6, '*', $2::bigint, true, 0, $2, $2 - $3::bigint, $3,"
            " 70 * $2, 70, 50, 100, 24.5, 50, 100, 100, 100, 0, 0, 0, 0, 0, 0, '[]', $4)",
            *(start, count, failures, digest, size, start + timedelta(days=length)),
        )


async def test_where_the_last_window_is_not_final_smaller_ones_are_read(history: str):
    connection = await asyncpg.connect(history)
    day = datetime(2026, 11, 10, tzinfo=UTC)
    await put_day(connection, day, count=100, failures=0)
    await put_day(connection, day + timedelta(days=7), count=100, failures=0)
    await connection.execute("UPDATE opwatch.windows SET final = false WHERE start_at > $1", day)
    parts = await connection.fetch(
        "SELECT * FROM opwatch.window_ranges($1::timestamptz, $1 + interval '8 days')", day
    )
    ends = {row["size"]: row["range_end"] for row in parts}
    assert ends["24h"] < day + timedelta(days=7)
    assert max(ends.values()) == day + timedelta(days=8)
    await connection.close()
