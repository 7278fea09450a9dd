"""Read operations: what is folded of `operations`, and how."""

from agents.folding.folded_topic import FoldedTopic
from agents.folding.source_partition import SourcePartition
from agents.kafka.fetch_unpacking import Chunk
from agents.runtime import metrics
from agents.runtime.pacing import paced
from schemas.dead_letters import KEPT_BYTES
from schemas.topics import OPERATIONS, PARTIALS
from streams.long_work import Steps, finish
from streams.measure.blocks import Block
from streams.measure.operation_reader import Events, reading_events
from streams.measure.window_kind import OPERATIONS_WINDOWS
from streams.measure.window_times import TimeLimits

FOLDED_OPERATIONS = FoldedTopic(OPERATIONS, PARTIALS, Block, OPERATIONS_WINDOWS, metrics.operations)

#: Dead letters made between two steps.
_MADE_TOGETHER = 100


class OperationReader:
    """Makes events of the records of `operations`."""

    def __init__(self, limits: TimeLimits) -> None:
        """Refuse what is older, or further ahead, than the limits allow."""
        self._limits = limits

    async def read(self, source: SourcePartition, part: Chunk) -> Events:
        """Return the operations that count; see EventReader."""
        return await paced(self._reading(source, part))

    def _reading(self, source: SourcePartition, part: Chunk) -> Steps[Events]:
        events, refused = yield from reading_events(part.records, self._limits)
        for i, record in enumerate(refused):
            source.refuse(record)
            if i % _MADE_TOGETHER == 0 or len(record.value) > KEPT_BYTES:
                yield
        return events

    def rehearse(self, source: SourcePartition, part: Chunk) -> Events:
        """Return the same without output."""
        return finish(self._reading(source, part))
