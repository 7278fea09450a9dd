"""Follow an assignment: forget what is lost, restore the tables, then let reading begin."""

import asyncio
from collections.abc import Callable, Collection

import faust
from faust.types import TP

from agents.kafka.changelog_recovery import ChangelogRecovery
from agents.kafka.fetch_unpacking import Chunk
from agents.kafka.offset_gaps import ChunkSequence
from agents.kafka.skipped_records import SkippedRecords
from agents.kafka.table import VersionedTable

#: The interval of checks whether reading may begin.
_LOOK_S = 0.01

Lost = Callable[[Collection[TP]], None]


class PartitionAssignment:
    """The partitions of this worker, and whether their tables are restored."""

    def __init__(
        self,
        app: faust.App,
        chunks: ChunkSequence,
        skipped: SkippedRecords,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Begin without partitions.

        Args:
            app: the role's.
            chunks: what is read of the partitions.
            skipped: publishes what of a changelog cannot be read.
            fail: ends the worker.
        """
        self.restored = False
        """Whether the tables of this assignment are restored."""
        self._app = app
        self._chunks = chunks
        self._skipped = skipped
        self._fail = fail
        self._tables: dict[str, VersionedTable] = {}
        self._on_lost: list[Lost] = []
        self._on_restored: list[Callable[[], None]] = []
        self._losses = 0
        self._rows_missing: dict[TP, int] = {}
        self._resuming: asyncio.Task[None] | None = None
        self._recovery = ChangelogRecovery(app, self._rows_unreadable, skipped.lost)
        app.on_rebalance_complete.connect(self._nothing_to_recover)

    def add(self, changelog: str, table: VersionedTable) -> None:
        """Restore a table from its changelog with each assignment."""
        self._tables[changelog] = table
        table.on_recover(self._recovered)

    def when_lost(self, lost: Lost) -> None:
        """Call a function with partitions as soon as they are lost."""
        self._on_lost.append(lost)

    def when_restored(self, restored: Callable[[], None]) -> None:
        """Call a function when the tables are restored, before anything is read."""
        self._on_restored.append(restored)

    def remarks(self) -> list[str]:
        """Return a sentence about each table that lacks rows."""
        return [
            f"up to {count} rows of {tp.topic}/{tp.partition} cannot be read: what they held is"
            " missing (see the dead letters, reason unreadable_batch)"
            for tp, count in self._rows_missing.items()
        ]

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once; the tables are restored anew."""
        self.restored = False
        self._losses += 1
        self._recovery.lost()
        self._chunks.lost(tps)
        for lost in self._on_lost:
            lost(tps)
        # For a partition that we keep, Faust continues in the changelog where it was. But the rows
        # are deleted, so it must begin at the start.
        recovery = self._app.tables.recovery
        recovery.flush_buffers()
        for tp in tps:
            self._rows_missing.pop(tp, None)
            table = self._tables.get(tp.topic)
            if table is not None:  # a Faust table is false where Faust itself has no rows of it
                recovery.revoke(tp)
                table.lost(tp.partition)

    async def restored_since(self, generation: int) -> int | None:
        """Wait until an assignment's rows are restored; return the number of losses before it.

        None if it is not the latest assignment. Faust may hand records on in the moment between two
        recoveries: what is made of them would not know the rows that come after.
        """
        while not self.restored:
            if self._app.consumer_generation_id != generation:
                return None
            await asyncio.sleep(_LOOK_S)
        return self._losses

    def is_lost(self, losses: int) -> bool:
        """Return whether partitions were lost since `restored_since` returned this number."""
        return losses != self._losses or not self.restored

    async def _nothing_to_recover(self, *_: object, **__: object) -> None:
        """Let reading begin in a role without tables: Faust calls back for each table only."""
        if not self._tables:
            await self._recovered()

    async def _recovered(self) -> None:
        """Let reading begin once Faust has finished what follows this callback."""
        if self._resuming is not None:
            self._resuming.cancel()
        self._resuming = asyncio.create_task(self._resume(self._losses))

    async def _resume(self, losses: int) -> None:
        """Wait until Faust is done, then let reading begin.

        Faust calls back too early: while it is still rebalancing, or for an assignment that has
        been replaced. Then partitions are lost again before reading begins.
        """
        app, recovery = self._app, self._app.tables.recovery
        while (  # noqa: ASYNC110 - Faust has no event for it
            app.rebalancing
            or app.in_recovery
            or recovery.signal_recovery_start.is_set()
            or not self._recovery.is_whole()
        ):
            await asyncio.sleep(_LOOK_S)
        if self.restored or losses != self._losses:
            return
        recovery.flush_buffers()
        self.restored = True
        try:
            for restored in self._on_restored:
                restored()
            await self._chunks.begin()
        except Exception as error:  # noqa: BLE001 - a task's edge: the worker ends by it
            self._fail(error)

    async def _rows_unreadable(self, tp: TP, chunk: Chunk) -> None:
        """Report rows that cannot be read, and go on without them."""
        self._rows_missing[tp] = sum(batch.end - batch.start for batch in chunk.unreadable)
        await self._skipped.unreadable(tp, chunk.unreadable)
