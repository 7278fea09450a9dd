"""Drive a partition's services by a clock that stands where a test puts it."""

import json
from typing import Any

from streams.measure.window_times import TimeLimits
from streams.services.missed_beats import HEALTHS, Beat
from streams.services.services import Services

#: Monday 2026-03-02 12:00 UTC.
NOON = 1_772_452_800_000
LATENESS, FUTURE, GRACE = 3_600_000, 60_000, 10_000
TIMES = TimeLimits(LATENESS, FUTURE, GRACE)


def at(seconds: float) -> int:
    return NOON + round(seconds * 1000)


def beat(
    sent_s: float, health: str = "up", every_s: float = 10, lag_s: float = 0, message: str = ""
) -> Beat:
    code = HEALTHS.index(health)  # type: ignore[arg-type]
    return Beat(at(sent_s), round(lag_s * 1000), code, round(every_s * 1000), message or None)


def beats(from_s: int, to_s: int, health: str = "up") -> list:
    return [beat(sent_s, health) for sent_s in range(from_s, to_s, 10)]


class World:
    """A worker, its table, and what it has published."""

    def __init__(self, limit: int = 100) -> None:
        self.table: dict[bytes, bytes] = {}
        self.published: dict[str, dict[str, Any]] = {}
        self.said: list[dict[str, Any]] = []
        self.log: list[tuple[str, Beat]] = []
        self.limit = limit
        self.start()

    def start(self) -> None:
        """Begin with what the table holds, as after a kill."""
        self.services = Services(self.table, TIMES, self.limit)

    def hears(self, *beats: Beat, service: str = "crawler", now_s: float | None = None) -> Any:
        reason = None
        for one in beats:
            now_ms = one.sent_ms + one.lag_ms if now_s is None else at(now_s)
            self.log.append((service, one))
            reason = self.services.apply(service, one, 0, len(self.log) - 1, now_ms)
        return reason

    def reads_again(self, from_offset: int, now_s: float) -> None:
        for offset in range(from_offset, len(self.log)):
            self.services.apply(*self.log[offset], 0, offset, at(now_s))

    def look(self, now_s: float, *, at_end: bool = True) -> list[dict[str, Any]]:
        """Let it look, publish and write; return what it published."""
        self.services.look(at(now_s) if at_end else None, at(now_s))
        said = []
        for one in self.services.collect(at(now_s)):
            value = json.loads(one.value)
            known = self.published.get(one.key.decode())
            assert known is None or value["revision"] > known["revision"]
            self.published[one.key.decode()] = value
            said.append(value)
        for key, row in self.services.take_changes(everything=True):
            assert self.table.get(key) == row
        self.said += said
        return said

    def listens(self, from_s: int, to_s: int, *beats: Beat) -> None:
        """Look each second; each beat is heard in the second after it came."""
        waiting = sorted(beats, key=lambda one: one.sent_ms + one.lag_ms)
        for now_s in range(from_s, to_s + 1):
            while waiting and waiting[0].sent_ms + waiting[0].lag_ms <= at(now_s):
                self.hears(waiting.pop(0), now_s=now_s)
            self.look(now_s)

    def window(self, size: str = "1m", start_s: float = 0, service: str = "crawler") -> dict:
        return self.published[f'service{{name="{service}"}}/{size}/{at(start_s)}']

    def now(self, size: str = "1h", service: str = "crawler") -> dict:
        """Return the newest window of a size."""
        prefix = f'service{{name="{service}"}}/{size}/'
        return max(
            (one for key, one in self.published.items() if key.startswith(prefix)),
            key=lambda one: one["window"]["start_ms"],
        )


def seconds(window: dict) -> tuple[float, float, float, float]:
    return tuple(window[name] / 1000 for name in ("up_ms", "degraded_ms", "down_ms", "unknown_ms"))  # type: ignore[return-value]
