"""Each assignment restores its rows from the changelog's start, and from its own records alone."""

import asyncio
from types import SimpleNamespace
from typing import Any

from agents.table import restore_from_the_start


def app() -> Any:
    begun: list[dict[str, int]] = []

    async def build(consumer: Any, tps: list[str], offsets: dict[str, int], title: str) -> None:
        begun.append(dict(offsets))

    return SimpleNamespace(
        consumer_generation_id=8,
        begun=begun,
        tables=SimpleNamespace(
            changelog_queue=asyncio.Queue(), recovery=SimpleNamespace(_build_offsets=build)
        ),
    )


async def test_what_was_seen_for_an_assignment_before_moves_no_offset() -> None:
    one = app()
    restore_from_the_start(one)

    await one.tables.recovery._build_offsets(None, ["a", "b"], {"a": 700, "c": 3}, "active")

    assert one.begun == [{"a": -1, "b": -1, "c": 3}]


async def test_records_fetched_for_an_assignment_before_are_not_taken_in() -> None:
    one = app()
    restore_from_the_start(one)
    for generation in (7, 8):
        event = SimpleNamespace(message=SimpleNamespace(generation_id=generation))
        one.tables.changelog_queue.put_nowait(event)

    event = await one.tables.changelog_queue.get()

    assert event.message.generation_id == 8
