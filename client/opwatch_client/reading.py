"""Read scores and requests to remedy, from a daemon thread with its own event loop."""

import asyncio
import contextlib
import functools
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from opwatch_client.consumer import Consumer, Incoming, TopicConsumer
from opwatch_client.logs import Warnings, last_error, mark_thread
from opwatch_client.loop import Loop
from opwatch_client.received_scores import ScoreBoard
from opwatch_client.settings import Settings
from opwatch_client.threads import NativeThread, lock

_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 5.0
_SCORES_TOGETHER = 500
#: Requests that are handled at the same time; those that follow wait for all of them.
REQUESTS_TOGETHER = 4


class MakeConsumer(Protocol):
    """Makes what reads a topic."""

    def __call__(self, topic: str, *, group: str | None, since_ms: int = 0) -> Consumer: ...


#: Handles requests that were read, and returns when all are done.
Handle = Callable[[list[Incoming]], Awaitable[None]]


class Reader:
    """A thread that reads what somebody wants, until `close`."""

    def __init__(
        self, settings: Settings, scores: ScoreBoard, consumer: MakeConsumer | None = None
    ) -> None:
        """Start nothing yet; tests replace `consumer`."""
        self._settings = settings
        self._scores = scores
        self._consumer = consumer or functools.partial(TopicConsumer, settings)
        self._warn = Warnings()
        self._lock = lock()
        self._thread: NativeThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun: dict[str, Callable[[], Awaitable[None]]] = {}
        self._awake = asyncio.Event()
        self._closing = False

    def read_scores(self) -> None:
        """Read scores from now on; a second call changes nothing."""
        if "scores" not in self._begun:
            since_ms = self._scores.oldest_ms()
            self._begin("scores", functools.partial(self._follow_scores, since_ms))

    def read_requests(self, handle: Handle) -> None:
        """Read requests to remedy from now on, as one of the service's consumer group."""
        self._begin("requests", functools.partial(self._follow_requests, handle))

    def close(self, timeout_s: float) -> None:
        """End the thread; what is being handled is cancelled."""
        with self._lock:
            thread, self._closing = self._thread, True
            self._wake()
        if thread is not None:
            thread.join(timeout_s)

    def _begin(self, name: str, follow: Callable[[], Awaitable[None]]) -> None:
        with self._lock:
            if name in self._begun or self._closing:
                return
            self._begun[name] = follow
            if self._thread is None:
                thread = NativeThread(self._work)
                try:
                    thread.start()
                except RuntimeError as error:  # out of threads, or Python is about to end
                    del self._begun[name]
                    self._warn("opwatch could not start its thread: %s", error)
                    return
                self._thread = thread
            self._wake()

    def _wake(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._awake.set)

    # ---------------------------------------------------------------- in the thread

    def _work(self) -> None:
        mark_thread()
        with asyncio.Runner(loop_factory=Loop, debug=False) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        tasks: dict[str, asyncio.Task[None]] = {}
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._awake.set()
        while not self._closing:
            await self._awake.wait()
            self._awake.clear()
            for name, follow in list(self._begun.items()):
                if name not in tasks:
                    tasks[name] = asyncio.ensure_future(follow())
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _follow_scores(self, since_ms: int) -> None:
        consumer = self._consumer(self._settings.quality_scores, group=None, since_ms=since_ms)

        async def read() -> None:
            for record in await consumer.read(_SCORES_TOGETHER):
                self._scores.put(record.key, record.value)

        await self._follow(consumer, read)

    async def _follow_requests(self, handle: Handle) -> None:
        topic = self._settings.remediations
        consumer = self._consumer(topic, group=f"{topic}.{self._settings.service_name}")

        async def read() -> None:
            if records := await consumer.read(REQUESTS_TOGETHER):
                await handle(records)
                await consumer.commit()

        await self._follow(consumer, read)

    async def _follow(self, consumer: Consumer, read: Callable[[], Awaitable[None]]) -> None:
        """Read for ever; after an error connect again."""
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                await consumer.start()
                while True:
                    await read()
                    delay_s = _FIRST_DELAY_S
            except Exception as error:  # noqa: BLE001 - the host would never see this thread die
                reason = str(error) or type(error).__name__
                cause = last_error()
                self._warn("opwatch cannot read (%s%s) and retries", reason, cause and f"; {cause}")
            finally:
                await consumer.stop()
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
