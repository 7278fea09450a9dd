"""Hold one partition of `analyses`: its inputs, and what of it is being assessed."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from faust.types import TP

from agents.kafka.fetch_unpacking import Chunk
from agents.quality.assessing_turns import ToAssess
from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from schemas.quality_scores import QualityScore
from streams.measure.window_times import TimeLimits
from streams.quality.analyses import read_analysis
from streams.quality.arrival import arrive
from streams.quality.inputs import Inputs
from streams.quality.remedies import Place
from streams.record_limits import RefusedRecord


class PendingAnalysis:
    """An analysis from when it is taken in until its score is published."""

    def __init__(self, to_assess: ToAssess, place: Place) -> None:
        """Begin without a score."""
        self.to_assess = to_assess
        self.place = place
        self.is_out = False
        """Whether it is on its way to `scored-analyses`, with its score or without."""

    @property
    def analysis(self) -> Analysis:
        """What is assessed."""
        return self.to_assess.analysis


class ScoredPart(NamedTuple):
    """A part of a chunk whose analyses have their scores."""

    part: Chunk
    refused: list[RefusedRecord]
    pending: list[PendingAnalysis]
    scores: "Sequence[asyncio.Future[QualityScore]]"
    """Of each analysis; it ends once all that follows from it is published and written."""


class AnalysisPartition:
    """What a worker knows of a partition while it has it."""

    def __init__(self, tp: TP, inputs: Inputs, config: QualityConfig, limits: TimeLimits) -> None:
        """Begin with what the table holds."""
        self.tp = tp
        self.inputs = inputs
        self.parts: deque[ScoredPart | asyncio.Future[None]] = deque()
        """In the log's order; a future in between ends once all before it is folded."""
        self.has_parts = asyncio.Event()
        self.folding: asyncio.Task[None] | None = None
        self.scoring: set[asyncio.Task[Any]] = set()
        self._config = config
        self._limits = limits

    def add(self, part: "ScoredPart | asyncio.Future[None]") -> None:
        """Add a part that was taken in, or what ends once all before it is folded."""
        self.parts.append(part)
        self.has_parts.set()

    def take_scored(self) -> list[ScoredPart]:
        """Return the first parts all of whose analyses have their scores, and go on behind them."""
        scored: list[ScoredPart] = []
        while self.parts:
            part = self.parts[0]
            if isinstance(part, asyncio.Future) or not all(it.done() for it in part.scores):
                break
            scored.append(part)
            self.parts.popleft()
        return scored

    def take(
        self, records: Sequence[Any], now_ms: int
    ) -> tuple[list[PendingAnalysis], list[RefusedRecord]]:
        """Return the analyses of records, each with what was before it, and what is refused."""
        pending, refused = [], []
        for record in records:
            found = read_analysis(record, self._limits)
            if isinstance(found, RefusedRecord):
                refused.append(found)
            else:
                place = Place(record.offset, record.timestamp)
                pending.append(PendingAnalysis(self._note(found, record, place, now_ms), place))
        return pending, refused

    def _note(self, analysis: Analysis, record: Any, place: Place, now_ms: int) -> ToAssess:
        state = self.inputs.change(analysis.input.hash, now_ms)
        prior = arrive(state, analysis, place, self._config)
        return ToAssess(analysis, record.value, (self.tp.partition, place.offset), *prior)
