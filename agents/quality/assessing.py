"""Assess an analysis: what is quick here, what may take long in processes that can be killed."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from agents.quality.assessing_turns import Results, ToAssess, Turns, since_ms
from agents.quality.assessor_pool import AssessorPool
from agents.quality.assessor_process import LoadAssessor, is_our_own, request_of
from agents.runtime import metrics
from schemas.quality_config import QualityConfig
from schemas.quality_scores import LeftOut, QualityScore
from streams.quality.assessor import Assessor
from streams.quality.score import combine, configuration_of

#: Of the budget, what publishing takes.
_PUBLISHING_S = 0.02
#: Of a larger analysis these are assessed in processes, too: their work grows with the text.
LARGE_BYTES = 16 * 1024
_READ_TEXTS = frozenset(["accuracy"])


class Assessing:
    """The assessors of a worker."""

    def __init__(
        self,
        assessors: Sequence[Assessor],
        config: QualityConfig,
        load: Callable[[Assessor], LoadAssessor],
        processes: int,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Start nothing yet.

        Args:
            assessors: one a dimension.
            config: weights, thresholds and deadlines.
            load: returns what makes an assessor in its process.
            processes: of each assessor that may take long.
            fail: ends the worker.
        """
        self.config = config
        self.budget_s = config.budget / 1000
        self._assessors = assessors
        self._configuration = configuration_of(config, assessors)
        deadline_s = config.deadline / 1000
        self._pools = {
            assessor.dimension: AssessorPool(
                assessor.name, load(assessor), processes=processes, deadline_s=deadline_s
            )
            for assessor in assessors
            if _is_heavy(assessor) or assessor.dimension in _READ_TEXTS
        }
        self._heavy = [assessor.dimension for assessor in assessors if _is_heavy(assessor)]
        quick = [assessor for assessor in assessors if not _is_heavy(assessor)]
        longest = next((it.dimension for it in quick if it.dimension in _READ_TEXTS), None)
        beside = None if longest is None else (longest, self._pools[longest])
        self._turns = Turns(quick, config, beside, processes, fail)

    @property
    def waiting(self) -> int:
        """How many analyses wait for their turn to be assessed here."""
        return self._turns.waiting

    def start(self) -> None:
        """Start the processes."""
        for pool in self._pools.values():
            pool.start()
        self._turns.start()

    def stop(self) -> None:
        """End the processes."""
        self._turns.stop()
        for pool in self._pools.values():
            pool.stop()

    async def score(self, to_assess: ToAssess, until_s: float) -> QualityScore:
        """Return the score; what has not answered by a time of the loop is left out."""
        began_s, results = time.perf_counter(), Results()
        asked = self._asked(to_assess)
        waiting = []
        if asked:
            body, answered_s = request_of([to_assess.asked]), until_s - _PUBLISHING_S
            waiting = [
                asyncio.ensure_future(self._ask(dimension, body, answered_s, results))
                for dimension in asked
            ]
        await self._turns.assess(to_assess, results, asked)
        if waiting:
            await asyncio.gather(*waiting)
        return self._combine(to_assess, results, began_s)

    def rehearse(self, to_assess: ToAssess) -> QualityScore:
        """Return the score by the quick assessors alone: nothing leaves the process."""
        began_s, results = time.perf_counter(), Results()
        self._turns.assess_now(to_assess, results, self._asked(to_assess))
        return self._combine(to_assess, results, began_s)

    def _asked(self, to_assess: ToAssess) -> Collection[str]:
        """Return the dimensions that processes are asked about."""
        return self._pools.keys() if len(to_assess.value) > LARGE_BYTES else self._heavy

    async def _ask(self, dimension: str, body: bytes, until_s: float, results: Results) -> None:
        began_s = time.perf_counter()
        results.note(dimension, await self._pools[dimension].assess(body, until_s), began_s)

    def _combine(
        self,
        to_assess: ToAssess,
        results: Results,
        began_s: float,
    ) -> QualityScore:
        for result in results.found.values():
            if isinstance(result, LeftOut):
                metrics.assessments_left_out.labels(result.dimension, result.why).inc()
        return combine(
            to_assess.analysis,
            results.found,
            self.config,
            assessors=self._assessors,
            configuration=self._configuration,
            source=to_assess.source,
            took_ms=since_ms(began_s),
            each_took_ms=results.took_ms,
        )


def _is_heavy(assessor: Assessor) -> bool:
    """Return whether it runs in processes of its own: a third party's always does."""
    return assessor.heavy or not is_our_own(assessor)
