"""A cancelled operation is a failure if its time was over, and does not count if nobody waits."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

import opwatch_client as opwatch
from tests.unit.client.fakes import FakeKafka


async def test_a_cancelled_hedge_does_not_count(kafka: FakeKafka):
    async def ask(delay_s: float) -> float:
        async with opwatch.operation("a"):
            await asyncio.sleep(delay_s)
            return delay_s

    asked = [asyncio.create_task(ask(delay_s)) for delay_s in (0.001, 60, 60)]
    done, late = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    for task in late:
        task.cancel()
    answers = await asyncio.gather(*late, return_exceptions=True)

    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 2
    assert await opwatch.aflush()
    assert [operation["success"] for operation in kafka.operations] == [True] * len(done)
    assert opwatch.stats().discarded == 2


async def _within(seconds: float) -> None:
    async with opwatch.operation("a"):
        await asyncio.sleep(seconds)


async def _timeout() -> None:
    async with asyncio.timeout(0.001):
        await _within(60)


async def _nested_timeouts() -> None:
    async with asyncio.timeout(60), asyncio.timeout(0.001), asyncio.timeout(None):
        await _within(60)


async def _wait_for() -> None:
    await asyncio.wait_for(_within(60), 0.001)


@pytest.mark.parametrize("work", [_timeout, _nested_timeouts, _wait_for])
async def test_an_operation_whose_time_is_over_is_a_failure(
    kafka: FakeKafka, work: Callable[[], Coroutine[None, None, None]]
):
    with pytest.raises(TimeoutError):
        await work()
    assert await opwatch.aflush()
    assert [operation["error_type"] for operation in kafka.operations] == ["TimeoutError"]


async def test_a_cancelled_operation_is_judged_when_its_task_has_cleaned_up(kafka: FakeKafka):
    async def work(*, goes_on: bool) -> None:
        try:
            await _within(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
            if not goes_on:
                raise

    for goes_on in (False, True):
        task = asyncio.create_task(work(goes_on=goes_on))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
    assert await opwatch.aflush()
    assert [operation["success"] for operation in kafka.operations] == [False]
    assert opwatch.stats().discarded == 1


async def test_a_timeout_that_has_not_expired_makes_no_failure(kafka: FakeKafka):
    async def work() -> None:
        async with asyncio.timeout(60):
            await _within(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await opwatch.aflush()
    assert (kafka.operations, opwatch.stats().discarded) == ([], 1)
