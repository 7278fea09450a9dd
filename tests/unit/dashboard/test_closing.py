"""Closing a client ends nobody: aiokafka lets the CancelledError of its own tasks out."""

import asyncio
import contextlib

import pytest

from agents.dashboard import closing
from agents.dashboard.closing import close, end


async def cancelled_inside() -> None:
    raise asyncio.CancelledError


async def fails() -> None:
    raise OSError


async def hangs() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("stop", [cancelled_inside, fails, hangs])
async def test_whatever_a_client_does_who_closes_it_goes_on(stop, monkeypatch):
    monkeypatch.setattr(closing, "_CLOSE_S", 0.01)
    await close(stop)


async def test_who_is_cancelled_while_closing_is_cancelled():
    task = asyncio.create_task(close(hangs))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again():
    async def follow() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    async def fail() -> None:
        raise OSError

    tasks = [asyncio.create_task(follow()), asyncio.create_task(fail())]
    await asyncio.sleep(0)
    await end(tasks)
    assert all(task.done() for task in tasks)
    assert isinstance(tasks[1].exception(), OSError)
