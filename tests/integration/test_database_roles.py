"""The roles of docs/storage.md: each may do what it is for, and nothing more."""

import re
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from agents.dashboard.stored_windows import StoredWindows
from agents.dashboard.world import World
from streams.history.aggregates import entries_of_aggregate
from tests.databases import settings_of
from tests.history_records import window
from tests.integration.test_migrations import connected
from tests.integration.test_store_traps import store

ROLES = "writer", "reader", "dashboard"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'opwatch'"
READ = {"windows", "quality_windows", "services"}
PAGE = Path(__file__).parents[2] / "docs" / "storage.md"


@pytest.fixture
async def roles(history: str) -> Any:
    """Make the roles under names of this database's; yield the address of each."""
    lines = re.findall(r"```sql\n(CREATE ROLE.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(lines) == 1
    database = history.rpartition("/")[2]
    names = {f"opwatch_{role}": f"{database}_{role}" for role in ROLES}
    statements = lines[0]
    for named, ours in names.items():
        statements = statements.replace(named, ours)
    async with connected(history) as owner:
        await owner.execute(statements)
        yield {role: re.sub(r"//[^@]*@", f"//{database}_{role}@", history) for role in ROLES}
        for ours in names.values():
            await owner.execute(f"DROP OWNED BY {ours}; DROP ROLE {ours}")


async def test_the_writer_stores_and_may_not_remove(roles: dict[str, str]):
    await store(roles["writer"], *(entries_of_aggregate(window(f"op{n}")[1]) for n in range(3)))
    async with connected(roles["writer"]) as connection:
        for statement in (
            "DELETE FROM opwatch.windows",
            "TRUNCATE opwatch.performance_metrics",
            "DROP TABLE opwatch.alerts",
            "CREATE TABLE opwatch.mine ()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_the_reader_reads_and_may_not_write(roles: dict[str, str]):
    await store(roles["writer"], entries_of_aggregate(window()[1]))
    async with connected(roles["reader"]) as connection:
        assert await connection.fetchval("SELECT count(*) FROM opwatch.windows") == 1
        assert await connection.fetchval("SELECT count(*) FROM opwatch.performance_metrics") == 11
        for statement in (
            "UPDATE opwatch.windows SET count = 0",
            "INSERT INTO opwatch.consumed_offsets VALUES ('t', 0, '', 0)",
            "SELECT opwatch.make_partition('windows', '1m', now())",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_the_dashboard_reads_what_it_shows_and_nothing_else(roles: dict[str, str]):
    start_ms = int(time.time()) // 3600 * 3_600_000
    await store(roles["writer"], entries_of_aggregate(window(start_ms=start_ms)[1]))
    settings = settings_of(roles["dashboard"])
    world = World(settings)
    await StoredWindows(settings, world)._read()
    assert len(world.books.operations) == 1
    async with connected(roles["dashboard"]) as connection:
        tables = {it["tablename"] for it in await connection.fetch(TABLES)}
        assert tables > READ
        for table in tables:
            refused = ["DELETE FROM opwatch.{}", "SELECT FROM opwatch.{} FOR UPDATE"]
            refused += [] if table in READ else ["SELECT FROM opwatch.{}"]
            for statement in refused:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement.format(table))
