"""Write what was read, batch after batch; wait where the database cannot, refuse what it never can.

A batch is written in one transaction with its offsets. If an entry is at fault, the batch is halved
until that entry is alone: it becomes a dead letter, its neighbours are written. Then, and only
then, are the offsets written and committed.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import structlog
from faust.types import TP

from agents.kafka.dead_letters import DeadLetterBuffer
from agents.kafka.producer import Producer
from agents.runtime.settings import Settings
from agents.store import metrics
from agents.store.batch import Batch, Gathered, Source
from agents.store.failures import Failure, failure_of, sentence_of
from agents.store.session import Logs, Session
from schemas.topics import DEAD_LETTERS
from streams.history.tables import Entry
from streams.record_limits import RefusedRecord
from streams.validation import cut

log = structlog.get_logger()

#: A batch that is this large is written at once, and no more is read until it is being written.
MOST_ENTRIES = 20_000
MOST_BYTES = 64 * 1024 * 1024
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 15.0
#: A write that takes longer is worth a word.
_LONG_S = 10.0
#: On SIGTERM the last batch has this long; else the next worker reads it again.
_STOP_S = 4.0


class Storing:
    """Batches on their way to the database."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        consumer: Callable[[], Any],
        topic_ids: Callable[[], dict[str, str]],
    ) -> None:
        """Begin without anything to write.

        Args:
            settings: the worker's.
            producer: publishes dead letters.
            consumer: returns the ChunkConsumer.
            topic_ids: returns the ids of the topics that are read, by full name.
        """
        self._interval_s = settings.db_interval_s
        self._dead_letters = settings.topic(DEAD_LETTERS)
        self._producer = producer
        self._consumer = consumer
        self._topic_ids = topic_ids
        self._session = Session(settings)
        self._alone = asyncio.Lock()  # a connection does one thing at a time
        self._batch = Batch()
        self._writing: Batch | None = None
        self._losses: dict[TP, int] = {}
        self._done: dict[TP, int] = {}
        self._full, self._room = asyncio.Event(), asyncio.Event()
        self._why: str | None = None
        self._since = 0.0
        self._began: float | None = None

    # ------------------------------------------------------------------ reading

    def turn_of(self, tp: TP) -> int:
        """Return what changes when a partition is lost."""
        return self._losses.get(tp, 0)

    def add(self, tp: TP, record: Any, entries: Sequence[Entry]) -> None:
        """Add a record's entries to the present batch."""
        self._batch.add(Source(tp, record), entries)
        self._batch.reach(tp, record.offset + 1)

    def reach(self, tp: TP, offset: int) -> None:
        """Note that a partition was read up to an offset."""
        self._batch.reach(tp, offset)

    async def room(self) -> None:
        """Wait while the present batch is full."""
        while self._is_full():
            self._room.clear()
            self._full.set()
            await self._room.wait()

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once: their next owner reads again what is not written."""
        for tp in tps:
            self._losses[tp] = self._losses.get(tp, 0) + 1
            self._done.pop(tp, None)
        for batch in (self._batch, self._writing):
            if batch is not None:
                batch.forget(tps)

    def _is_full(self) -> bool:
        return self._batch.count >= MOST_ENTRIES or self._batch.bytes >= MOST_BYTES

    # ------------------------------------------------------------------ writing

    async def beat(self) -> None:
        """Wait for a batch, and return once it is written."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._interval_s):
                await self._full.wait()
        await self._write()

    async def stop(self) -> None:
        """Write what was read, if the database takes it at once."""
        if self._writing is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await self._write()
        self._session.drop()

    async def make_partitions_ahead(self) -> None:
        """Make the partitions of tomorrow's windows, if the database is there."""
        if self._writing is None and self._why is None:
            try:
                async with self._alone:
                    await self._session.make_partitions_ahead()
            except Exception as error:  # noqa: BLE001 - they are made when they are needed
                self._session.drop()
                log.warning("no partitions are made ahead", why=sentence_of(error))

    def trouble(self) -> str | None:
        """Return why nothing is written, None if it is."""
        now = time.monotonic()
        if self._why is not None:
            return (
                f"the database has taken nothing for {now - self._since:.0f} s: {self._why}."
                " History waits in Kafka; nothing else does."
            )
        if self._began is not None and now - self._began > _LONG_S:
            return f"a write to the database has taken {now - self._began:.0f} s so far"
        return None

    async def _write(self) -> None:
        batch, self._batch = self._batch, Batch()
        self._full.clear()
        self._room.set()
        if not batch.offsets:
            return
        self._writing = batch
        try:
            await self._store(batch)
        finally:
            self._writing = None
        for tp, offset in batch.offsets.items():
            self._consumer().done(tp, offset)
            self._done[tp] = offset

    def written_to(self, tp: TP, begin: int) -> int:
        """Return up to which offset a partition is written, which was read from `begin` on."""
        return self._done.get(tp, begin)

    async def _store(self, batch: Batch) -> None:
        parts: list[list[Gathered]] = [batch.gathered()]
        is_whole, wait_s = True, _FIRST_WAIT_S
        while parts or not is_whole:
            if not parts:  # all halves are written: now the offsets
                parts, is_whole = [[]], True
            part = parts.pop()
            offsets = batch.offsets if is_whole else {}
            failure, error = await self._attempt(part, offsets)
            if failure is None:
                wait_s = _FIRST_WAIT_S
            elif failure is Failure.ENTRY and len(part) == 1:
                await self._refuse(part[0], error)
                is_whole = False
            elif failure in (Failure.ENTRY, Failure.TOO_SLOW) and len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                is_whole = False
            else:
                parts.append(part)
                await self._wait(error, wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _attempt(
        self, part: list[Gathered], offsets: dict[TP, int]
    ) -> tuple[Failure | None, BaseException | None]:
        """Write entries; return what follows if they are not written."""
        self._began = time.monotonic()
        try:
            async with self._alone:
                stored_before = await self._session.write(part, dict(offsets), self._logs())
        except Exception as error:  # noqa: BLE001 - failures.py judges each
            failure = failure_of(error)
            if failure is Failure.ENTRY:
                await self._session.roll_back()
            else:
                self._session.drop()
                self._session.forget_partitions()
            return failure, error
        else:
            metrics.write_seconds.observe(time.monotonic() - self._began)
            self._written(part, stored_before)
            return None, None
        finally:
            self._began = None

    def _written(self, part: list[Gathered], stored_before: int) -> None:
        if self._why is not None:
            log.info("the database takes rows again", after_s=round(time.monotonic() - self._since))
            self._why = None
            metrics.database_away.set(0)
        for table, count in Counter(item.entry.table.name for item in part).items():
            metrics.rows.labels(table).inc(count)
        metrics.stored_before.inc(stored_before)

    async def _wait(self, error: BaseException | None, wait_s: float) -> None:
        why = sentence_of(error) if error is not None else "it cannot be written"
        if self._why is None:
            self._since = time.monotonic()
            metrics.database_away.set(1)
        if self._why != why:
            log.warning("the database takes no rows: they are written again later", why=why)
        self._why = why
        await asyncio.sleep(wait_s * random.uniform(0.75, 1.25))

    async def _refuse(self, gathered: Gathered, error: BaseException | None) -> None:
        """Make a dead letter of the record whose entry no database of this form takes."""
        why = sentence_of(error) if error is not None else "it cannot be stored"
        detail = f"{gathered.entry.table.name}: {why}"
        await self.refuse(gathered.source.tp, gathered.source.record, detail)

    async def refuse(self, tp: TP, record: Any, detail: str) -> None:
        """Publish the dead letter of a record that is not stored.

        A dead letter that cannot be stored makes no other one: that would go on for ever.
        """
        detail = cut(detail)
        place = {"topic": tp.topic, "partition": tp.partition, "offset": record.offset}
        log.warning("a record is not stored", **place, why=detail)
        metrics.not_stored.labels(tp.topic).inc()
        if tp.topic == self._dead_letters:
            return
        letters = DeadLetterBuffer(self._dead_letters, tp.topic, tp.partition)
        value = bytes(record.value or b"")
        letters.add(RefusedRecord(record, None, "not_stored", detail, value))
        await letters.publish(self._producer)

    def _logs(self) -> Logs:
        batch = self._writing
        consumer = self._consumer()
        ends = {tp: consumer.end_of(tp)[0] for tp in batch.offsets} if batch is not None else {}
        ends_by_tp = {tp: end for tp, end in ends.items() if end is not None}
        return Logs(self._topic_ids(), ends_by_tp)
