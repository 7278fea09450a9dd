"""Say what a role folds: from which topic, how its records become events, into which windows."""

from typing import NamedTuple, Protocol

from prometheus_client import Counter

from agents.folding.source_partition import SourcePartition
from agents.kafka.fetch_unpacking import Chunk
from schemas.topics import Topic
from streams.measure.blocks import Block
from streams.measure.operation_reader import Events
from streams.measure.window_kind import WindowKind


class EventReader(Protocol):
    """Makes events of the records of a topic."""

    async def read(self, source: SourcePartition, part: Chunk) -> Events:
        """Return the events of a part of a chunk; what is refused goes to `source.refuse`.

        The events depend on the log alone: after a restart a block's records are read again, and
        must give the same ones. They may be of any class; the block makes columns of them, and each
        has an `operation` and a `platform`. What else follows from the records is published here:
        they are committed at the earliest once this has returned. The partition may be lost while
        this waits; what it returns is then dropped.
        """

    def rehearse(self, source: SourcePartition, part: Chunk) -> Events:
        """Return the same without output: a child tries a record that may be poison."""


class FoldedTopic(NamedTuple):
    """A topic that a role folds, and what is particular to it."""

    source: Topic
    partials: Topic
    block: type[Block]
    windows: WindowKind
    counted: Counter
    """Counts the events that are published to windows."""
    send_s: float = 0.5
    """How often the rows that changed are published to them."""
