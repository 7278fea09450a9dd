"""Run alerting for one partition assignment: decide, write, tick, and deliver."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from agents.alert import metrics
from agents.alert.clock import Alarm, now_ms
from agents.alert.deliverer import Deliverer
from agents.alert.receivers import Receivers
from agents.alert.writer import AlertWriter
from agents.kafka.producer import Producer
from agents.kafka.table import TableRows
from agents.runtime.settings import Settings
from streams.alerting.engine import AlertEngine, AlertView
from streams.alerting.inputs import Input, Tick, why_gone

log = structlog.get_logger()

#: What is published is noted in the rows this often, where nothing else changes them.
_TIDY_MS = 2_000
#: On SIGTERM requests in flight have this long.
GRACE_S = 3.0
#: A tick that leaves something due is followed by another after this.
_AGAIN_MS = 20


class Assignment:
    """Alerting from the recovery of the rows until the partition is another worker's."""

    def __init__(
        self, settings: Settings, producer: Producer, rows: TableRows, receivers: Receivers
    ) -> None:
        """Take over the recovered rows; nothing is done yet."""
        self._rows = rows.of(0)
        self._receivers = receivers
        self.generation = uuid.uuid4().hex[:12]
        self._alerting = AlertEngine(self._rows, receivers.channels, self.generation)
        self.writer = AlertWriter(settings, producer, self._alerting, rows)
        self._alarm = Alarm()
        self._deliverers: dict[str, Deliverer] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._dead: set[str] = set()

    def begin(self, turned: Callable[[], None], fail: Callable[[BaseException], None]) -> None:
        """Begin: first publish again what is not known to be published.

        Args:
            turned: ends a process that stood still.
            fail: ends the worker.
        """
        self._turned, self._fail = turned, fail
        self._start(self.writer.run())
        self._start(self._tick())
        self._start(self._tidy())
        self.use()
        log.info("alerts taken over", rows=len(self._rows), generation=self.generation)

    def use(self) -> None:
        """Use the receivers as they are now."""
        self._alerting.use(self._receivers.channels)
        for name in self._receivers.channels.by_name:
            if name not in self._deliverers:
                deliverer = self._deliverers[name] = Deliverer(
                    name, self._alerting, self.writer, self._alarm, self._turned
                )
                self._start(deliverer.run())
        for name, deliverer in self._deliverers.items():
            deliverer.sender = self._receivers.senders.get(name)
        self._alarm.ring()

    def apply(self, arrived: Input) -> None:
        """Decide on an input; wait for the writer before anything is done about it."""
        self._alerting.apply(arrived, now_ms())

    def alert(self, fingerprint: str) -> AlertView | None:
        """Return how an alert stands, None if there is none."""
        return self._alerting.alert(fingerprint)

    def ring(self) -> None:
        """Wake the deliverers and the ticks: something changed."""
        self._alarm.ring()

    def lose(self) -> None:
        """Stop at once, requests too: the partition is another's, or will be."""
        self.writer.lose()
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        """Begin no more requests, end those in flight, and write what came of them."""
        await asyncio.gather(*(deliverer.stop(GRACE_S) for deliverer in self._deliverers.values()))
        self.writer.tidy()
        await self.writer.written()

    def show(self) -> None:
        """Set the gauges, and log when a channel begins or ceases to seem dead."""
        queued = self._alerting.queued
        for name in self._deliverers:
            metrics.queued.labels(name).set(queued.get(name, 0))
            circuit = self._alerting.circuit(name)
            dead = circuit.gone or circuit.open_until_ms > 0
            if dead != (name in self._dead):
                self._dead ^= {name}
                if circuit.gone:
                    log.error("a channel is disabled", channel=name, why=why_gone(name))
                elif dead:
                    log.error(
                        "a channel seems dead: it gets one request in a while",
                        channel=name,
                        failures=circuit.failures,
                    )
                else:
                    log.info("a channel answers again", channel=name)
            metrics.circuit_open.labels(name).set(dead)

    def remarks(self) -> list[str]:
        """Return what an operator should know of the channels."""
        return [why_gone(name) for name in self._deliverers if self._alerting.circuit(name).gone]

    # ------------------------------------------------------------------ tasks

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self.writer.lost:
            self._fail(error)

    async def _tick(self) -> None:
        while True:
            rung = self._alarm.rung
            due_ms = self._alerting.next_due_ms()
            if due_ms is None or due_ms > now_ms():
                await self._alarm.wait(rung, due_ms)
                continue
            self.apply(Tick())
            self.ring()
            await self.writer.written()
            if self._alerting.next_due_ms() == due_ms:
                await asyncio.sleep(_AGAIN_MS / 1000)

    async def _tidy(self) -> None:
        await self.writer.written()
        while True:
            await asyncio.sleep(_TIDY_MS / 1000)
            self.writer.tidy()
            self.show()
