"""An error of a task that nobody waits for reaches whoever ends the worker."""

import asyncio

from agents.runtime.tasks import start_task


async def test_an_error_is_passed_on_and_an_end_is_not():
    errors: list[BaseException] = []
    wrong = ValueError("wrong")

    async def raises() -> None:
        raise wrong

    tasks = [start_task(raises(), errors.append), start_task(asyncio.sleep(0), errors.append)]
    tasks.append(start_task(asyncio.sleep(60), errors.append))
    await asyncio.wait(tasks[:2])
    tasks[2].cancel()
    await asyncio.wait(tasks)
    assert errors == [wrong]
