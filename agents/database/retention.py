"""Say how long each table of history is kept, and remove what is older."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from agents.database.connection import connect
from agents.runtime.database_settings import FOR_EVER, WINDOW_SIZES, retention_ms
from agents.runtime.settings import Settings

#: Rows removed in a transaction: others wait no longer than it takes.
_BATCH = 10_000
_LOCK_TIMEOUT = "2s"
_PARTITIONED = ("windows", "quality_windows")
#: The column of time of each table that is not partitioned.
_TIMES = {
    "performance_metrics": "measured_at",
    "quality_scores": "occurred_at",
    "labels": "at",
    "alerts": "opened_at",
    "notifications": "decided_at",
    "dead_letters": "refused_at",
}
_BY_SIZE = ("services", "calibrations")
_UNTIL = re.compile(r"TO \('([^']+)'\)")


class Partition(NamedTuple):
    """A partition of windows, and when its last window starts."""

    parent: str
    name: str
    until: datetime
    is_detached: bool
    """What began to remove it was interrupted."""


class Removed(NamedTuple):
    """What was removed, or would be."""

    name: str
    """Of the table, or of its partition."""
    what: str
    before: datetime | None
    """It was older; None where that is not known any more."""


async def prune(
    settings: Settings, now: datetime, progress: Callable[[str], None], *, dry_run: bool
) -> list[Removed]:
    """Remove what is older than it is kept, and return what that was; raises as connect does.

    Args:
        settings: where the database is, and how long rows are kept.
        now: the time.
        progress: takes what long work is doing.
        dry_run: remove nothing, return what would be removed.
    """
    retention, schema = retention_ms(settings.db_retention), settings.db_schema
    connection = await connect(settings, writes=not dry_run)
    try:
        await connection.execute("SET timezone = 'UTC'")
        removed = await _prune_partitions(
            connection,
            schema,
            await old_partitions(connection, schema, retention, now),
            progress,
            dry_run=dry_run,
        )
        for rows in old_rows(retention, now):
            if dry_run:
                count = await rows.number(connection, schema)
            else:
                count = await rows.delete(connection, schema, progress)
            if count:
                removed.append(Removed(rows.table, f"{count:,} rows", rows.before))
    finally:
        connection.terminate()
    return removed


async def _prune_partitions(
    connection: asyncpg.Connection,
    schema: str,
    old: list[Partition],
    progress: Callable[[str], None],
    *,
    dry_run: bool,
) -> list[Removed]:
    removed = []
    for name in await detached(connection, schema):
        if not dry_run:
            await connection.execute(f'DROP TABLE "{schema}"."{name}"')
        removed.append(Removed(name, "a partition that was detached", None))
    busy: set[str] = set()
    for number, partition in enumerate(old, 1):
        progress(f"{number} of {len(old)} partitions")
        what = "a partition"
        if partition.parent in busy:
            what = "not yet"
        elif not dry_run and not await drop(connection, schema, partition):
            busy.add(partition.parent)  # of a table one can be detached at a time
            what = "not yet: somebody reads it"
        removed.append(Removed(partition.name, what, partition.until))
    return removed


async def old_partitions(
    connection: asyncpg.Connection, schema: str, retention: Mapping[str, int], now: datetime
) -> list[Partition]:
    """Return the partitions of which all windows are older than they are kept."""
    query = """
        SELECT p.relname AS parent, c.relname AS name, i.inhdetachpending AS is_detached,
               pg_get_expr(c.relpartbound, c.oid) AS bounds
        FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
             JOIN pg_class c ON c.oid = i.inhrelid
        WHERE p.relnamespace = to_regnamespace($1) AND p.relname = ANY($2)
        ORDER BY i.inhdetachpending DESC, c.relname
    """
    sizes = {f"{parent}_{size}": size for parent in _PARTITIONED for size in WINDOW_SIZES}
    found = []
    for row in await connection.fetch(query, f'"{schema}"', list(sizes)):
        kept_ms = retention.get(sizes[row["parent"]], FOR_EVER)
        match = _UNTIL.search(row["bounds"] or "")
        if kept_ms == FOR_EVER or match is None:
            continue
        until = datetime.fromisoformat(match[1])
        if until <= now - timedelta(milliseconds=kept_ms):
            found.append(Partition(row["parent"], row["name"], until, row["is_detached"]))
    return found


async def drop(connection: asyncpg.Connection, schema: str, partition: Partition) -> bool:
    """Remove a partition, and return whether it could be; others go on reading and writing.

    While somebody reads it, it stays: the next time it goes.
    """
    await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
    how = "FINALIZE" if partition.is_detached else "CONCURRENTLY"
    place = f'"{schema}"."{partition.name}"'
    detach = f'ALTER TABLE "{schema}"."{partition.parent}" DETACH PARTITION {place} {how}'
    try:
        await connection.execute(detach)
        await connection.execute(f"DROP TABLE {place}")
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def detached(connection: asyncpg.Connection, schema: str) -> list[str]:
    """Return what was a partition when removing it was interrupted."""
    query = """
        SELECT relname FROM pg_class c
        WHERE relnamespace = to_regnamespace($1) AND relkind = 'r'
          AND relname ~ '^(quality_)?windows_(1m|5m|1h|6h|24h|7d)_[0-9]{8}$'
          AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
    """
    return [row["relname"] for row in await connection.fetch(query, f'"{schema}"')]


class OldRows(NamedTuple):
    """Rows of a table that are older than they are kept."""

    table: str
    condition: str
    before: datetime

    async def number(self, connection: asyncpg.Connection, schema: str) -> int:
        """Return how many there are."""
        query = f'SELECT count(*) FROM "{schema}".{self.table} WHERE {self.condition}'  # noqa: S608
        found: int = await connection.fetchval(query, self._moment, timeout=None)
        return found

    async def delete(
        self, connection: asyncpg.Connection, schema: str, progress: Callable[[str], None]
    ) -> int:
        """Remove them, some at a time; return how many there were."""
        place = f'"{schema}".{self.table}'
        statement = (
            f"DELETE FROM {place} WHERE ctid = ANY(ARRAY("  # noqa: S608 - our own names
            f"SELECT ctid FROM {place} WHERE {self.condition} LIMIT {_BATCH}))"
        )
        total = 0
        while number := int((await connection.execute(statement, self._moment)).split()[-1]):
            total += number
            progress(f"{total:,} rows of {self.table}")
        return total

    @property
    def _moment(self) -> datetime:
        if self.table == "performance_metrics":  # its column has no zone
            return self.before.replace(tzinfo=None)
        return self.before


def old_rows(retention: Mapping[str, int], now: datetime) -> list[OldRows]:
    """Return what is to be removed of tables without partitions."""
    found = []
    for table, column in _TIMES.items():
        if (kept_ms := retention.get(table, FOR_EVER)) != FOR_EVER:
            before = now - timedelta(milliseconds=kept_ms)
            found.append(OldRows(table, f"{column} < $1", before))
    for table in _BY_SIZE:
        for size in WINDOW_SIZES:
            if (kept_ms := retention.get(size, FOR_EVER)) != FOR_EVER:
                before = now - timedelta(milliseconds=kept_ms)
                found.append(OldRows(table, f"size = '{size}' AND start_at < $1", before))
    return found
