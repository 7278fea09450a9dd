"""Run a role's process: its log, its topics, its signals and its exit status."""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Awaitable, Callable, Collection

import structlog
import uvloop

from agents import logs, topics
from agents.refusals import Refusal
from agents.settings import Settings
from agents.topics import TopicSpec

log = structlog.get_logger()

EXIT_FAILED = 1
#: malloc.h, of glibc.
_M_ARENA_MAX = -8


def run(
    settings: Settings,
    changelogs: Collection[TopicSpec],
    work: Callable[[asyncio.Event], Awaitable[None]],
) -> None:
    """Run a role until SIGTERM or Ctrl-C; exit with 1 when it cannot go on.

    Args:
        settings: the worker's.
        changelogs: the topics to make besides the public ones.
        work: runs the role until the event is set.

    Raises:
        agents.topics.Unreachable: no broker answers.
        agents.topics.TopicMisfit: a topic does not fit the settings.
    """
    _share_one_heap()
    logs.configure(settings)
    uvloop.run(_main(settings, changelogs, work))


async def _main(
    settings: Settings,
    changelogs: Collection[TopicSpec],
    work: Callable[[asyncio.Event], Awaitable[None]],
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await topics.ensure(settings, list(changelogs))
    try:
        await work(stopped)
    except Refusal as refusal:
        log.critical("the worker ends", why=str(refusal))
        os._exit(EXIT_FAILED)
    except Exception:
        log.exception("the worker cannot go on and ends; what is not done is done again")
        os._exit(EXIT_FAILED)  # Faust's threads would not let the process end


def _share_one_heap() -> None:
    """Let all threads allocate from one arena: what one frees is of use to the others.

    Kafka's and the loop's threads hand each other megabytes. With arenas of their own a replay of
    10,000 series kept seventy megabytes more. Nothing to do where the C library is not glibc.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
