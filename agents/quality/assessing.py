"""Assess an analysis: what is quick here, what may take long in processes that can be killed."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from agents.quality.assessor_pool import AssessorPool, Unanswered
from agents.quality.assessor_process import LoadAssessor, assess, failure, request_of
from agents.runtime import metrics
from agents.runtime.pacing import Pace
from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from schemas.quality_scores import LeftOut, QualityScore
from streams.quality.assessor import Assessed, Assessor, Context, EarlierResult, Truth
from streams.quality.score import combine, configuration_of

#: Of the budget, what publishing takes.
_PUBLISHING_S = 0.02
#: Of a larger analysis these are assessed in processes, too: their work grows with the text.
LARGE_BYTES = 16 * 1024
_READ_TEXTS = frozenset(["accuracy"])
_OUR_OWN = "streams.quality."


class ToAssess(NamedTuple):
    """An analysis with what assessors know beside it."""

    analysis: Analysis
    value: bytes
    """As it stands in its record."""
    source: tuple[int, int]
    """Partition and offset."""
    earlier: tuple[EarlierResult, ...]
    labels: Mapping[str, Truth]


class Assessing:
    """The assessors of a worker."""

    def __init__(
        self,
        assessors: Sequence[Assessor],
        config: QualityConfig,
        load: Callable[[Assessor], LoadAssessor],
        processes: int,
    ) -> None:
        """Start nothing yet.

        Args:
            assessors: one a dimension.
            config: weights, thresholds and deadlines.
            load: returns what makes an assessor in its process.
            processes: of each assessor that may take long.
        """
        self.config = config
        self.budget_s = config.budget / 1000
        self._assessors = assessors
        self._configuration = configuration_of(config, assessors)
        self._quick = [assessor for assessor in assessors if not _is_heavy(assessor)]
        self._turn = asyncio.Lock()
        self._pace = Pace()
        self.waiting = 0
        """Analyses whose turn to be assessed here is to come."""
        deadline_s = config.deadline / 1000
        self._pools = {
            assessor.dimension: AssessorPool(
                assessor.name, load(assessor), processes=processes, deadline_s=deadline_s
            )
            for assessor in assessors
            if _is_heavy(assessor) or assessor.dimension in _READ_TEXTS
        }
        self._heavy = [assessor.dimension for assessor in assessors if _is_heavy(assessor)]

    def start(self) -> None:
        """Start the processes."""
        for pool in self._pools.values():
            pool.start()

    def stop(self) -> None:
        """End the processes."""
        for pool in self._pools.values():
            pool.stop()

    async def score(self, to_assess: ToAssess, until_s: float) -> QualityScore:
        """Return the score; what has not answered by a time of the loop is left out."""
        began_s = time.perf_counter()
        results: dict[str, Assessed | LeftOut] = {}
        took_ms: dict[str, float] = {}
        is_large = len(to_assess.value) > LARGE_BYTES
        asked = self._pools.keys() if is_large else self._heavy
        waiting = []
        if asked:
            body = request_of(to_assess.value, to_assess.earlier, to_assess.labels)
            pools = [(dimension, self._pools[dimension]) for dimension in asked]
            waiting = [
                asyncio.ensure_future(
                    self._ask(dimension, pool, body, until_s - _PUBLISHING_S, results, took_ms)
                )
                for dimension, pool in pools
            ]
        self.waiting += 1
        try:
            async with self._turn:  # the loop runs all that is ready before it looks around
                self._assess_quick(to_assess, results, took_ms, asked)
                await self._pace.rest()
        finally:
            self.waiting -= 1
        if waiting:
            await asyncio.gather(*waiting)
        return self._combine(to_assess, results, took_ms, began_s)

    def rehearse(self, to_assess: ToAssess) -> QualityScore:
        """Return the score by the quick assessors alone: nothing leaves the process."""
        began_s = time.perf_counter()
        results: dict[str, Assessed | LeftOut] = {}
        took_ms: dict[str, float] = {}
        asked = self._pools.keys() if len(to_assess.value) > LARGE_BYTES else self._heavy
        self._assess_quick(to_assess, results, took_ms, asked)
        return self._combine(to_assess, results, took_ms, began_s)

    def _assess_quick(
        self,
        to_assess: ToAssess,
        results: dict[str, Assessed | LeftOut],
        took_ms: dict[str, float],
        asked: Collection[str],
    ) -> None:
        """Assess the dimensions that no process is asked about."""
        context = Context(config=self.config, earlier=to_assess.earlier, labels=to_assess.labels)
        for assessor in self._quick:
            if assessor.dimension in asked:
                continue
            dimension, began_s = assessor.dimension, time.perf_counter()
            try:
                found: Assessed | Unanswered | None = assess(assessor, to_assess.analysis, context)
            except Exception as error:  # noqa: BLE001 - an assessor's edge: it is left out
                found = Unanswered("failed", failure(error))
            took_ms[dimension] = _since_ms(began_s)
            results[dimension] = _result(dimension, found)

    async def _ask(
        self,
        dimension: str,
        pool: AssessorPool,
        body: bytes,
        until_s: float,
        results: dict[str, Assessed | LeftOut],
        took_ms: dict[str, float],
    ) -> None:
        began_s = time.perf_counter()
        found = await pool.assess(body, until_s)
        took_ms[dimension] = _since_ms(began_s)
        results[dimension] = _result(dimension, found)

    def _combine(
        self,
        to_assess: ToAssess,
        results: Mapping[str, Assessed | LeftOut],
        took_ms: Mapping[str, float],
        began_s: float,
    ) -> QualityScore:
        for result in results.values():
            if isinstance(result, LeftOut):
                metrics.assessments_left_out.labels(result.dimension, result.why).inc()
        return combine(
            to_assess.analysis,
            results,
            self.config,
            assessors=self._assessors,
            configuration=self._configuration,
            source=to_assess.source,
            took_ms=_since_ms(began_s),
            each_took_ms=took_ms,
        )


def _is_heavy(assessor: Assessor) -> bool:
    """Return whether it runs in processes of its own: a third party's always does."""
    return assessor.heavy or not type(assessor).__module__.startswith(_OUR_OWN)


def _since_ms(began_s: float) -> float:
    return round((time.perf_counter() - began_s) * 1000, 3)


def _result(dimension: str, found: Assessed | Unanswered | None) -> Assessed | LeftOut:
    if found is None:
        detail = "there is nothing that it could judge"
        return LeftOut(dimension=dimension, why="nothing_to_judge", detail=detail)
    if isinstance(found, Unanswered):
        return LeftOut(dimension=dimension, why=found.why, detail=found.detail)
    return found
