"""Closing a client ends nobody: aiokafka lets the CancelledError of its own tasks out."""

import asyncio
import contextlib

import pytest

from agents.dashboard import closing
from agents.dashboard.closing import close, end, within


async def cancelled_inside() -> None:
    raise asyncio.CancelledError


async def fails() -> None:
    message = "away"
    raise OSError(message)


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


async def swallows() -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await asyncio.sleep(60)


@pytest.mark.parametrize("call", [hangs, swallows])
async def test_a_call_whose_time_is_up_is_left_whatever_it_does_with_that(call):
    with pytest.raises(TimeoutError):
        await within(0.01, call())


async def test_a_call_that_cancels_itself_does_not_cancel_who_made_it():
    with pytest.raises(ConnectionError):
        await within(1, cancelled_inside())


@pytest.mark.parametrize("call", [hangs, swallows])
async def test_who_is_cancelled_during_a_call_is_cancelled(call):
    task = asyncio.create_task(within(60, call()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_a_call_returns_or_raises_is_passed_on():
    assert await within(1, asyncio.sleep(0, "answer")) == "answer"
    with pytest.raises(OSError, match="away"):
        await within(1, fails())


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again():
    async def fail() -> None:
        raise OSError

    tasks = [asyncio.create_task(swallows()), asyncio.create_task(fail())]
    await asyncio.sleep(0)
    await end(tasks)
    assert all(task.done() for task in tasks)
    assert isinstance(tasks[1].exception(), OSError)
