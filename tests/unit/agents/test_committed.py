"""All who ask where reading begins hear the same during an assignment."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from agents.kafka.commit_metadata import CommitMetadata, CommitProgress
from agents.kafka.fetch_unpacking import Gap
from agents.kafka.restart_count import Begin, begin_of
from agents.kafka.transport import ChunkConsumer

PLACE = TP("operations", 0)


class Asked(ChunkConsumer):
    """A consumer whose broker answers as it is told to."""

    chunked_topics = frozenset({"operations", "partials", "changelog"})

    def __init__(self, *answers: int) -> None:
        tables = SimpleNamespace(changelog_topics={"changelog"})
        self.app = SimpleNamespace(rebalancing=False, tables=tables)
        self._begins: dict[TP, Begin] = {}
        self._asking = asyncio.Lock()
        self.asked: list[set[TP]] = []
        self._answers = list(answers)

    def assigned(self, topic: str) -> list[TP]:
        return [TP(topic, 0)]

    async def _ask_begins(self, tps: Collection[TP]) -> dict[TP, Begin]:
        self.asked.append(set(tps))
        answer = self._answers.pop(0)
        await asyncio.sleep(0)
        return dict.fromkeys(tps, Begin(answer))


def test_a_late_commit_of_the_last_owner_moves_nobody():
    async def ask() -> list[Begin]:
        consumer = Asked(0, 1998)
        return [await consumer.begin_of(PLACE), await consumer.begin_of(PLACE)]

    assert asyncio.run(ask()) == [Begin(0), Begin(0)]


def test_two_who_ask_at_once_hear_the_same():
    async def ask() -> list[Begin]:
        consumer = Asked(0, 1998)
        return await asyncio.gather(consumer.begin_of(PLACE), consumer.begin_of(PLACE))

    assert len(set(asyncio.run(ask()))) == 1


def test_what_was_heard_before_a_loss_is_not_heard_after_it():
    async def ask() -> tuple[Begin, Begin]:
        consumer = Asked(0, 1998)
        before = asyncio.create_task(consumer.begin_of(PLACE))
        await asyncio.sleep(0)
        consumer._begins = {}
        return await consumer.begin_of(PLACE), await before

    assert asyncio.run(ask()) == (Begin(1998), Begin(0))


def test_nothing_begins_where_a_loss_came_between():
    async def ask() -> tuple[dict[TP, int], dict[TP, int]]:
        consumer = Asked(0, 1998)
        before = asyncio.create_task(consumer.begins("operations"))
        await asyncio.sleep(0)
        consumer._begins = {}
        return await consumer.begins("operations"), await before

    assert asyncio.run(ask()) == ({PLACE: 1998}, {})


def test_all_partitions_that_agents_read_are_asked_about_at_once():
    async def ask() -> list[set[TP]]:
        consumer = Asked(0, 1998)
        await consumer.begin_of(PLACE)
        await consumer.begin_of(TP("partials", 0))
        return consumer.asked

    assert asyncio.run(ask()) == [{PLACE, TP("partials", 0)}]


END = 30


def counted(read_to: int, **more: int) -> str:
    """Return a commit's metadata."""
    return CommitMetadata(progress=CommitProgress(read_to, 99), **more).text()


@pytest.mark.parametrize(
    ("commit", "earliest", "begin"),
    [
        (None, 0, Begin(0)),
        (None, 15, Begin(15)),  # nobody read what was removed: nothing is missed
        (OffsetAndMetadata(-1, ""), 15, Begin(15)),
        (OffsetAndMetadata(20, ""), 15, Begin(20)),
        (OffsetAndMetadata(20, counted(27)), 15, Begin(20)),  # a block is read from its start
        (OffsetAndMetadata(10, ""), 15, Begin(15, Gap(10, 15))),
        (OffsetAndMetadata(10, counted(12)), 15, Begin(15, Gap(12, 15, 99))),
        (OffsetAndMetadata(10, counted(15)), 15, Begin(15)),
        (OffsetAndMetadata(10, counted(17)), 15, Begin(17)),  # counted before it was removed
        (OffsetAndMetadata(20, counted(31)), 15, Begin(31)),  # the log was cut at 30
        (OffsetAndMetadata(40, ""), 15, Begin(40)),
        (OffsetAndMetadata(20, counted(50, moved=30)), 15, Begin(50)),
        (OffsetAndMetadata(20, counted(60, moved=30)), 15, Begin(50)),
        (OffsetAndMetadata(20, counted(61, moved=30)), 15, Begin(61)),
        (OffsetAndMetadata(10, counted(42, moved=30)), 15, Begin(45, Gap(42, 45, 99))),
        (OffsetAndMetadata(10, "somebody's"), 15, Begin(15, Gap(10, 15))),
        (OffsetAndMetadata(10, counted(4)), 15, Begin(15, Gap(10, 15, 99))),
    ],
)
def test_reading_begins_where_nothing_is_counted_twice_and_says_what_is_gone(
    commit, earliest, begin
):
    assert begin_of(commit, earliest, END)[:2] == begin[:2]


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "[]",
        "{",
        '{"counted":[1]}',
        '{"counted":[1,2,3]}',
        '{"counted":7}',
        '{"counted":[1e999,1]}',
        '{"topics":7}',
        '{"starts":"many"}',
        '{"poison":5}',
        '{"moved":"far"}',
        "null",
        "[" * 2000,
    ],
)
def test_metadata_that_is_not_ours_says_nothing(text):
    assert begin_of(OffsetAndMetadata(10, text), 15, END)[:2] == (15, Gap(10, 15))


async def test_a_seek_runs_in_the_thread_that_takes_records() -> None:
    done: list[object] = []
    in_thread = False

    def seek(tp: TP, offset: int) -> None:
        assert in_thread, "records may be taken at the same time"
        done.append((tp, offset))

    async def call_thread(method: Any, *args: object) -> None:
        nonlocal in_thread
        in_thread = True
        method(*args)
        in_thread = False

    consumer = Asked()
    consumer._thread = SimpleNamespace(
        _ensure_consumer=lambda: SimpleNamespace(seek=seek), call_thread=call_thread
    )
    consumer._read_offset = {}
    consumer.log = SimpleNamespace(dev=lambda *_: None)
    await consumer.seek(PLACE, 7)
    assert done == [(PLACE, 7)]
