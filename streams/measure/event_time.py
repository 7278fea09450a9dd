"""Say how far a source's events show that time has come, whatever clock their producers have."""

import heapq

from streams.measure.columns import Ints

#: Event times ahead of the clock are kept by the second where they are near, else by the minute.
_NEAR_MS = 60_000
_SECOND_MS = 1_000
_MINUTE_MS = 60_000
#: So many of them, a day of minutes and more: what lies further ahead never counts as time.
_KEPT = 2_000


class EventTime:
    """The largest event time of one source. What is ahead of the clock waits until that is there.

    A producer whose clock is fast would else end everybody's windows early.
    """

    def __init__(self) -> None:
        """Begin without events."""
        self._reached_ms: int | None = None
        self._ahead: dict[int, int] = {}
        """By where their second or minute begins, the largest of the times in it."""
        self._begins: list[int] = []

    def take(self, when_ms: Ints, now_ms: int) -> bool:
        """Take event times in; return whether any of them is not ahead of the clock."""
        newest_ms = int(when_ms.max())
        if newest_ms > now_ms:
            ahead = when_ms > now_ms
            for ahead_ms in when_ms[ahead].tolist():
                self._wait(ahead_ms, now_ms)
            if ahead.all():
                return False
            newest_ms = int(when_ms[~ahead].max())
        self._reached_ms = max(self._reached_ms or newest_ms, newest_ms)
        return True

    def _wait(self, ahead_ms: int, now_ms: int) -> None:
        step_ms = _SECOND_MS if ahead_ms - now_ms <= _NEAR_MS else _MINUTE_MS
        begin = ahead_ms // step_ms * step_ms
        if begin not in self._ahead:
            if len(self._ahead) >= _KEPT:
                return
            heapq.heappush(self._begins, begin)
        self._ahead[begin] = max(ahead_ms, self._ahead.get(begin, 0))

    def at(self, now_ms: int) -> int | None:
        """Return the largest event time that the clock has reached, if there is any."""
        while self._begins and self._ahead[self._begins[0]] <= now_ms:
            reached_ms = self._ahead.pop(heapq.heappop(self._begins))
            self._reached_ms = max(self._reached_ms or reached_ms, reached_ms)
        return self._reached_ms
