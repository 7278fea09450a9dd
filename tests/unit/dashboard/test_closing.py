"""Closing a client ends nobody: aiokafka lets the CancelledError of its own tasks out."""

import asyncio

import pytest

from agents.dashboard import closing
from agents.dashboard.closing import close


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
