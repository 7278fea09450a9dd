"""Decide by the clock up to which minute a partition that is quiet is settled."""

from collections import Counter
from collections.abc import Iterable, Mapping

from schemas.spans import MINUTE_MS

#: A partition in which nothing comes for this long is quiet; the clock settles it this far behind.
QUIET_MS = 120_000
#: After a longer time without word of the log's end, silence detection starts over: Kafka may have
#: been away.
BROKER_AWAY_MS = 10_000


class QuietClock:
    """By kind of series, how long nothing has come, and what follows once it is written."""

    def __init__(self) -> None:
        """Begin with no word of the log's end."""
        self.settled: dict[str, int] = {}
        """By kind, the minute up to which earlier ones without a window are empty for good."""
        self.quiet: dict[str, int] = {}
        """By kind, the minute up to which nothing came."""
        self._records = Counter[str]()
        self._unchanged: dict[str, tuple[int, int]] = {}
        self._seen_ms: int | None = None

    def count(self, kind: str) -> None:
        """Note that a record of a kind came."""
        self._records[kind] += 1

    def tick(
        self, kinds: Iterable[str], horizon: Mapping[str, int], now_ms: int, seen_ms: int | None
    ) -> None:
        """Settle kinds of which nothing came for two minutes.

        Args:
            kinds: those there are.
            horizon: by kind, the newest final minute.
            now_ms: the clock.
            seen_ms: when the broker confirmed that the log is read to its end; None: it is not.
        """
        before_ms, self._seen_ms = self._seen_ms, seen_ms
        if seen_ms is None or before_ms is None or seen_ms - before_ms > BROKER_AWAY_MS:
            self._unchanged.clear()
        if seen_ms is None:
            return
        seen_ms = min(seen_ms, now_ms)
        minute = (seen_ms - QUIET_MS) // MINUTE_MS
        for kind in kinds:
            records, since_ms = self._unchanged.get(kind, (-1, seen_ms))
            if records != self._records[kind]:
                self._unchanged[kind] = self._records[kind], seen_ms
            elif seen_ms - since_ms >= QUIET_MS and minute > horizon.get(kind, 0):
                self.settled[kind] = minute
                self.quiet[kind] = seen_ms // MINUTE_MS

    def clear(self) -> None:
        """Forget what was settled: it has taken effect."""
        self.settled.clear()
        self.quiet.clear()
