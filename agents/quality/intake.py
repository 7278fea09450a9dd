"""Take analyses in, have each assessed and published, and pass their scores on in order.

Many are assessed at a time, so that one that takes long holds up nobody; only the windows wait for
it, because they are a function of the log.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from faust.types import TP

from agents.folding.ingest import Ingest
from agents.kafka.fetch_unpacking import Chunk, Gap, parts_of
from agents.quality.analysis_partition import AnalysisPartition, PendingAnalysis, ScoredPart
from agents.quality.assessing import Assessing
from agents.quality.input_tables import InputTables
from agents.quality.outcomes import Outcomes
from agents.quality.score_publisher import ScorePublisher
from agents.quality.score_reader import ScoreReader
from agents.runtime import metrics
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from agents.runtime.tasks import start_task
from schemas.quality_scores import QualityScore

#: Analyses that are assessed at a time, and the bytes of their records; more wait in Kafka.
MOST_PENDING = 1_000
MOST_PENDING_BYTES = 32 * 1024 * 1024
#: Analyses that are taken in together; other tasks run in between.
_TAKEN_TOGETHER = 50
#: Analyses whose turn is to come: behind more of them a budget would run out, when a worker is
#: behind. More wait in Kafka.
_MOST_WAITING = 100
_ROOM_AGAIN_S = 0.002
#: Past the budget an analysis whose score is about to be published waits this much longer for it.
_PATIENCE_S = 0.03


class Intake:
    """The partitions of `analyses` that are this worker's."""

    def __init__(
        self,
        settings: Settings,
        inputs: InputTables,
        assessing: Assessing,
        outcomes: Outcomes,
        publisher: ScorePublisher,
        reader: ScoreReader,
        ingest: Ingest,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Begin without partitions.

        Args:
            settings: the worker's.
            inputs: of all partitions.
            assessing: scores an analysis.
            outcomes: says what follows from a score.
            publisher: publishes it.
            reader: gets the scores in the log's order, …
            ingest: … and folds them.
            fail: ends the worker.
        """
        self._limits = settings.time_limits
        self._inputs = inputs
        self._assessing = assessing
        self._outcomes = outcomes
        self._publisher = publisher
        self._reader = reader
        self._ingest = ingest
        self._fail = fail
        self._partitions: dict[TP, AnalysisPartition] = {}
        self._pending = 0
        self._pending_bytes = 0
        self._has_room = asyncio.Event()

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once."""
        for tp in tps:
            partition = self._partitions.pop(tp, None)
            if partition is None:
                continue
            for task in (partition.folding, *partition.scoring):
                if task is not None:
                    task.cancel()
            for part in partition.parts:
                if isinstance(part, asyncio.Future):
                    part.cancel()
            self._reader.lost(tp)

    def stop(self) -> None:
        """Assess no more: the next owner does."""
        self.lost(list(self._partitions))

    async def skip(self, tp: TP, gap: Gap) -> None:
        """Go on behind analyses that Kafka removed."""
        partition = self._begin(tp)
        await self._folded(partition)
        if self._partitions.get(tp) is partition:
            await self._ingest.skip(tp, gap)

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Take a chunk of `analyses` in."""
        partition, pace = self._begin(tp), Pace()
        if not chunk.records:
            await self._folded(partition)
            if self._partitions.get(tp) is partition:
                await self._ingest.read(tp, chunk)
            return
        for part in _small_parts(chunk):
            await self._room()
            if self._partitions.get(tp) is not partition:
                return  # lost meanwhile
            partition.add(self._take(partition, part))
            await pace.rest()

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Assess what is quick and fold it, without output or processes; yield after each."""
        partition = self._partitions[tp]
        for record in records:
            pending, refused = partition.take([record], _now_ms())
            scores = [self._assessing.rehearse(entry.to_assess) for entry in pending]
            part = Chunk(record.offset, record.offset + 1, [record])
            self._reader.put(tp, part, refused, pending, scores)
            yield from self._ingest.rehearse(tp, [record])

    def _begin(self, tp: TP) -> AnalysisPartition:
        partition = self._partitions.get(tp)
        if partition is None:
            inputs = self._inputs.of(tp.partition)
            partition = AnalysisPartition(tp, inputs, self._assessing.config, self._limits)
            self._partitions[tp] = partition
            partition.folding = start_task(self._fold(partition), self._fail)
        return partition

    async def _folded(self, partition: AnalysisPartition) -> None:
        """Wait until all that was taken in is folded, or lost."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        partition.add(end)
        await asyncio.wait([end])

    async def _room(self) -> None:
        while self._assessing.waiting >= _MOST_WAITING:  # noqa: ASYNC110 - they take a moment
            await asyncio.sleep(_ROOM_AGAIN_S)
        while self._pending >= MOST_PENDING or self._pending_bytes >= MOST_PENDING_BYTES:
            self._has_room.clear()
            await self._has_room.wait()

    def _take(self, partition: AnalysisPartition, part: Chunk) -> ScoredPart:
        """Begin to assess a part's analyses."""
        loop = asyncio.get_running_loop()
        pending, refused = partition.take(part.records, _now_ms())
        metrics.analyses_received.inc(len(part.records))
        metrics.analyses_dead_letters.inc(len(refused))
        metrics.analyses_pending.inc(len(pending))
        taken_s = loop.time()
        until_s = taken_s + self._assessing.budget_s
        tasks = []
        for entry in pending:
            task = asyncio.create_task(self._score(entry, taken_s, until_s))
            self._pending += 1
            self._pending_bytes += len(entry.to_assess.value)
            partition.scoring.add(task)
            task.add_done_callback(partition.scoring.discard)
            tasks.append(task)
        if pending:
            loop.call_at(until_s + _PATIENCE_S, self._overdue, partition, pending)
        return ScoredPart(part, refused, pending, tasks)

    async def _score(self, entry: PendingAnalysis, taken_s: float, until_s: float) -> QualityScore:
        """Assess an analysis, publish its score, and return it."""
        why = "partition_lost"
        try:
            quality = await self._assessing.score(entry.to_assess, until_s)
            published = self._publisher.publish(self._outcomes.scored(entry, quality))
            await published
            metrics.score_seconds.observe(asyncio.get_running_loop().time() - taken_s)
            why = "scored" if quality.overall is not None else "no_answer"
        finally:
            metrics.analyses_pending.dec()
            if why == "scored":
                metrics.analyses_scored.inc()
            else:
                metrics.analyses_left_out.labels(why).inc()
            self._pending -= 1
            self._pending_bytes -= len(entry.to_assess.value)
            self._has_room.set()
        return quality

    def _overdue(self, partition: AnalysisPartition, pending: Sequence[PendingAnalysis]) -> None:
        """Publish without their scores the analyses whose budget ran out."""
        late = [entry for entry in pending if not entry.is_out]
        if late and self._partitions.get(partition.tp) is partition:
            metrics.analyses_unscored.inc(len(late))
            self._publisher.publish([self._outcomes.unscored(entry) for entry in late])

    async def _fold(self, partition: AnalysisPartition) -> None:
        """Publish what follows from scores and fold them, in the log's order."""
        while True:
            await partition.has_parts.wait()
            part = partition.parts[0]
            if isinstance(part, asyncio.Future):
                partition.parts.popleft()
                part.set_result(None)
            else:
                await asyncio.gather(*part.scores)
                await self._fold_together(partition, partition.take_scored())
            if not partition.parts:
                partition.has_parts.clear()

    async def _fold_together(
        self, partition: AnalysisPartition, parts: Sequence[ScoredPart]
    ) -> None:
        scores = [await asyncio.gather(*part.scores) for part in parts]
        following = [
            record
            for part, of_part in zip(parts, scores, strict=True)
            for entry, score in zip(part.pending, of_part, strict=True)
            for record in self._outcomes.following(partition.inputs, entry, score)
        ]
        await self._publisher.follow(partition.tp.partition, following)
        for part, of_part in zip(parts, scores, strict=True):
            self._reader.put(partition.tp, part.part, part.refused, part.pending, of_part)
            await self._ingest.read(partition.tp, part.part)


def _small_parts(chunk: Chunk) -> Iterator[Chunk]:
    """Yield parts of a chunk that can be taken in without a pause."""
    for part in parts_of(chunk):
        records, start = part.records, part.start
        for first in range(0, len(records), _TAKEN_TOGETHER):
            after = first + _TAKEN_TOGETHER
            end = records[after].offset if after < len(records) else part.end
            yield Chunk(start, end, records[first:after])
            start = end


def _now_ms() -> int:
    return int(time.time() * 1000)
