"""Read and write what the consumer group's commits carry beside each offset.

One line of JSON; Kafka's own bound is 4,096 bytes (offset.metadata.max.bytes):

    {"topics": {"operations": "5yU…"}, "starts": 2, "poison": [17], "counted": [57, 1764…], …}
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import TopicPartition

_MAX_BYTES = 4_000


class CommitProgress(NamedTuple):
    """How far the records of a partition are counted."""

    read_to: int
    """The first offset that is not: the commit may stand before it."""
    time_ms: int
    """The timestamp of the last one that is."""


class CommitMetadata(NamedTuple):
    """What stands beside a partition's committed offset."""

    topic_ids: Mapping[str, str] = {}
    """The ids of the topics that the role reads, by their names without prefix."""
    starts: int = 0
    """How often reading began at this offset and ended with its process."""
    poison: frozenset[int] = frozenset()
    """The offsets of records that end a worker."""
    progress: CommitProgress | None = None
    moved: int = 0
    """What is added to Kafka's offsets, which began anew where the log was cut."""
    epoch: int = -1
    """Which leader of the partition took the last record that was read."""

    def text(self) -> str:
        """Return it as a commit carries it; offsets of poison that have no room are left out."""
        poison = sorted(self.poison)
        while True:
            fields: dict[str, Any] = {
                "topics": dict(self.topic_ids),
                "starts": self.starts,
                "poison": poison,
                "counted": self.progress,
                "moved": self.moved,
                "epoch": self.epoch + 1,
            }
            fields = {name: value for name, value in fields.items() if value}
            text = json.dumps(fields, separators=(",", ":")) if fields else ""
            if len(text) <= _MAX_BYTES or not poison:
                return text
            poison = poison[: len(poison) // 2]


NO_METADATA = CommitMetadata()


def parse(text: str | None) -> CommitMetadata:
    """Return what a commit carries; nothing where somebody else wrote something else."""
    try:
        fields = json.loads(text or "{}")
        topic_ids = {str(name): str(topic) for name, topic in fields.get("topics", {}).items()}
        counted = fields.get("counted")
        return CommitMetadata(
            topic_ids,
            max(0, int(fields.get("starts", 0))),
            frozenset(map(int, fields.get("poison", []))),
            CommitProgress(*map(int, counted)) if counted else None,
            max(0, int(fields.get("moved", 0))),
            max(-1, int(fields.get("epoch", 0)) - 1),
        )
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return NO_METADATA


class Commit(NamedTuple):
    """What a group committed of a partition."""

    offset: int
    """Kafka's: `metadata.moved` less than ours."""
    metadata: CommitMetadata


async def committed_by(client: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, Commit]:
    """Return a group's commits.

    Not by aiokafka's own method: it takes an error for a group without commits.

    Raises:
        KafkaError: no answer, or no right to know.
    """
    request = OffsetFetchRequest(group, None)
    coordinator = await client.find_coordinator(group)
    response: Any = await client._send_request(request, coordinator)  # noqa: SLF001 - as above
    if code := getattr(response, "error_code", 0):
        raise for_code(code)(group)
    return {
        TopicPartition(topic, commit[0]): Commit(commit[1], parse(commit[2]))
        for topic, partitions in response.topics
        for commit in partitions
    }
