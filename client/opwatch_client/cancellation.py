"""Tell a timeout from a cancellation that somebody wanted, such as of a hedged request.

asyncio raises CancelledError for both. A task that goes on was cancelled by a timeout, which has
taken its cancellation back; one that ends cancelled was not wanted any more.
"""

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any


def judge(failed: Callable[[str], None], discarded: Callable[[], None]) -> None:
    """Call one of both when it is known what the running task's CancelledError means.

    Args:
        failed: is called with the error's type: its time was over, or what it waited for was
            cancelled.
        discarded: the task ends; nobody waits for it any more.
    """
    task = asyncio.current_task()
    if task is None:
        discarded()
    elif _is_awaited_for(task):
        failed(TimeoutError.__name__)
    else:
        kind = TimeoutError if task.cancelling() else asyncio.CancelledError
        task.get_loop().call_soon(_look, task, functools.partial(failed, kind.__name__), discarded)


def _look(
    task: "asyncio.Task[Any]", failed: Callable[[], None], discarded: Callable[[], None]
) -> None:
    if task.done():
        (discarded if task.cancelled() else failed)()
    elif not task.cancelling():
        failed()
    else:  # it still cleans up
        task.add_done_callback(lambda done: (discarded if done.cancelled() else failed)())


def _is_awaited_for(task: "asyncio.Task[Any]") -> bool:
    """Return whether `wait_for` cancels it: before Python 3.12 that runs a task of its own."""
    if sys.version_info >= (3, 12):
        return False
    return any(
        getattr(getattr(callback, "func", None), "__name__", "") == "_release_waiter"
        for callback, _ in getattr(task, "_callbacks", None) or ()
    )
