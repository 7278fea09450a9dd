"""Ask an assessor in another process: the request, and what comes of it."""

import asyncio
from typing import Literal, NamedTuple

from streams.quality.assessor import Assessed

#: A timer that is this late shows that the worker stood still, which is not the assessor's fault: …
_STALLED_S = 0.05
#: … its answer gets this much more time.
_AFTER_STALL_S = 0.1


class Unanswered(NamedTuple):
    """Why an assessor did not answer."""

    why: Literal["too_slow", "failed", "out_of_budget"]
    detail: str


Answer = Assessed | Unanswered | None
Answers = list[Answer] | Unanswered
"""Of each analysis, or why there is none of any."""


class AssessmentRequest:
    """Assessments, until they are answered or their time is over."""

    def __init__(self, body: bytes, until_s: float) -> None:
        self.body = body
        self.until_s = until_s
        self.otherwise = Unanswered("out_of_budget", "no process was idle in time")
        self.answer: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._limit(until_s)

    def begin(self, deadline_s: float) -> None:
        """Note that a process works on it, and for how long it may."""
        now_s = asyncio.get_running_loop().time()
        limit_s = max(0.0, min(deadline_s, self.until_s - now_s))
        text = f"it took longer than {limit_s * 1000:.0f} ms"
        if limit_s < deadline_s / 2:
            self.otherwise = Unanswered("out_of_budget", f"{text}, which were left")
        else:
            self.otherwise = Unanswered("too_slow", text)
        self._limit(now_s + limit_s)

    def end(self, answer: Answers) -> None:
        """Answer, unless that was done."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.answer.done():
            self.answer.set_result(answer)

    def _limit(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at_s, self._end, at_s)

    def _end(self, at_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - at_s > _STALLED_S:
            self._limit(now_s + _AFTER_STALL_S)
            return
        self.end(self.otherwise)
