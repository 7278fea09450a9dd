"""Run a command's work: settings, signals, errors as one sentence, and the exit code."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from agents.runtime.masking import masked_urls
from agents.runtime.visible import visible

if TYPE_CHECKING:
    from agents.runtime.settings import Settings

OK = 0
NO = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130
TERMINATED = 143

#: A broker that has not answered by then is not there, as far as a person waiting is concerned.
REACH_S = 5.0
#: On SIGTERM a command has so long to put things away.
STOP_S = 8.0

Result = TypeVar("Result")


class Sentence(Exception):
    """What went wrong, in sentences for stderr, and the exit code."""

    def __init__(self, text: str, code: int = NO) -> None:
        super().__init__(text)
        self.code = code


def settings() -> "Settings":
    """Return the settings.

    Raises:
        Sentence: they are wrong; it names every mistake.
    """
    from pydantic import ValidationError

    from agents.runtime.settings import Settings, mistakes

    try:
        return Settings()
    except ValidationError as error:
        raise Sentence("\n".join(mistakes(error)), USAGE) from None


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run the work to its end and return its result; end it cleanly on SIGINT and SIGTERM.

    Raises:
        Sentence: Kafka could not be reached, or refused.
        typer.Exit: a signal came.
    """
    # What the libraries complain of is said by the sentence.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        with kafka_told():
            return asyncio.run(_until_stopped(work))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        raise typer.Exit(reader_left()) from None


@contextmanager
def kafka_told() -> Iterator[None]:
    """Say in a sentence what went wrong with Kafka.

    Raises:
        Sentence: Kafka could not be reached, refused, or has topics that do not fit.
    """
    from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

    from agents.kafka.topics import TopicMisfit, Unreachable

    try:
        yield
    except TopicMisfit as error:
        raise Sentence("\n".join(error.sentences), NO) from None
    except Unreachable as error:
        raise Sentence(str(error), UNREACHABLE) from None
    except (KafkaConnectionError, KafkaTimeoutError, TimeoutError) as error:
        raise Sentence(f"lost Kafka: {error or 'no answer in time'}.", UNREACHABLE) from None
    except KafkaError as error:
        raise Sentence(f"Kafka refused: {error}.", NO) from None


async def _until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()
        loop.call_later(STOP_S, os._exit, TERMINATED)

    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise typer.Exit(TERMINATED) from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def fail(sentence: Sentence) -> int:
    """Write the sentence on stderr and return its exit code."""
    for line in str(sentence).split("\n"):
        print(visible(masked_urls(f"opwatch: {line}")), file=sys.stderr)
    return sentence.code


def reader_left() -> int:
    """Make stdout harmless after its reader went away, which is no failure (`… | head`)."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return OK
