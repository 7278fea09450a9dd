"""All who ask where reading begins hear the same during an assignment."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace

from faust.types import TP

from agents.transport import ChunkConsumer

PLACE = TP("operations", 0)


class Asked(ChunkConsumer):
    """A consumer whose broker answers as it is told to."""

    chunked_topics = frozenset({"operations", "partials", "changelog"})

    def __init__(self, *answers: int) -> None:
        tables = SimpleNamespace(changelog_topics={"changelog"})
        self.app = SimpleNamespace(rebalancing=False, tables=tables)
        self._begins: dict[TP, int] = {}
        self._asking = asyncio.Lock()
        self.asked: list[set[TP]] = []
        self._answers = list(answers)

    def assigned(self, topic: str) -> list[TP]:
        return [TP(topic, 0)]

    async def _ask_committed(self, tps: Collection[TP]) -> dict[TP, int]:
        self.asked.append(set(tps))
        answer = self._answers.pop(0)
        await asyncio.sleep(0)
        return dict.fromkeys(tps, answer)


def test_a_late_commit_of_the_last_owner_moves_nobody():
    async def ask() -> list[int]:
        consumer = Asked(0, 1998)
        return [await consumer.committed(PLACE), await consumer.committed(PLACE)]

    assert asyncio.run(ask()) == [0, 0]


def test_two_who_ask_at_once_hear_the_same():
    async def ask() -> list[int]:
        consumer = Asked(0, 1998)
        return await asyncio.gather(consumer.committed(PLACE), consumer.committed(PLACE))

    assert len(set(asyncio.run(ask()))) == 1


def test_what_was_heard_before_a_loss_is_not_heard_after_it():
    async def ask() -> tuple[int, int]:
        consumer = Asked(0, 1998)
        before = asyncio.create_task(consumer.committed(PLACE))
        await asyncio.sleep(0)
        consumer._begins = {}
        return await consumer.committed(PLACE), await before

    assert asyncio.run(ask()) == (1998, 0)


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
        await consumer.committed(PLACE)
        await consumer.committed(TP("partials", 0))
        return consumer.asked

    assert asyncio.run(ask()) == [{PLACE, TP("partials", 0)}]
