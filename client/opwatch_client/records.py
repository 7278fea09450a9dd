"""Buffer the records with keys that wait for Kafka, up to a number and a size."""

import contextlib
from typing import Literal, NamedTuple

from opwatch_client.buffer import Buffer

#: A topic of records with keys: the name of its setting.
Lane = Literal["analyses", "labels"]
LANES: tuple[Lane, ...] = ("analyses", "labels")
#: What a record's value may have: Kafka's default for a batch, without what frames it.
LARGEST_BYTES = 990_000
#: How many may wait, and how large they may be together.
MOST_RECORDS = 5_000
MOST_BYTES = 64 * 1024 * 1024


class Record(NamedTuple):
    """What Kafka is to store."""

    key: bytes
    value: bytes


class RecordBuffer(Buffer[Record]):
    """Records in the order in which they were made; past the limits the oldest are dropped."""

    def __init__(self, limit: int = MOST_RECORDS, limit_bytes: int = MOST_BYTES) -> None:
        """Buffer `limit` records at most, and together no more than `limit_bytes`."""
        super().__init__(limit)
        self.limit_bytes = limit_bytes
        self._bytes = 0

    def append(self, item: Record) -> int:
        """Add a record and return how many wait now."""
        waiting = self._waiting
        with self._lock:
            waiting.append(item)
            self._bytes += len(item.value)
            while waiting and (len(waiting) > self.limit or self._bytes > self.limit_bytes):
                self._bytes -= len(waiting.popleft().value)
                self._dropped += 1
            return len(waiting)

    def take(self) -> Record | None:
        """Return the oldest record and count it as being sent."""
        with self._lock:
            record = super().take()
            if record is not None:
                self._bytes -= len(record.value)
            return record

    def take_together(self, most: int, most_bytes: int) -> list[Record]:
        """Return the oldest records, at least one if any waits."""
        records: list[Record] = []
        size = 0
        while len(records) < most and size < most_bytes and (record := self.take()) is not None:
            records.append(record)
            size += len(record.value)
        return records

    def has_flushes(self) -> bool:
        """Return whether somebody waits for the buffer."""
        with contextlib.suppress(IndexError):
            return bool(self._flushes[0])
        return False
