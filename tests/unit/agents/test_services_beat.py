"""The services' beat: where it begins, and what it lets go of."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.kafka.fetch_unpacking import Chunk
from agents.kafka.table import TableRows
from agents.measure.services import ServicesBeat
from agents.runtime import metrics
from agents.runtime.settings import Settings
from schemas.topics import BEATS


class Worker:
    """A worker with two partitions of `beats`."""

    def __init__(self) -> None:
        settings = Settings(_env_file=None)
        self.tps = [TP(settings.topic(BEATS), number) for number in (0, 1)]
        self.asked: list[TP] = []
        self.loses: TP | None = None
        rows = TableRows(SimpleNamespace(of=lambda _: {}), "changelog", self)
        self.beat = ServicesBeat(settings, self, lambda: self, rows)

    async def publish(self, records: Iterable[Any]) -> None:
        list(records)
        if self.loses is not None:
            self.beat.lost([self.loses])

    async def begins(self, _: str) -> dict[TP, int]:
        return dict.fromkeys(self.tps, 100)

    def end_of(self, tp: TP) -> tuple[int | None, int | None]:
        self.asked.append(tp)
        return 105, None

    def count_of(self, _: str) -> int:
        return 2

    def done(self, *_: Any) -> None:
        pass


async def test_a_chunk_that_leaves_something_out_is_refused() -> None:
    worker = Worker()
    await worker.beat.beat()
    await worker.beat.read(worker.tps[0], Chunk(100, 106, []))
    with pytest.raises(RuntimeError):
        await worker.beat.read(worker.tps[0], Chunk(107, 108, []))


async def test_a_partition_that_is_lost_meanwhile_is_looked_at_no_more() -> None:
    worker = Worker()
    await worker.beat.beat()
    worker.loses = worker.tps[1]
    worker.asked.clear()
    await worker.beat.beat()
    assert worker.asked == [worker.tps[0]]
    assert (1,) not in {tuple(map(int, key)) for key in metrics.services._metrics}
