"""End a process that was stalled, or that is stuck, so that its supervisor restarts it.

A worker that slept through its session timeout has lost its partitions; if it went on, it would
write late (docs/faust.md, Tables).
"""

import os
import threading
import time
from collections.abc import Mapping

import structlog

log = structlog.get_logger()

EXIT_STALLED = 70
EXIT_STUCK = 71
_LOOK_S = 0.2
#: While other work is done, one piece may wait this many times as long: the machine may be slow.
_ALONE = 5


class Watchdog:
    """Checks from a thread that the event loop runs and that waiting work is done."""

    def __init__(self, stall_s: float, stuck_s: float) -> None:
        """Watch.

        Args:
            stall_s: exit when the process stood still for this long.
            stuck_s: exit when the loop did, or when work waited and none was done for this long; or
                when one piece of it waited several times as long while others were done.
        """
        self._stall_s = stall_s
        self._stuck_s = stuck_s
        self._turned = self._looked = time.monotonic()
        self._waiting: dict[str, tuple[int, float]] = {}
        self._moved = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        self._turned = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End watching."""
        self._ended.set()

    def turned(self) -> None:
        """Record that the loop runs. Call it before sending: a stalled process ends here."""
        now = time.monotonic()
        if now - self._turned > self._stall_s and not self._ended.is_set():
            self._exit(EXIT_STALLED, "the process stood still", now - self._turned)
        self._turned = now

    def waits(self, work: Mapping[str, int]) -> None:
        """Record what waits, and its position: work that does not move for long ends the process.

        Args:
            work: by name, a number that moves as the work is done. What is not named is done.
        """
        now = time.monotonic()
        before, self._waiting = self._waiting, {}
        for name, at in work.items():
            last = before.get(name)
            self._waiting[name] = (at, last[1] if last and last[0] == at else now)
        if not before or before.items() - self._waiting.items():
            self._moved = now
        for name, (_, since) in self._waiting.items():
            waited = now - since
            alone = waited > _ALONE * self._stuck_s
            together = min(waited, now - self._moved) > self._stuck_s
            if (alone or together) and not self._ended.is_set():
                self._exit(EXIT_STUCK, f"work waits and none is done: {name}", waited)

    def stuck(self, seconds: float) -> str | None:
        """Return what waits the longest, if no work was done for some seconds."""
        now = time.monotonic()
        if not self._waiting or now - self._moved < seconds:
            return None
        name, (_, since) = min(self._waiting.items(), key=lambda item: item[1][1])
        return name if now - since >= seconds else None

    def _watch(self) -> None:
        self._looked = time.monotonic()
        while not self._ended.wait(_LOOK_S):
            now = time.monotonic()
            if now - self._looked > self._stall_s:
                self._exit(EXIT_STALLED, "the process stood still", now - self._looked)
            self._looked = now
            if now - self._turned > max(self._stall_s, self._stuck_s):
                self._exit(EXIT_STUCK, "the event loop does not turn", now - self._turned)

    def _exit(self, status: int, why: str, seconds: float) -> None:
        log.critical("this process ends, to be started anew", why=why, seconds=round(seconds, 1))
        os._exit(status)
