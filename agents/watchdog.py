"""End a process that was stalled, or that is stuck: whatever runs it starts it anew.

A worker that slept through its session timeout has lost its partitions; if it went on, it would
write late (design/faust-facts.md, traps 13 and 15).
"""

import os
import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

EXIT_STALLED = 70
EXIT_STUCK = 71
_LOOK_S = 0.2


class Watchdog:
    """Watches from a thread that the loop turns, and that work which waits is done."""

    def __init__(self, stall_s: float, stuck_s: float, waiting: Callable[[], bool]) -> None:
        """Watch.

        Args:
            stall_s: exit when the process, or its loop, stood still for so long.
            stuck_s: exit when there was work and none was done for so long.
            waiting: says whether there is work.
        """
        self._stall_s = stall_s
        self._stuck_s = stuck_s
        self._waiting = waiting
        self._turned = self._looked = self._worked = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        self.turned()
        self.worked()
        self._thread.start()

    def stop(self) -> None:
        """End watching."""
        self._ended.set()

    def turned(self) -> None:
        """Say that the loop turns. Call it before anything is sent: a stalled process ends here."""
        now = time.monotonic()
        if now - self._turned > self._stall_s and not self._ended.is_set():
            self._exit(EXIT_STALLED, "the process stood still", now - self._turned)
        self._turned = now

    def worked(self) -> None:
        """Say that work was done."""
        self._worked = time.monotonic()

    def _watch(self) -> None:
        self._looked = time.monotonic()
        while not self._ended.wait(_LOOK_S):
            now = time.monotonic()
            if now - self._looked > self._stall_s:
                self._exit(EXIT_STALLED, "the process stood still", now - self._looked)
            self._looked = now
            if now - self._turned > max(self._stall_s, self._stuck_s):
                self._exit(EXIT_STUCK, "the event loop does not turn", now - self._turned)
            if not self._waiting():
                self._worked = now
            elif now - self._worked > self._stuck_s:
                self._exit(EXIT_STUCK, "there is work and none is done", now - self._worked)

    def _exit(self, status: int, why: str, seconds: float) -> None:
        log.critical("this process ends, to be started anew", why=why, seconds=round(seconds, 1))
        os._exit(status)
