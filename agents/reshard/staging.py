"""Put what moves aside in a topic of its own, by new partitions, before anything is changed.

Its last record says that it is complete. While the topic exists no worker starts. So a reshard that
is cut off begins anew, or, once all is aside, goes on; and nothing is ever in one place only.
"""

from typing import NamedTuple

import msgspec

from agents.kafka.topic_creation import RESHARD
from agents.kafka.topic_fit import TopicSpec
from agents.reshard.logs import PartitionLogs
from agents.runtime.settings import Settings
from schemas.topics import LARGE

#: Headers: the topic that a record is for; of the last record: that it is the last.
_TO = "to"
_COMPLETE = "complete"


class Staged(NamedTuple):
    """What the last record says."""

    partitions: int
    """The new number."""
    begins: list[int]
    """Where rules begin to read each new partition of `aggregates`, by Kafka's offsets."""


def staging_spec(settings: Settings, partitions: int) -> TopicSpec:
    """Return the topic."""
    config = {"cleanup.policy": "delete", "retention.ms": "-1"}
    return TopicSpec(settings.topic_prefix + RESHARD, partitions, config | LARGE)


class Staging:
    """The topic with what was put aside."""

    def __init__(self, settings: Settings, logs: PartitionLogs) -> None:
        """Read and write it through the logs."""
        self._name = settings.topic_prefix + RESHARD
        self._logs = logs
        self.count = 0
        """The records that were put aside."""

    async def put(
        self,
        topic: str,
        partition: int,
        key: bytes,
        value: bytes,
        timestamp_ms: int | None = None,
    ) -> None:
        """Put a record aside that is for a partition of a topic."""
        headers = [(_TO, topic.encode())]
        await self._logs.write(
            self._name, partition, key, value, timestamp_ms=timestamp_ms, headers=headers
        )
        self.count += 1

    async def complete(self, staged: Staged) -> None:
        """Say that all is there."""
        await self._logs.flush()
        value = msgspec.json.encode(staged)
        await self._logs.write(self._name, 0, None, value, headers=[(_COMPLETE, b"")])
        await self._logs.flush()

    async def staged(self) -> Staged | None:
        """Return what the last record says; None if not all is there."""
        end = await self._logs.end(self._name, 0)
        async for records in self._logs.read(self._name, 0, end - 1):
            for record in records:
                if _COMPLETE in dict(record.headers):
                    return msgspec.json.decode(record.value, type=Staged)
        return None

    async def copy(self, partition: int) -> int:
        """Write what was put aside for a partition to where it belongs; return how much."""
        count = 0
        async for records in self._logs.read(self._name, partition):
            for record in records:
                if topic := dict(record.headers).get(_TO):
                    place = topic.decode(), partition, record.key, record.value
                    await self._logs.write(*place, timestamp_ms=record.timestamp)
                    count += 1
        await self._logs.flush()
        return count
