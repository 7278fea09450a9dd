"""Run a role's process: its log, its topics, its signals and its exit status."""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Awaitable, Callable

import structlog
import uvloop
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from agents.kafka import topic_creation
from agents.kafka.role_topics import everything, of_role
from agents.kafka.topic_watch import DIFFERS
from agents.runtime import logs
from agents.runtime.refusals import Refusal
from agents.runtime.settings import Settings

log = structlog.get_logger()

EXIT_FAILED = 1
_ASK_S = 5.0
_WANT_OF_A_RIGHT = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)
#: malloc.h, of glibc.
_M_ARENA_MAX = -8


def run(
    settings: Settings,
    role: str,
    work: Callable[[asyncio.Event], Awaitable[None]],
) -> None:
    """Run a role until SIGTERM or Ctrl-C; exit with 1 when it cannot go on.

    Args:
        settings: the worker's.
        role: its name.
        work: runs it until the event is set.

    Raises:
        agents.kafka.admin_client.Unreachable: no broker answers.
        agents.kafka.topic_creation.TopicMisfit: a topic does not fit the settings.
    """
    _share_one_heap()
    logs.configure(settings)
    uvloop.run(_main(settings, role, work))


async def _main(
    settings: Settings,
    role: str,
    work: Callable[[asyncio.Event], Awaitable[None]],
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    others = everything(settings)
    making = asyncio.create_task(
        topic_creation.ensure(settings, of_role(settings, role), also=others)
    )
    ending = asyncio.create_task(stopped.wait())
    await asyncio.wait([making, ending], return_when=asyncio.FIRST_COMPLETED)
    if not making.done():  # Kafka does not answer, and nobody waits for it any more
        log.info("stopping")
        making.cancel()
        await asyncio.wait([making])
        return
    ending.cancel()
    _, notes = making.result()
    for note in notes:
        log.warning(DIFFERS, why=note.sentence)
    try:
        await work(stopped)
    except Refusal as refusal:
        log.critical("the worker ends", why=str(refusal))
        os._exit(EXIT_FAILED)
    except Exception as error:
        if refused := _refused(error):
            log.critical("the worker ends", why=await _lacking(settings, role, refused))
        else:
            log.exception("the worker cannot go on and ends; what is not done is done again")
        os._exit(EXIT_FAILED)  # Faust's threads would not let the process end


def _refused(error: BaseException | None) -> KafkaError | None:
    """Return the error about a lacking right that caused this one, if there is one."""
    while error is not None and not isinstance(error, _WANT_OF_A_RIGHT):
        error = error.__cause__ or error.__context__
    return error


async def _lacking(settings: Settings, role: str, refused: KafkaError) -> str:
    """Return which right is lacking on which topic: Kafka's error does not have it."""
    try:
        specs = of_role(settings, role)
        async with topic_creation.admin(settings, deadline_s=_ASK_S) as client:
            misfits = topic_creation.judge(specs, await topic_creation.describe(client, specs))
    except (topic_creation.Unreachable, KafkaError):
        misfits = []
    sentences = [misfit.sentence for misfit in misfits if misfit.ends]
    return " ".join(sentences) or f"Kafka refused: {refused} (docs/operating.md, Rights)."


def _share_one_heap() -> None:
    """Let all threads allocate from one arena, so that memory freed by one is used by others.

    Kafka's and the loop's threads hand each other megabytes. With arenas of their own a replay of
    10,000 series kept seventy megabytes more. Nothing to do where the C library is not glibc.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
