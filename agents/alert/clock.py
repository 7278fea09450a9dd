"""Tell the time, and wake those who wait for one when something changes before it."""

import asyncio
import contextlib
import time

#: Nobody waits longer without looking again: clocks are set, too.
_MOST_S = 1.0
_LEAST_S = 0.002


def now_ms() -> int:
    """Return the clock, epoch milliseconds UTC."""
    return int(time.time() * 1000)


class Alarm:
    """Rings for all who wait."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self.rung = 0
        """How often it rang: look before deciding to wait, so that no ring is missed."""
        self._ring = asyncio.Event()

    def ring(self) -> None:
        """Wake all who wait."""
        self.rung += 1
        self._ring.set()
        self._ring = asyncio.Event()

    async def wait(self, rung: int, until_ms: int | None) -> None:
        """Return at a time, or when it rang more than so often, or after a second."""
        if self.rung != rung:
            return
        seconds = _MOST_S if until_ms is None else (until_ms - now_ms()) / 1000
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ring.wait(), min(max(seconds, _LEAST_S), _MOST_S))
