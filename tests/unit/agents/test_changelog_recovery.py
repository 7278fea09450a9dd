"""Each assignment restores its rows from the changelog's start: its own records, and all."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

import agents.kafka.changelog_recovery as restoring
from agents.kafka.batches import UnreadableBatch
from agents.kafka.changelog_recovery import ChangelogRecovery
from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.offset_gaps import CORRUPT_PATIENCE_S

A, B = TP("changelog", 0), TP("changelog", 1)


async def none_unreadable(tp: TP, chunk: Chunk) -> None:
    raise AssertionError((tp, chunk))


async def none_missing(tp: TP, gap: Gap) -> None:
    raise AssertionError((tp, gap))


class App:
    """As much of an app as recovery needs: its consumer keeps what it seeks."""

    def __init__(self, log_start: int = 0) -> None:
        self.consumer_generation_id = 8
        self.in_recovery = self.rebalancing = True  # so says Faust until all is restored
        self.begun: list[dict[TP, int]] = []
        self.sought: list[tuple[TP, int]] = []
        self.positions: dict[TP, int] = {}
        self.log_start = log_start
        self.corrupt: dict[TP, float] = {}
        self.tables = SimpleNamespace(
            changelog_queue=asyncio.Queue(),
            changelog_topics={A.topic},
            recovery=SimpleNamespace(
                _build_offsets=self._build, active_highwaters={A: 99, B: -1}, active_offsets={}
            ),
        )
        self.consumer: Any = self

    async def _build(
        self, consumer: Any, tps: list[TP], offsets: dict[TP, int], title: str
    ) -> None:
        self.begun.append(dict(offsets))
        for tp in tps:
            offsets[tp] = max(offsets[tp], self.log_start - 1)

    async def begin(self, *tps: TP, **seen: int) -> None:
        await self.tables.recovery._build_offsets(None, tps, dict.fromkeys(tps, 700), "active")

    def assignment(self) -> set[TP]:
        return {A, B, TP("operations", 0)}

    def corrupt_since(self) -> dict[TP, float]:
        return self.corrupt

    async def seek(self, tp: TP, offset: int) -> None:
        self.sought.append((tp, offset))

    async def earliest(self, tp: TP) -> int:
        return self.log_start

    async def position(self, tp: TP) -> int:
        return self.positions[tp]

    def fetched(self, start: int, end: int, *, tp: TP = A, generation: int = 8) -> None:
        message = SimpleNamespace(tp=tp, generation_id=generation, value=Chunk(start, end, []))
        self.tables.changelog_queue.put_nowait(SimpleNamespace(message=message))

    async def taken(self) -> tuple[int, int] | None:
        """Return the next chunk's bounds, None if there is none."""
        try:
            async with asyncio.timeout(0.2):
                event = await self.tables.changelog_queue.get()
        except TimeoutError:
            return None
        return event.message.value[:2]


@pytest.fixture
def app() -> App:
    one = App()
    ChangelogRecovery(one, none_unreadable, none_missing)
    return one


async def test_what_was_seen_for_an_assignment_before_moves_no_offset(app: App) -> None:
    await app.begin(A, B)
    assert app.begun == [{A: -1, B: -1}]


async def test_records_fetched_for_an_assignment_before_are_not_taken_in(app: App) -> None:
    await app.begin(A)
    app.fetched(0, 5, generation=7)
    app.fetched(0, 9)
    assert await app.taken() == (0, 9)
    assert await app.taken() is None


async def test_what_comes_after_a_gap_waits_until_the_gap_is_read(app: App) -> None:
    await app.begin(A, B)
    app.fetched(0, 10)
    app.fetched(20, 30)
    app.fetched(0, 4, tp=B)
    app.fetched(30, 40)
    assert [await app.taken(), await app.taken()] == [(0, 10), (0, 4)]
    assert await app.taken() is None
    assert app.sought == [(A, 10)]
    for start in (10, 20, 30):
        app.fetched(start, start + 10)
    assert [await app.taken() for _ in range(3)] == [(10, 20), (20, 30), (30, 40)]
    assert app.sought == [(A, 10)]


async def test_a_gap_at_the_start_is_one_too(app: App) -> None:
    await app.begin(A)
    app.fetched(10, 20)
    assert await app.taken() is None
    assert app.sought == [(A, 0)]


async def test_a_log_may_begin_later_and_chunks_may_overlap() -> None:
    app = App(log_start=7)
    missing: list[tuple[TP, Gap]] = []

    async def told(tp: TP, gap: Gap) -> None:
        missing.append((tp, gap))

    ChangelogRecovery(app, none_unreadable, told)
    await app.begin(A)
    assert missing == [(A, Gap(0, 7))]
    app.fetched(7, 12)
    app.fetched(10, 15)
    app.fetched(15, 20)
    assert [await app.taken() for _ in range(3)] == [(7, 12), (10, 15), (15, 20)]
    assert app.sought == []


async def test_another_assignment_begins_anew(app: App) -> None:
    await app.begin(A)
    app.fetched(0, 50)
    assert await app.taken() == (0, 50)
    app.consumer_generation_id = 9
    await app.begin(A)
    app.fetched(50, 60, generation=9)
    assert await app.taken() is None
    assert app.sought == [(A, 0)]


@pytest.mark.parametrize(
    ("position", "sought"),
    [(100, [(A, 10)]), (10, [])],
    ids=["the end was read and dropped", "the end is still to be read"],
)
async def test_an_end_that_was_dropped_is_missed_though_nothing_comes_after_it(
    app: App, monkeypatch: pytest.MonkeyPatch, position: int, sought: list[tuple[TP, int]]
) -> None:
    monkeypatch.setattr(restoring, "_PATIENCE_S", 0.05)
    await app.begin(A)
    app.positions[A] = position
    app.fetched(0, 10)
    assert await app.taken() == (0, 10)
    assert await app.taken() is None
    assert app.sought[:1] == sought


async def test_tables_are_whole_once_each_changelog_is_read_to_where_it_ended(app: App) -> None:
    restoring = ChangelogRecovery(app, none_unreadable, none_missing)
    assert not restoring.is_whole()
    await app.begin(A, B)
    app.fetched(0, 99)
    app.fetched(99, 100)
    assert await app.taken() == (0, 99)
    assert not restoring.is_whole()
    assert await app.taken() == (99, 100)
    assert restoring.is_whole()


async def test_tables_of_the_assignment_before_are_not_whole_for_the_next(app: App) -> None:
    restoring = ChangelogRecovery(app, none_unreadable, none_missing)
    await app.begin(A, B)
    app.fetched(0, 100)
    assert await app.taken() == (0, 100)
    app.consumer_generation_id = 9
    assert not restoring.is_whole()
    await app.begin(A, B)
    assert not restoring.is_whole()
    app.fetched(0, 100, generation=9)
    assert await app.taken() == (0, 100)
    assert restoring.is_whole()


async def test_rows_that_cannot_be_read_are_said_and_restoring_goes_on() -> None:
    app, told = App(), []

    async def unreadable(tp: TP, chunk: Chunk) -> None:
        told.append((tp, chunk.unreadable))

    ChangelogRecovery(app, unreadable, none_missing)
    await app.begin(A)
    broken = (UnreadableBatch(2, 4, "why", b"", -1),)
    message = SimpleNamespace(tp=A, generation_id=8, value=Chunk(0, 50, [], broken))
    app.tables.changelog_queue.put_nowait(SimpleNamespace(message=message))
    app.fetched(50, 100)
    assert [await app.taken() for _ in range(2)] == [(0, 50), (50, 100)]
    assert told == [(A, broken)]


async def test_what_is_removed_while_it_is_restored_is_said() -> None:
    app, missing = App(), []

    async def told(tp: TP, gap: Gap) -> None:
        missing.append(gap)

    ChangelogRecovery(app, none_unreadable, told)
    await app.begin(A)
    app.fetched(0, 10)
    assert await app.taken() == (0, 10)
    app.log_start = 30
    app.fetched(30, 60)
    app.fetched(30, 60)
    assert await app.taken() == (30, 60)
    assert missing == [Gap(10, 30)]
    assert app.sought == []


async def test_rows_that_the_broker_cannot_read_are_passed_over_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(restoring, "_PATIENCE_S", 0.01)
    app, gaps = App(), []

    async def missing(tp: TP, gap: Gap) -> None:
        gaps.append((tp, gap))

    recovery = ChangelogRecovery(app, none_unreadable, missing)
    await app.begin(A, B)
    app.fetched(0, 10)
    assert await app.taken() == (0, 10)
    app.corrupt[A] = time.monotonic() - CORRUPT_PATIENCE_S
    assert await app.taken() is None
    assert gaps == [(A, Gap(10, 74, is_corrupt=True)), (A, Gap(74, 100, is_corrupt=True))]
    assert app.sought == [(A, 74), (A, 100)]
    assert app.tables.recovery.active_offsets == {A: 99}
    assert recovery.is_whole()


async def test_rows_that_were_dropped_are_not_whole_before_reading_has_begun_again() -> None:
    app = App()
    recovery = ChangelogRecovery(app, none_unreadable, none_missing)
    await app.begin(B)
    app.assignment = lambda: {B}  # type: ignore[method-assign]
    assert recovery.is_whole()
    recovery.lost()
    assert not recovery.is_whole()
    app.assignment = lambda: set()  # type: ignore[method-assign]  # between two assignments
    assert not recovery.is_whole()
    await app.begin()
    assert recovery.is_whole()


async def test_reading_that_began_before_a_loss_restores_nothing() -> None:
    app = App()
    recovery = ChangelogRecovery(app, none_unreadable, none_missing)
    build = app._build

    async def slow(*args: Any) -> None:
        recovery.lost()
        await build(*args)

    recovery._build = slow  # type: ignore[assignment]
    await app.begin(B)
    assert not recovery.is_whole()
