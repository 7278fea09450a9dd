"""Chunks continue one another; what Kafka removed is said once, and reading goes on behind it."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.kafka import offset_gaps
from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.offset_gaps import ChunkSequence
from agents.kafka.restart_count import Begin, Start, Starts

PLACE = TP("operations", 0)
AT_START = Begin(0)


class App:
    """As much of an app as a sequence of chunks needs."""

    def __init__(self, begin: Begin = AT_START) -> None:
        self.consumer_generation_id = 1
        self.rebalancing = False
        self.tables = SimpleNamespace(changelog_topics=set())
        self.consumer: Any = self
        self.chunked_topics = frozenset({PLACE.topic})
        self.waiting = 0
        self.begin, self.log_start, self.at = begin, 0, 0
        self.log_end: int | None = None
        self.starts = Starts()
        self.starts._of[PLACE] = Start(offset=0, end=0, epoch=begin.epoch)
        self.corrupt: dict[TP, float] = {}
        self.sought: list[int] = []
        self.gaps: list[Gap] = []
        self.sequence = ChunkSequence(self, self.missing)

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

    def end_of(self, tp: TP) -> tuple[int | None, int | None]:
        moved = self.starts.of(tp).moved
        return (None if self.log_end is None else self.log_end + moved), None

    def corrupt_since(self) -> dict[TP, float]:
        return self.corrupt

    async def end_now(self, tp: TP) -> int:
        return self.log_end + self.starts.of(tp).moved

    async def go_to(self, tp: TP, offset: int) -> None:
        self.sought.append(offset)

    async def missing(self, tp: TP, gap: Gap) -> None:
        self.gaps.append(gap)

    async def accept(self, start: int, end: int, epoch: int | None = None) -> Chunk | None:
        epochs = () if epoch is None else ((start, epoch),)
        chunk = Chunk(start, end, [], epochs=epochs)
        message = SimpleNamespace(tp=PLACE, generation_id=1, value=chunk)
        return await self.sequence.accept(message)


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
    await app.sequence.look()
    assert app.gaps == []
    await app.sequence.look()
    assert app.gaps == [Gap(10, 25)]
    await app.sequence.look()
    await app.sequence.look()
    assert (app.sought, app.gaps) == ([], [Gap(10, 25)])
    assert await app.accept(25, 30) == Chunk(25, 30, [])


async def test_a_partition_that_is_read_is_not_looked_at() -> None:
    app = App()
    await app.accept(0, 10)
    app.log_start = app.at = 25
    async with app.sequence.turn(PLACE):
        await app.sequence.look()
        await app.sequence.look()
    assert app.gaps == []


@pytest.mark.parametrize("start", [11, 20])
async def test_a_seek_is_repeated_only_after_a_while(start, monkeypatch) -> None:
    app = App()
    await app.accept(0, 10)
    for _ in range(3):
        assert await app.accept(start, 30) is None
    assert app.sought == [10]
    monkeypatch.setattr(offset_gaps, "_SEEK_AGAIN_S", 0.0)
    assert await app.accept(start, 30) is None
    assert app.sought == [10, 10]


async def test_a_log_that_was_cut_is_gone_on_with_at_its_end_and_said_once() -> None:
    app = App()
    app.log_end = app.at = 50
    await app.accept(0, 50, epoch=3)
    app.log_end, app.at = 30, 0
    await app.sequence.look()
    assert (app.sought, app.gaps) == ([0], [])  # what is left of it is read again
    assert await app.accept(0, 30, epoch=3) is None
    app.at = 30
    await app.sequence.look()
    assert app.gaps == [Gap(50, 51, cut_at=30)]
    assert app.sought == [0, 51]
    app.at = app.starts.of(PLACE).moved + 30
    for _ in range(3):
        await app.sequence.look()
    assert (app.sought, app.gaps) == ([0, 51], [Gap(50, 51, cut_at=30)])
    assert await app.accept(30, 40, epoch=4) == Chunk(51, 61, [], epochs=((51, 4),))


async def test_what_a_later_leader_took_is_no_record_that_was_read() -> None:
    app = App()
    app.log_end = app.at = 80
    await app.accept(0, 50, epoch=3)
    await app.sequence.look()
    app.log_end, app.at = 40, 0
    await app.sequence.look()
    assert await app.accept(0, 30, epoch=3) is None
    # Up to 80 there were records that nobody read.
    assert await app.accept(30, 40, epoch=4) == Chunk(80, 90, [], epochs=((80, 4),))
    assert app.gaps == [Gap(50, 80, cut_at=30)]
    assert await app.accept(40, 45, epoch=5) == Chunk(90, 95, [], epochs=((90, 5),))


async def test_a_log_that_was_cut_while_nobody_read_is_noticed_by_its_leader() -> None:
    app = App(Begin(20, None, 50, 3))
    assert await app.accept(20, 30, epoch=3) == Chunk(20, 30, [], epochs=((20, 3),))
    assert await app.accept(30, 60, epoch=4) == Chunk(51, 81, [], epochs=((51, 4),))
    assert app.gaps == [Gap(50, 51, cut_at=30)]


async def test_a_new_leader_cuts_nothing() -> None:
    app = App(Begin(20, None, 50, 3))
    assert await app.accept(20, 50, epoch=3) is not None
    assert await app.accept(50, 60, epoch=4) is not None
    assert app.gaps == []


async def test_a_new_leader_that_knows_of_an_earlier_end_for_a_moment_cuts_nothing() -> None:
    app = App()
    app.log_end = app.at = 50
    await app.accept(0, 50, epoch=3)
    app.log_end = 45
    await app.sequence.look()
    app.log_end = 50
    for _ in range(3):
        await app.sequence.look()
    assert app.gaps == []


async def test_what_the_broker_cannot_read_is_passed_over_further_each_time() -> None:
    app = App()
    app.log_end = app.at = 10
    await app.accept(0, 10)
    app.log_end, app.corrupt[PLACE] = 300, time.monotonic()
    await app.sequence.look()
    assert app.gaps == []  # another replica may lead soon
    assert "operations/0 from offset 10 on (CORRUPT_MESSAGE)" in app.sequence.unready()
    app.corrupt[PLACE] -= offset_gaps.CORRUPT_PATIENCE_S
    for _ in range(2):
        await app.sequence.look()
    assert app.gaps == [Gap(10, 74, is_corrupt=True), Gap(74, 202, is_corrupt=True)]
    assert app.sought == [74, 202]
    app.corrupt.clear()
    assert app.sequence.unready() is None
    assert await app.accept(202, 300) == Chunk(202, 300, [])


async def test_nothing_is_passed_over_at_the_end_of_a_log() -> None:
    app = App()
    app.log_end = app.at = 10
    await app.accept(0, 10)
    app.corrupt[PLACE] = time.monotonic() - offset_gaps.CORRUPT_PATIENCE_S
    await app.sequence.look()
    assert app.gaps == []


async def test_the_rest_of_a_cut_log_is_waited_for_before_it_is_gone_on_with() -> None:
    app = App()
    app.log_end = app.at = 50
    await app.accept(0, 50, epoch=3)
    app.log_end, app.at = 40, 40
    for _ in range(3):  # it is fetched, and on its way
        await app.sequence.look()
    assert (app.sought, app.gaps) == ([0], [])
    assert await app.accept(0, 30, epoch=3) is None
    await app.sequence.look()
    assert app.gaps == []
    assert await app.accept(30, 40, epoch=4) == Chunk(51, 61, [], epochs=((51, 4),))
    assert app.gaps == [Gap(50, 51, cut_at=30)]
