"""Chunks continue one another; what Kafka removed is said once, and reading goes on behind it."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

import agents.kafka.offset_gaps as continuity
from agents.kafka.chunks import Chunk, Gap
from agents.kafka.offset_gaps import ChunkSequence
from agents.kafka.transport import Begin

PLACE = TP("operations", 0)
AT_START = Begin(0)


class App:
    """As much of an app as continuity knows."""

    def __init__(self, begin: Begin = AT_START) -> None:
        self.consumer_generation_id = 1
        self.rebalancing = False
        self.tables = SimpleNamespace(changelog_topics=set())
        self.consumer: Any = self
        self.chunked_topics = frozenset({PLACE.topic})
        self.waiting = 0
        self.begin, self.log_start, self.at = begin, 0, 0
        self.sought: list[int] = []
        self.gaps: list[Gap] = []
        self.continuity = ChunkSequence(self, self.missing)

    def assignment(self) -> set[TP]:
        return {PLACE}

    def assigned(self, topic: str) -> list[TP]:
        return [PLACE]

    async def begin_of(self, tp: TP) -> Begin:
        return self.begin

    async def earliest(self, tp: TP) -> int:
        return self.log_start

    def position_of(self, tp: TP) -> int:
        return self.at

    async def seek(self, tp: TP, offset: int) -> None:
        self.sought.append(offset)

    async def missing(self, tp: TP, gap: Gap) -> None:
        self.gaps.append(gap)

    async def accept(self, start: int, end: int) -> Chunk | None:
        message = SimpleNamespace(tp=PLACE, generation_id=1, value=Chunk(start, end, []))
        return await self.continuity.accept(message)


async def test_what_was_dropped_is_read_again() -> None:
    app = App()
    assert await app.accept(0, 10) == Chunk(0, 10, [])
    assert await app.accept(20, 30) is None
    assert (app.sought, app.gaps) == ([10], [])
    assert await app.accept(10, 30) == Chunk(10, 30, [])


async def test_what_was_removed_before_the_assignment_is_said_first() -> None:
    app = App(Begin(15, Gap(10, 15, 99)))
    assert await app.accept(15, 20) == Chunk(15, 20, [])
    assert app.gaps == [Gap(10, 15, 99)]


async def test_what_was_removed_while_it_was_waited_for_is_said_and_not_sought() -> None:
    app = App()
    await app.accept(0, 10)
    app.log_start = 25
    assert await app.accept(25, 30) == Chunk(25, 30, [])
    assert (app.sought, app.gaps) == ([], [Gap(10, 25)])


async def test_what_was_removed_and_dropped_is_said_and_the_rest_is_read_again() -> None:
    app = App()
    await app.accept(0, 10)
    app.log_start = 25
    assert await app.accept(40, 50) is None
    assert app.gaps == [Gap(10, 25)]
    await app.accept(40, 50)
    assert app.sought == [25]
    assert await app.accept(25, 50) == Chunk(25, 50, [])


async def test_what_was_removed_is_said_where_nothing_comes_after_it() -> None:
    app = App()
    await app.accept(0, 10)
    app.log_start = app.at = 25
    await app.continuity.look()
    assert app.gaps == []
    await app.continuity.look()
    assert app.gaps == [Gap(10, 25)]
    await app.continuity.look()
    await app.continuity.look()
    assert (app.sought, app.gaps) == ([], [Gap(10, 25)])
    assert await app.accept(25, 30) == Chunk(25, 30, [])


async def test_a_partition_that_is_read_is_not_looked_at() -> None:
    app = App()
    await app.accept(0, 10)
    app.log_start = app.at = 25
    async with app.continuity.turn(PLACE):
        await app.continuity.look()
        await app.continuity.look()
    assert app.gaps == []


@pytest.mark.parametrize("start", [11, 20])
async def test_a_seek_is_repeated_only_after_a_while(start, monkeypatch) -> None:
    app = App()
    await app.accept(0, 10)
    for _ in range(3):
        assert await app.accept(start, 30) is None
    assert app.sought == [10]
    monkeypatch.setattr(continuity, "_SEEK_AGAIN_S", 0.0)
    assert await app.accept(start, 30) is None
    assert app.sought == [10, 10]
