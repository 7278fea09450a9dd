"""Publish scores, then write the inputs' rows; what comes meanwhile goes together.

Nobody waits for a beat: a record is sent at once, or with the next batch while one is on its way.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from agents.kafka.producer import OutgoingRecord, Producer
from agents.quality.input_tables import InputTables
from agents.runtime import failpoints


class _Publication(NamedTuple):
    records: Sequence[OutgoingRecord]
    partition: int
    published: "asyncio.Future[None]"
    """Ends once the broker has the records."""
    written: "asyncio.Future[None]"
    """Ends once the broker has the partition's rows, too."""


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
        self._is_asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to publish."""
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Publish no more: the next owner publishes the rest."""
        if self._task is not None:
            self._task.cancel()

    def publish(
        self, partition: int, records: Sequence[OutgoingRecord]
    ) -> "tuple[asyncio.Future[None], asyncio.Future[None]]":
        """Publish records of a partition's analysis.

        Returns:
            What ends once the broker has the records, and what ends once it has the inputs' rows.
        """
        loop = asyncio.get_running_loop()
        publication = _Publication(records, partition, loop.create_future(), loop.create_future())
        self._waiting.append(publication)
        self._is_asked.set()
        return publication.published, publication.written

    async def _run(self) -> None:
        try:
            while True:
                await self._is_asked.wait()
                self._is_asked.clear()
                together, self._waiting = self._waiting, []
                await self._publish(together)
        except Exception as error:  # noqa: BLE001 - a task's edge: the worker ends by it
            self._fail(error)

    async def _publish(self, together: list[_Publication]) -> None:
        failpoints.reached("quality_before_scores")
        await self._producer.publish(
            record for publication in together for record in publication.records
        )
        failpoints.reached("quality_after_scores")
        for publication in together:
            _end(publication.published)
        partitions = {publication.partition for publication in together}
        await asyncio.gather(*map(self._inputs.write, partitions))
        failpoints.reached("quality_after_rows")
        for publication in together:
            _end(publication.written)


def _end(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
