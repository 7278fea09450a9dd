"""Write what changed of the alerts and publish what was decided, one round at a time.

A round: write the rows and wait for the broker, publish their decisions and wait, note
that they are published. Whoever changed something waits for a round that began after it; those who
wait share one, so that ten thousand breaches need a few.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from agents.alert import metrics
from agents.kafka.dead_letters import dead_letter
from agents.kafka.producer import OutgoingRecord, Producer
from agents.kafka.table import TableRows
from agents.runtime import failpoints
from agents.runtime.settings import Settings
from schemas.topics import BREACHES, DEAD_LETTERS, NOTIFICATIONS
from streams.alerting.engine import AlertEngine, DecisionRecord

#: Decisions published together; the loop is let go in between.
_TOGETHER = 1_000


class Lost(Exception):
    """The alerts are another worker's now."""


class AlertWriter:
    """The one writer of an assignment's rows."""

    def __init__(
        self, settings: Settings, producer: Producer, alerting: AlertEngine, rows: TableRows
    ) -> None:
        """Write the rows of `alerting` to its table's changelog; nothing is written yet."""
        self._settings = settings
        self._producer = producer
        self._alerting = alerting
        self._rows = rows
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._served: list[asyncio.Future[None]] = []
        self._tidy = False
        self.lost = False
        """Whether nothing may be written any more."""

    async def written(self) -> None:
        """Return once all that changed before this call is with the broker.

        Raises:
            Lost: it will not be: the partition is another worker's.
        """
        if self.lost:
            raise Lost
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._wanted.set()
        await waiting

    def begin(self) -> None:
        """Write what has changed so far; nobody waits for it yet."""
        self._wanted.set()

    def tidy(self) -> None:
        """Let the next round also write the rows that changed only in what is published."""
        self._tidy = True
        self._wanted.set()

    def lose(self) -> None:
        """Write nothing more, and let nobody wait."""
        self.lost = True
        for waiting in (*self._waiting, *self._served):
            if not waiting.done():
                waiting.set_exception(Lost())

    async def run(self) -> None:
        """Write whenever somebody waits, until cancelled.

        Raises:
            KafkaError: the broker refuses what is written for good.
        """
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._served, self._waiting = self._waiting, []
            with metrics.write_seconds.time():
                await self._round()
            for waiting in self._served:
                if not waiting.done():
                    waiting.set_result(None)
            self._served = []

    async def _round(self) -> None:
        tidy, self._tidy = self._tidy, False
        changes = self._alerting.take_changes(published=tidy)
        # Taken together with the rows: what is decided meanwhile is not written yet.
        decided = list(self._alerting.unpublished())
        await self._rows.write(0, changes)
        if not decided:
            return
        failpoints.reached("alert_before_publish")
        records = self._records(decided)
        while batch := list(islice(records, _TOGETHER)):
            await self._producer.publish(batch)
        failpoints.reached("alert_after_publish")
        self._alerting.published(decided)

    def _records(self, decided: Iterable[DecisionRecord]) -> Iterator[OutgoingRecord]:
        topic = self._settings.topic(NOTIFICATIONS)
        reasons = Counter[str]()
        for record in decided:
            yield OutgoingRecord(topic, 0, record.key, record.value)
            decision = _read(record.value)
            reasons[decision.reason] += 1
            if record.dead_letter:
                metrics.gave_up.labels(decision.channel).inc()
                yield self._letter(decision, record.dead_letter)
        for reason, count in reasons.items():
            metrics.decisions.labels(reason).inc(count)

    def _letter(self, decision: "_Published", breach: bytes) -> OutgoingRecord:
        """Return the dead letter of a delivery that was given up."""
        offset = -1 if decision.cause.offset is None else decision.cause.offset
        return dead_letter(
            self._settings.topic(DEAD_LETTERS),
            breach,
            "undelivered",
            decision.sentence,
            place=(self._settings.topic(BREACHES), 0, offset, None),
            timestamp_ms=int(time.time() * 1000),
            delivery=decision.delivery,
        )


class _Cause(msgspec.Struct):
    offset: int | None = None


class _Published(msgspec.Struct):
    """What is read of a decision here."""

    reason: str
    sentence: str
    channel: str | None
    delivery: str | None
    cause: _Cause


_read = msgspec.json.Decoder(_Published).decode
