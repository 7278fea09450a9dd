"""Assess what is quick here, one analysis after the other; of a crowd some beside, in a process.

Here an assessment costs no way to another process and back. Where more wait than are assessed in
a moment, the assessor that takes longest gets a batch of them in a process of its own, so that a
worker uses more than one processor.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from agents.quality.assessor_pool import AssessorPool
from agents.quality.assessor_process import AskedAnalysis, assess, failure, request_of
from agents.quality.assessor_request import Answer, Unanswered
from agents.runtime.pacing import Pace
from agents.runtime.tasks import start_task
from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from schemas.quality_scores import LeftOut
from streams.quality.assessor import Assessed, Assessor, Context, EarlierResult, Truth

#: So many wait that some are handed over, …
_CROWD = 32
#: … this many at a time: they take several milliseconds, the way there and back one.
_HANDED_OVER = 24
#: A batch that takes this long shows that no processor is free: nothing is handed over …
_SLOW_S = 0.1
#: … for this long.
_PAUSE_S = 1.0
#: Others run in between: records are read and published, and the process gets its next batch.
_SLICE_S = 0.004


class ToAssess(NamedTuple):
    """An analysis with what assessors know beside it."""

    analysis: Analysis
    value: bytes
    """As it stands in its record."""
    source: tuple[int, int]
    """Partition and offset."""
    earlier: tuple[EarlierResult, ...]
    labels: Mapping[str, Truth]

    @property
    def asked(self) -> AskedAnalysis:
        """What a process is asked about it."""
        return AskedAnalysis(self.value, self.earlier, self.labels)


class Results:
    """What the assessors found of an analysis, by dimension."""

    def __init__(self) -> None:
        """Begin without."""
        self.found: dict[str, Assessed | LeftOut] = {}
        self.took_ms: dict[str, float] = {}

    def note(self, dimension: str, answer: Answer, began_s: float) -> None:
        """Note what an assessor found, and how long that took."""
        self.took_ms[dimension] = since_ms(began_s)
        if answer is None:
            detail = "there is nothing that it could judge"
            self.found[dimension] = LeftOut(
                dimension=dimension, why="nothing_to_judge", detail=detail
            )
        elif isinstance(answer, Unanswered):
            self.found[dimension] = LeftOut(
                dimension=dimension, why=answer.why, detail=answer.detail
            )
        else:
            self.found[dimension] = answer


class _Turn(NamedTuple):
    to_assess: ToAssess
    results: Results
    elsewhere: Collection[str]
    done: "asyncio.Future[None]"


class Turns:
    """The analyses that wait to be assessed here."""

    def __init__(
        self,
        assessors: Sequence[Assessor],
        config: QualityConfig,
        beside: tuple[str, AssessorPool] | None,
        processes: int,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Assess nothing yet.

        Args:
            assessors: the quick ones.
            config: weights, thresholds and deadlines.
            beside: the dimension that takes longest, and its processes.
            processes: how many there are.
            fail: ends the worker.
        """
        self._assessors = assessors
        self._config = config
        self._beside = beside
        self._fail = fail
        self._handing_over = min(processes, max(1, (os.cpu_count() or 1) - 1)) if beside else 0
        self._turns: deque[_Turn] = deque()
        self._has_turns = asyncio.Event()
        self._is_crowded = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """How many have not had their turn."""
        return len(self._turns)

    def start(self) -> None:
        """Begin to assess."""
        runs = [self._run(), *(self._hand_over() for _ in range(self._handing_over))]
        self._tasks = [start_task(run, self._fail) for run in runs]

    def stop(self) -> None:
        """Assess no more."""
        for task in self._tasks:
            task.cancel()

    async def assess(
        self, to_assess: ToAssess, results: Results, elsewhere: Collection[str]
    ) -> None:
        """Assess the dimensions that are not assessed elsewhere, in turn."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(_Turn(to_assess, results, elsewhere, done))
        self._has_turns.set()
        if len(self._turns) >= _CROWD:
            self._is_crowded.set()
        await done

    def assess_now(self, to_assess: ToAssess, results: Results, elsewhere: Collection[str]) -> None:
        """Assess the same out of turn."""
        context = Context(config=self._config, earlier=to_assess.earlier, labels=to_assess.labels)
        for assessor in self._assessors:
            if assessor.dimension in elsewhere:
                continue
            began_s = time.perf_counter()
            try:
                answer: Answer = assess(assessor, to_assess.analysis, context)
            except Exception as error:  # noqa: BLE001 - an assessor's edge: it is left out
                answer = Unanswered("failed", failure(error))
            results.note(assessor.dimension, answer, began_s)

    async def _run(self) -> None:
        pace = Pace(_SLICE_S)
        while True:
            await self._has_turns.wait()
            while self._turns:
                turn = self._turns.popleft()
                self._take(turn, turn.elsewhere)
                await pace.rest()
            self._has_turns.clear()

    def _take(self, turn: _Turn, elsewhere: Collection[str]) -> None:
        if turn.done.done():  # its partition is lost
            return
        try:
            self.assess_now(turn.to_assess, turn.results, elsewhere)
        except Exception as error:  # noqa: BLE001 - a task's edge: who waits gets it
            turn.done.set_exception(error)
        else:
            turn.done.set_result(None)

    async def _hand_over(self) -> None:
        """Have batches assessed beside as long as there is a crowd."""
        assert self._beside is not None
        dimension, pool = self._beside
        while True:
            await self._is_crowded.wait()
            await pool.is_idle.wait()
            if len(self._turns) < _CROWD:
                self._is_crowded.clear()
                continue
            crowd = [self._turns.popleft() for _ in range(_HANDED_OVER)]
            together = [turn for turn in crowd if dimension not in turn.elsewhere]
            for turn in crowd:
                if dimension in turn.elsewhere:
                    self._take(turn, turn.elsewhere)
            if together:
                began_s = time.monotonic()
                await self._assess_beside(together)
                if time.monotonic() - began_s > _SLOW_S:
                    await asyncio.sleep(_PAUSE_S)

    async def _assess_beside(self, together: list[_Turn]) -> None:
        assert self._beside is not None
        dimension, pool = self._beside
        began_s = time.perf_counter()
        body = request_of([turn.to_assess.asked for turn in together])
        until_s = asyncio.get_running_loop().time() + self._config.deadline / 1000
        answers = await pool.assess_together(body, until_s)
        pace = Pace(_SLICE_S)
        for place, turn in enumerate(together):
            elsewhere = turn.elsewhere
            if not isinstance(answers, Unanswered):
                turn.results.note(dimension, answers[place], began_s)
                elsewhere = {*elsewhere, dimension}
            self._take(turn, elsewhere)  # all of it, if the process did not answer
            await pace.rest()


def since_ms(began_s: float) -> float:
    """Return how long something took that began at a time of the performance counter."""
    return round((time.perf_counter() - began_s) * 1000, 3)
