"""The tables of history: as specified, taken over, up and down on data, and out of others' way."""

import asyncio
import contextlib
import random
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from faust.types import TP

from agents.database import migrate
from agents.store.batch import Batch, Source
from agents.store.reader import ENTRIES_OF_VALUE
from agents.store.session import Logs, Session
from tests.databases import settings_of
from tests.drawn_records import Records
from tests.history import some_operations, windows_of
from tests.history_records import START_MS

SPECIFIED = """
CREATE TABLE performance_metrics (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  metric_type VARCHAR(50) NOT NULL,
  platform VARCHAR(50),
  metric_value DECIMAL(10,4) NOT NULL,
  measurement_window VARCHAR(20) NOT NULL,
  measured_at TIMESTAMP DEFAULT NOW(),
  additional_data JSONB
);
CREATE INDEX idx_performance_metrics_type_platform_time
  ON performance_metrics(metric_type, platform, measured_at DESC);
"""
COLUMNS = """
SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale,
  is_nullable, column_default
FROM information_schema.columns WHERE table_schema = $1 AND table_name = 'performance_metrics'
ORDER BY ordinal_position
"""
INDEXES = """
SELECT replace(indexdef, schemaname || '.', '') FROM pg_indexes
WHERE schemaname = $1 AND tablename = 'performance_metrics' ORDER BY 1
"""
ROW = """
INSERT INTO {}.performance_metrics (metric_type, metric_value, measurement_window)
VALUES ('success_rate', 99.5, '1h')
"""


async def test_migrations_make_performance_metrics_as_specified(empty_database: str):
    await migrate.upgrade(settings_of(empty_database))
    async with connected(empty_database) as connection:
        await connection.execute(SPECIFIED)
        for query in (COLUMNS, INDEXES):
            by_hand = await connection.fetch(query, "public")
            assert by_hand
            assert await connection.fetch(query, "opwatch") == by_hand


async def test_a_table_made_by_hand_is_taken_over_with_its_rows(empty_database: str):
    chosen = settings_of(empty_database, db_schema="public")
    async with connected(empty_database) as connection:
        await connection.execute(SPECIFIED)
        await connection.execute(ROW.format("public"))
        before = await connection.fetch("TABLE public.performance_metrics")
        await migrate.upgrade(chosen)
        assert await connection.fetch("TABLE public.performance_metrics") == before
        await migrate.downgrade(chosen, "base")
        assert await connection.fetch("TABLE public.performance_metrics") == before
        assert await connection.fetchval("SELECT to_regclass('public.windows')") is None


async def test_each_step_goes_up_and_down_on_data(empty_database: str):
    chosen = settings_of(empty_database)
    await migrate.upgrade(chosen)
    async with connected(empty_database) as connection:
        await connection.execute(ROW.format("opwatch"))
        await connection.execute("SELECT opwatch.make_partition('windows', '1m', now())")
        await migrate.downgrade(chosen, "0001")
        assert await migrate.version(chosen) == "0001"
        await migrate.upgrade(chosen)
        assert await connection.fetchval("SELECT count(*) FROM opwatch.performance_metrics") == 1
        await migrate.upgrade(chosen)
        assert await migrate.version(chosen) == migrate.newest()
        await migrate.downgrade(chosen, "base")
        assert await migrate.version(chosen) is None
        assert await connection.fetchval("SELECT to_regclass('opwatch.windows')") is None
        await migrate.upgrade(chosen)
        assert await migrate.version(chosen) == migrate.newest()


async def test_views_go_and_come_back_and_say_the_same_of_the_same_rows(history: str):
    chosen = settings_of(history)
    await fill(history)
    async with connected(history) as connection:

        async def read(names: Iterable[str]) -> dict[str, list[asyncpg.Record]]:
            return {
                name: sorted(await connection.fetch(f"SELECT * FROM opwatch.{name}"), key=repr)
                for name in names
            }

        said, rows = await read(VIEWS), await read(TABLES)
        assert [name for name, answer in said.items() if not answer] == []
        assert [name for name, stored in rows.items() if not stored] == []
        await migrate.downgrade(chosen, "0002")
        assert await read(TABLES) == rows
        for name in VIEWS:
            with pytest.raises((asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError)):
                await read([name])
        await migrate.upgrade(chosen)
        assert await read(TABLES) == rows
        assert await read(VIEWS) == said


SPAN = "'2026-03-02', '2026-03-03'"
VIEWS = (
    f"windows_in({SPAN})",
    f"figures({SPAN})",
    f"percentiles('{{50,99}}', {SPAN})",
    f"by_platform({SPAN})",
    f"worst_platforms({SPAN}, 1)",
    f"failures_by_type({SPAN})",
    f"error_budget(95, {SPAN}, below_ms => 200)",
    "quality_windows_in('2026-03-02 00:00', '2026-03-02 02:00')",
    "alert_history",
    "alerts_nobody_acted_on",
    "pages_by_week",
    "quality_trend",
    "calibration_trend",
)
TABLES = (
    *("windows", "quality_windows", "services", "calibrations", "performance_metrics"),
    *("quality_scores", "labels", "alerts", "acknowledgements", "notifications"),
    "consumed_offsets",
)


async def fill(url: str) -> None:
    """Write records of every kind, but dead letters, as the role does."""
    start_ms, draw = START_MS, Records(random.Random(1))
    operations = some_operations("parse", "lever", (start_ms, start_ms + 86_400_000), 500)
    drawn = [draw.next() for _ in range(300)]
    records = [("aggregates", value) for value in windows_of([operations])]
    records += [(it.topic, it.value) for it in drawn]
    batch, tp = Batch(), TP("t.any", 0)
    for offset, (topic, value) in enumerate(records):
        source = Source(tp, SimpleNamespace(offset=offset, value=value))
        batch.add(source, ENTRIES_OF_VALUE[topic](value))
    batch.reach(tp, len(records))
    session = Session(settings_of(url))
    await session.write(batch.gathered(), batch.offsets, Logs({}, {}))
    session.drop()


async def test_two_who_migrate_at_once_make_one_set_of_tables(empty_database: str):
    chosen = settings_of(empty_database)
    await asyncio.gather(migrate.upgrade(chosen), migrate.upgrade(chosen))
    assert await migrate.version(chosen) == migrate.newest()


async def test_a_migration_that_waits_for_a_lock_holds_up_nobody(
    history: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_S", 1)
    chosen = settings_of(history)
    async with connected(history) as reading, connected(history) as other:
        report = reading.transaction()
        await report.start()
        await reading.fetch("SELECT * FROM opwatch.alerts")
        waits = asyncio.Event()
        down = asyncio.create_task(migrate.downgrade(chosen, "base", lambda _: waits.set()))
        await waits.wait()
        assert await other.fetchval("SELECT count(*) FROM opwatch.alerts", timeout=5) == 0
        await report.rollback()
        await down
    assert await migrate.version(chosen) is None


async def test_partitions_are_made_once_and_hold_what_belongs_there(history: str):
    make = "SELECT opwatch.make_partition($1, $2, '2026-11-26 23:59+00')"
    async with connected(history) as one, connected(history) as two:
        first, second = one.transaction(), asyncio.create_task(two.fetchval(make, "windows", "1m"))
        await first.start()
        named = await one.fetchval(make, "windows", "1m")
        await first.commit()
        assert await second == named == "windows_1m_20261126"
        bounds = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = $1"
        assert await one.fetchval(bounds, named) == (
            "FOR VALUES FROM ('2026-11-26 00:00:00+00') TO ('2026-11-27 00:00:00+00')"
        )
        names = [await one.fetchval(make, "windows", size) for size in SIZES]
        assert names == [
            "windows_5m_20261123",
            "windows_1h_20261101",
            "windows_6h_20260101",
            "windows_24h_20200101",
            "windows_7d_20200101",
        ]
        with pytest.raises(asyncpg.RaiseError):
            await one.fetchval(make, "alerts", "1m")


SIZES = ("5m", "1h", "6h", "24h", "7d")


@contextlib.asynccontextmanager
async def connected(url: str) -> Any:
    session = {"timezone": "UTC", "search_path": "public"}
    connection = await asyncpg.connect(url, server_settings=session)
    try:
        yield connection
    finally:
        await connection.close()
