"""Keep a table's rows, by partition: restored from its changelog, and written to it."""

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

import faust

from agents.kafka.producer import OutgoingRecord, Producer


class VersionedTable(faust.Table):
    """The rows of our partitions; recovery keeps the row with the higher version.

    A stalled former owner may write late, and Faust's own restoring is last-writer-wins.
    """

    def __init__(self, *args: Any, version_of: Callable[[bytes], Any], **kwargs: Any) -> None:
        """See faust.Table; `version_of` returns a packed row's version, which only grows."""
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
        """Apply chunks of the changelog."""
        for event in batch:
            rows = self.of(event.message.partition)
            restore(rows, event.message.value.records, self._version_of)


def restore(
    rows: MutableMapping[bytes, bytes],
    records: Iterable[Any],
    version_of: Callable[[bytes], Any],
) -> None:
    """Apply records of a changelog to a partition's rows."""
    for record in records:
        row = rows.get(record.key)
        if record.value is None:
            rows.pop(record.key, None)
        elif row is None or version_of(record.value) >= version_of(row):
            rows[record.key] = record.value


class TableRows:
    """Reads and writes this worker's rows of a table."""

    def __init__(self, table: VersionedTable, changelog: str, producer: Producer) -> None:
        """Write to the table's changelog through the producer."""
        self._table = table
        self._changelog = changelog
        self._producer = producer

    def of(self, partition: int) -> MutableMapping[bytes, bytes]:
        """Return a partition's rows; after a loss, a new mapping is used."""
        return self._table.of(partition)

    async def write(self, partition: int, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Write changes in this order, None deletes a row; return when the broker has them."""
        await self._producer.publish(
            OutgoingRecord(self._changelog, partition, key, value) for key, value in changes
        )
