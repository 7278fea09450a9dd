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
from agents.runtime.tasks import start_task

#: How long what is not urgent waits for more: each partition that gets a record costs a fetch.
_LATER_S = 0.2


class _Publication(NamedTuple):
    records: Sequence[OutgoingRecord]
    published: "asyncio.Future[None]"
    """Ends once the broker has the records."""


class _Following(NamedTuple):
    records: Sequence[OutgoingRecord]
    partition: int
    written: "asyncio.Future[None]"
    """Ends once the broker has the records, and the partition's rows."""


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
        self._following: list[_Following] = []
        self._is_asked = asyncio.Event()
        self._is_followed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to publish."""
        runs = self._run(), self._run_following()
        self._tasks = [start_task(run, self._fail) for run in runs]

    def stop(self) -> None:
        """Publish no more: the next owner publishes the rest."""
        for task in self._tasks:
            task.cancel()

    def publish(self, records: Sequence[OutgoingRecord]) -> "asyncio.Future[None]":
        """Publish the score of an analysis; return what ends once the broker has it."""
        published: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Publication(records, published))
        self._is_asked.set()
        return published

    def follow(self, partition: int, records: Sequence[OutgoingRecord]) -> "asyncio.Future[None]":
        """Publish what follows from scores, and write a partition's inputs.

        Returns:
            What ends once the broker has both.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._following.append(_Following(records, partition, written))
        self._is_followed.set()
        return written

    async def _run(self) -> None:
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

    async def _run_following(self) -> None:
        while True:
            await self._is_followed.wait()
            await asyncio.sleep(_LATER_S)
            self._is_followed.clear()
            together, self._following = self._following, []
            await asyncio.gather(
                self._producer.publish(
                    record for following in together for record in following.records
                ),
                *map(self._inputs.write, {following.partition for following in together}),
            )
            failpoints.reached("quality_after_rows")
            for following in together:
                _end(following.written)


def _end(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
