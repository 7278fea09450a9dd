"""Publish scores at once; soon after, together, what else follows from them, and inputs' rows.

A score is sent at once, or with the next ones while some are on their way. What only windows wait
for is sent a few times a second: each request costs as much as assessing an analysis.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from agents.kafka.producer import OutgoingRecord, Producer
from agents.quality.input_tables import InputTables
from agents.runtime import failpoints

#: How long what is not urgent waits for more.
_LATER_S = 0.05


class _Publication(NamedTuple):
    records: Sequence[OutgoingRecord]
    later: Sequence[OutgoingRecord]
    partition: int
    published: "asyncio.Future[None]"
    """Ends once the broker has the records."""
    written: "asyncio.Future[None]"
    """Ends once the broker has those that go later, and the partition's rows, too."""


class ScorePublisher:
    """What is to be published, and the task that does."""

    def __init__(
        self,
        producer: Producer,
        inputs: InputTables,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Publish nothing yet.

        Args:
            producer: publishes.
            inputs: whose rows are written.
            fail: ends the worker.
        """
        self._producer = producer
        self._inputs = inputs
        self._fail = fail
        self._waiting: list[_Publication] = []
        self._published: list[_Publication] = []
        self._is_asked = asyncio.Event()
        self._has_published = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to publish."""
        self._tasks = [asyncio.create_task(run) for run in (self._run(), self._run_later())]

    def stop(self) -> None:
        """Publish no more: the next owner publishes the rest."""
        for task in self._tasks:
            task.cancel()

    def publish(
        self,
        partition: int,
        records: Sequence[OutgoingRecord],
        later: Sequence[OutgoingRecord] = (),
    ) -> "tuple[asyncio.Future[None], asyncio.Future[None]]":
        """Publish records of a partition's analysis.

        Returns:
            What ends once the broker has the records, and what ends once it has those that go
            later and the inputs' rows.
        """
        loop = asyncio.get_running_loop()
        ends = loop.create_future(), loop.create_future()
        self._waiting.append(_Publication(records, later, partition, *ends))
        self._is_asked.set()
        return ends

    async def _run(self) -> None:
        try:
            while True:
                await self._is_asked.wait()
                self._is_asked.clear()
                together, self._waiting = self._waiting, []
                failpoints.reached("quality_before_scores")
                await self._producer.publish(
                    record for publication in together for record in publication.records
                )
                failpoints.reached("quality_after_scores")
                for publication in together:
                    _end(publication.published)
                self._published += together
                self._has_published.set()
        except Exception as error:  # noqa: BLE001 - a task's edge: the worker ends by it
            self._fail(error)

    async def _run_later(self) -> None:
        try:
            while True:
                await self._has_published.wait()
                await asyncio.sleep(_LATER_S)
                self._has_published.clear()
                together, self._published = self._published, []
                await self._publish_later(together)
        except Exception as error:  # noqa: BLE001 - a task's edge: the worker ends by it
            self._fail(error)

    async def _publish_later(self, together: list[_Publication]) -> None:
        """Publish the rest, and write the rows: only now, since they say what was asked for."""
        partitions = {publication.partition for publication in together}
        await asyncio.gather(
            self._producer.publish(
                record for publication in together for record in publication.later
            ),
            *map(self._inputs.write, partitions),
        )
        failpoints.reached("quality_after_rows")
        for publication in together:
            _end(publication.written)


def _end(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
