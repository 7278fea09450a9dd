"""Run work in tasks that nobody waits for: their errors end the worker."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def start_task(
    work: Coroutine[Any, Any, None], fail: Callable[[BaseException], None]
) -> "asyncio.Task[None]":
    """Start a task that does the work; return it.

    Args:
        work: what it does.
        fail: takes the error if the work raises one, and ends the worker.
    """

    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            fail(error)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task
