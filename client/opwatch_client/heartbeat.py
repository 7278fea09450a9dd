"""Publish the status of a service every few seconds while it runs."""

import asyncio
import contextlib
import threading
from time import time_ns
from types import TracebackType
from typing import Literal, Self

from opwatch_client import current, wire

MIN_EVERY_S = 0.1
MAX_EVERY_S = 86_400.0
_MESSAGE_LENGTH = 1000


class Heartbeat:
    """The heartbeats of one service: `with`, `async with`, or `await heartbeat(...).run()`.

    `with` beats from a daemon thread: it shows that the process lives. `async with` and `run` beat
    from the running event loop: if the loop hangs, the beats stop.

    Ending publishes nothing: a restart within three intervals goes unnoticed, and a service that
    stays away longer is down. Call `down()` before the end to publish that at once.
    """

    def __init__(self, service: str, every: float = 10.0) -> None:
        """Set the service and the seconds between beats (0.1 to a day; else 10).

        Nothing is sent yet.
        """
        self.service = wire.name(service, wire.UNNAMED)
        every_s = wire.number(every, MAX_EVERY_S)
        if every_s is None or every_s < MIN_EVERY_S:
            current.publisher().bad("every")
            every_s = 10.0
        self.every_s = every_s
        self._status: tuple[Literal["up", "degraded", "down"], str | None] = ("up", None)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None

    # ---------------------------------------------------------------- the status

    def up(self) -> None:
        """Report up, now and with every further beat."""
        self._set("up", None)

    def degraded(self, message: str | None = None) -> None:
        """Report degraded: it works, but not well."""
        self._set("degraded", message)

    def down(self, message: str | None = None) -> None:
        """Report down: it does not work, or is about to end."""
        self._set("down", message)

    def beat(self) -> None:
        """Publish the status now. Never raises, never waits."""
        try:
            status, message = self._status
            fields: wire.Fields = {
                "version": 1,
                "service": self.service,
                "status": status,
                "sent_at": time_ns() // 1_000_000,
                "every_s": self.every_s,
            }
            if message is not None:
                fields["message"] = message
            key = self.service.encode("utf-8", "replace")
            current.publisher().beat(key, wire.encode(fields))
        except Exception:  # noqa: BLE001 - measuring must never break what it measures
            current.publisher().bad("heartbeat")

    def _set(self, status: Literal["up", "degraded", "down"], message: object) -> None:
        text = None if message is None else wire.text(message, _MESSAGE_LENGTH)
        before, self._status = self._status, (status, text)
        if self._status != before:
            self.beat()

    # ---------------------------------------------------------------- from a thread

    def start(self) -> Self:
        """Beat from a thread until `stop`; if no thread can be started, only once."""
        if self._thread is None:
            self._ended = threading.Event()
            self.beat()
            thread = threading.Thread(
                target=self._beat_on, args=(self._ended,), name="opwatch-heartbeat", daemon=True
            )
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread
        return self

    def stop(self) -> None:
        """Stop beating, without waiting."""
        self._ended.set()
        self._thread = None

    def _beat_on(self, ended: threading.Event) -> None:
        while not ended.wait(self.every_s):
            self.beat()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # ---------------------------------------------------------------- from a loop

    async def run(self) -> None:
        """Beat from the running event loop until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(self.every_s)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
