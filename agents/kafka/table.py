"""Keep a table's rows, by partition: restored from its changelog, and written to it."""

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

import faust

from agents.kafka.producer import OutgoingRecord, Producer


class VersionedTable(faust.Table):
    """The rows of every partition of ours; restoring keeps the row with the higher version.

    A stalled former owner may write late, and Faust's own restoring is last-writer-wins.
    """

    def __init__(self, *args: Any, version_of: Callable[[bytes], Any], **kwargs: Any) -> None:
        """See faust.Table; `version_of` reads what only grows out of a packed row."""
        super().__init__(*args, **kwargs)
        self._version_of = version_of
        self._of: dict[int, dict[bytes, bytes]] = {}

    def of(self, partition: int) -> MutableMapping[bytes, bytes]:
        """Return a partition's rows."""
        return self._of.setdefault(partition, {})

    def lost(self, partition: int) -> None:
        """Forget a partition's rows."""
        self._of.pop(partition, None)

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Take chunks of the changelog in."""
        version_of = self._version_of
        for event in batch:
            rows = self.of(event.message.partition)
            for record in event.message.value.records:
                row = rows.get(record.key)
                if record.value is None:
                    rows.pop(record.key, None)
                elif row is None or version_of(record.value) >= version_of(row):
                    rows[record.key] = record.value


class TableRows:
    """The rows of a table that are this worker's, and the way to write them."""

    def __init__(self, table: VersionedTable, changelog: str, producer: Producer) -> None:
        """Write to the table's changelog through the producer."""
        self._table = table
        self._changelog = changelog
        self._producer = producer

    def of(self, partition: int) -> MutableMapping[bytes, bytes]:
        """Return a partition's rows; a loss of the partition leaves these to whoever has them."""
        return self._table.of(partition)

    async def write(self, partition: int, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Return once the broker has the changes, None to delete a row, in this order."""
        await self._producer.publish(
            OutgoingRecord(self._changelog, partition, key, value) for key, value in changes
        )
