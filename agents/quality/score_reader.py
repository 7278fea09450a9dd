"""Pass the scores of analyses, in the log's order, to the blocks that fold them."""

from collections.abc import Sequence
from typing import NamedTuple

from faust.types import TP

from agents.folding.folded_topic import FoldedTopic
from agents.folding.source_partition import SourcePartition
from agents.kafka.fetch_unpacking import Chunk
from agents.quality.analysis_partition import PendingAnalysis
from agents.runtime import metrics
from schemas.quality_config import QualityConfig
from schemas.quality_scores import QualityScore
from schemas.topics import ANALYSES, QUALITY_PARTIALS
from streams.measure.operation_reader import Events
from streams.quality.quality_aggregate import QUALITY_WINDOWS
from streams.quality.score_block import ScoreBlock
from streams.quality.score_events import ScoredRecord, events_of
from streams.record_limits import RefusedRecord

#: Each time all rows of the open block are made, for every dimension: so it is done seldom.
_SEND_S = 2.0
FOLDED_SCORES = FoldedTopic(
    ANALYSES, QUALITY_PARTIALS, ScoreBlock, QUALITY_WINDOWS, metrics.scores_folded, _SEND_S
)


class _NextPart(NamedTuple):
    start: int
    refused: Sequence[RefusedRecord]
    scored: list[ScoredRecord]


class ScoreReader:
    """Makes events of scores. See agents.folding.folded_topic.EventReader."""

    def __init__(self, config: QualityConfig) -> None:
        """Begin without scores; `config` says what is good."""
        self._good, self._acceptable = config.good, config.acceptable
        self._next: dict[TP, _NextPart] = {}

    def put(
        self,
        tp: TP,
        part: Chunk,
        refused: Sequence[RefusedRecord],
        pending: Sequence[PendingAnalysis],
        scores: Sequence[QualityScore],
    ) -> None:
        """Note what the next part of a partition comes to."""
        scored = [
            ScoredRecord(*entry.place, score) for entry, score in zip(pending, scores, strict=True)
        ]
        self._next[tp] = _NextPart(part.start, refused, scored)

    def lost(self, tp: TP) -> None:
        """Forget a partition."""
        self._next.pop(tp, None)

    async def read(self, source: SourcePartition, part: Chunk) -> Events:
        """Return the scores of a part as events."""
        return self._read(source, part)

    def rehearse(self, source: SourcePartition, part: Chunk) -> Events:
        """Return the same without output."""
        return self._read(source, part)

    def _read(self, source: SourcePartition, part: Chunk) -> Events:
        scored: list[ScoredRecord] = []
        if part.records:
            following = self._next.pop(source.tp)
            assert following.start == part.start
            scored = following.scored
            for record in following.refused:
                source.refuse(record)
        return events_of(scored, self._good, self._acceptable)
