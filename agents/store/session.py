"""Write entries in a transaction of one connection, with deadlines on all that leaves the process.

A connection that failed is never used again: whether it is dead cannot be known.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg
from faust.types import TP

from agents.database.connection import NoDatabase, connect
from agents.runtime import failpoints
from agents.runtime.settings import Settings
from agents.store import statements
from agents.store.batch import Gathered, by_table
from streams.history.tables import Entry

#: The tables of this version, or a later one, can be written.
NEEDED_VERSION = "0002"
#: More than the server's own deadline, which leaves a connection that can be used.
_MARGIN_S = 5.0
_SIZES = ("1m", "5m", "1h", "6h", "24h", "7d")
_AHEAD = timedelta(days=1)


class Logs(NamedTuple):
    """What is known of the topics that are read."""

    topic_ids: Mapping[str, str]
    """By full name; a topic that was made again has another one."""
    ends: Mapping[TP, int]
    """Where each partition ends."""


class Session:
    """A connection to the database, made when it is needed."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet."""
        self._settings = settings
        self._schema = settings.db_schema
        self._timeout_s = settings.db_timeout_s
        self._connection: asyncpg.Connection | None = None
        self._partitions: set[tuple[str, str, datetime]] = set()

    async def write(
        self, gathered: Sequence[Gathered], offsets: Mapping[TP, int], logs: Logs
    ) -> int:
        """Write entries and offsets in one transaction; return how many entries were stored before.

        Entries of records that the database has already, as its own offsets say, are left out:
        this worker's commit was lost, or another worker has the partition by now.

        Args:
            gathered: the entries.
            offsets: up to where the database has everything of each partition then.
            logs: what is read.

        Raises:
            Exception: nothing was written; agents/store/failures.py says what follows.
        """
        connection = await self._connected()
        async with asyncio.timeout(2 * self._timeout_s + _MARGIN_S):
            await self._make_partitions(connection, [item.entry for item in gathered])
        async with asyncio.timeout(self._timeout_s + _MARGIN_S):
            await connection.execute(self._begin())
            stored_to = await self._lock(connection, gathered, offsets, logs)
            new = [
                item for item in gathered if item.source.record.offset >= stored_to[item.source.tp]
            ]
            for table, entries in by_table(new):
                await connection.execute(statements.stage(self._schema, table))
                await connection.copy_records_to_table(
                    statements.staging(table),
                    columns=list(table.columns),
                    records=[item.entry.values for item in entries],
                )
                await connection.execute(statements.merge(self._schema, table))
            if offsets:
                await self._write_offsets(connection, offsets, stored_to, logs)
            failpoints.reached("store_before_transaction_ends")
            await connection.execute("COMMIT")
        failpoints.reached("store_after_transaction")
        return len(gathered) - len(new)

    async def make_partitions_ahead(self) -> None:
        """Make the partitions of tomorrow's windows; raises as write does."""
        connection = await self._connected()
        tomorrow = datetime.now(UTC) + _AHEAD
        async with asyncio.timeout(2 * self._timeout_s + _MARGIN_S):
            for table in ("windows", "quality_windows"):
                for size in _SIZES:
                    await self._make_partition(connection, table, size, tomorrow)

    def forget_partitions(self) -> None:
        """Ask again which partitions there are: one was removed."""
        self._partitions.clear()

    async def roll_back(self) -> None:
        """End a transaction that failed; the connection stays."""
        if self._connection is None:
            return
        try:
            async with asyncio.timeout(_MARGIN_S):
                await self._connection.execute("ROLLBACK")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            self.drop()

    def drop(self) -> None:
        """Drop the connection without waiting for anything."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connected(self) -> asyncpg.Connection:
        """Return the connection.

        Raises:
            NoDatabase: its tables are missing, or of an earlier version.
        """
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        connection = await connect(self._settings)
        with contextlib.ExitStack() as unless_usable:
            unless_usable.callback(connection.terminate)
            await self._check_version(connection)
            unless_usable.pop_all()
        self._connection = connection
        return connection

    async def _check_version(self, connection: asyncpg.Connection) -> None:
        found: str | None = None
        with contextlib.suppress(asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            found = await connection.fetchval(statements.VERSION.format(schema=self._schema))
        if found is None or found < NEEDED_VERSION:
            have = "has no tables of opwatch" if found is None else f"has version {found}"
            raise NoDatabase(
                f"schema {self._schema} {have}: `opwatch db upgrade` makes them, with a user that"
                " may"
            )

    async def _make_partitions(
        self, connection: asyncpg.Connection, entries: Sequence[Entry]
    ) -> None:
        starts = {
            (entry.table.name, entry.values[1], entry.values[2])
            for entry in entries
            if entry.table.partitioned
        }
        needed = {(table, size, at.replace(hour=0, minute=0)) for table, size, at in starts}
        for table, size, day in sorted(needed - self._partitions):
            await self._make_partition(connection, table, size, day)
            self._partitions.add((table, size, day))

    async def _make_partition(
        self, connection: asyncpg.Connection, table: str, size: str, at: datetime
    ) -> None:
        await connection.execute(self._begin())
        make = statements.MAKE_PARTITION.format(schema=self._schema)
        await connection.fetchval(make, table, size, at)
        await connection.execute("COMMIT")

    def _begin(self) -> str:
        timeout_ms = int(self._timeout_s * 1000)
        # Shorter: the error then is about the lock.
        return statements.BEGIN.format(timeout_ms=timeout_ms, lock_timeout_ms=timeout_ms * 9 // 10)

    async def _lock(
        self,
        connection: asyncpg.Connection,
        gathered: Sequence[Gathered],
        offsets: Mapping[TP, int],
        logs: Logs,
    ) -> dict[TP, int]:
        """Lock the partitions' offsets; return up to where the database has each partition."""
        tps = sorted({*offsets, *(item.source.tp for item in gathered)})
        found = await connection.fetch(
            statements.LOCK_OFFSETS.format(schema=self._schema),
            [tp.topic for tp in tps],
            [tp.partition for tp in tps],
            [logs.topic_ids.get(tp.topic, "") for tp in tps],
            [0] * len(tps),
        )
        stored_to = dict.fromkeys(tps, 0)
        for topic, partition, topic_id, next_offset in found:
            tp = TP(topic, partition)
            is_same = topic_id and topic_id == logs.topic_ids.get(topic)
            # Beyond its end it is not the log that was read: Kafka cut it.
            if is_same and next_offset <= logs.ends.get(tp, next_offset):
                stored_to[tp] = next_offset
        return stored_to

    async def _write_offsets(
        self,
        connection: asyncpg.Connection,
        offsets: Mapping[TP, int],
        stored_to: Mapping[TP, int],
        logs: Logs,
    ) -> None:
        tps = sorted(offsets)
        await connection.execute(
            statements.WRITE_OFFSETS.format(schema=self._schema),
            [tp.topic for tp in tps],
            [tp.partition for tp in tps],
            [logs.topic_ids.get(tp.topic, "") for tp in tps],
            [max(offsets[tp], stored_to[tp]) for tp in tps],
        )
