"""All who ask where reading begins hear the same during an assignment."""

import asyncio
from types import SimpleNamespace

from faust.types import TP

from agents.transport import ChunkConsumer

PLACE = TP("operations", 0)


class Asked(ChunkConsumer):
    """A consumer whose broker answers as it is told to."""

    def __init__(self, *answers: int) -> None:
        self.app = SimpleNamespace(rebalancing=False)
        self._begins: dict[TP, int] = {}
        self._answers = list(answers)

    def assignment(self) -> set[TP]:
        return {PLACE, TP("partials", 0)}

    async def _ask_committed(self, tp: TP) -> int:
        answer = self._answers.pop(0)
        await asyncio.sleep(0)
        return answer


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
