"""The roles of docs/storage.md: the writer stores, the reader reads, neither may more."""

import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from streams.history.aggregates import entries_of_aggregate
from tests.history_records import window
from tests.integration.test_migrations import connected
from tests.integration.test_store_traps import store

PAGE = Path(__file__).parents[2] / "docs" / "storage.md"


@pytest.fixture
async def roles(history: str) -> Any:
    """Make the roles under names of this database's; yield the address of each."""
    lines = re.findall(r"```sql\n(CREATE ROLE.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(lines) == 1
    database = history.rpartition("/")[2]
    names = {f"opwatch_{role}": f"{database}_{role}" for role in ("writer", "reader")}
    statements = lines[0]
    for named, ours in names.items():
        statements = statements.replace(named, ours)
    async with connected(history) as owner:
        await owner.execute(statements)
        yield {
            role: re.sub(r"//[^@]*@", f"//{database}_{role}@", history)
            for role in ("writer", "reader")
        }
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
