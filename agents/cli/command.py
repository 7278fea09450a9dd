"""What all commands share: options, settings, signals, errors as sentences, and exit codes."""

import logging
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from agents.runtime.escaping import visible
from agents.runtime.masking import masked_urls

if TYPE_CHECKING:
    from agents.rule_file.load import LoadedRules
    from agents.runtime.settings import Settings
    from streams.audit.log import Log

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130
TERMINATED = 143

#: How long a command may take to clean up after SIGTERM.
STOP_S = 8.0

Result = TypeVar("Result")

Fingerprint = Annotated[
    str,
    typer.Argument(metavar="FINGERPRINT", help="As `alerts list` shows it, or its beginning."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who you are; by default your user name."),
]
Comment = Annotated[
    str, typer.Option("--comment", "-c", metavar="TEXT", help="Why; it is recorded.")
]

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


class CommandError(Exception):
    """The command failed: sentences for stderr, and the exit code."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


def since_ms(text: str | None, now_ms: int | None = None) -> int | None:
    """Return the time that an option names, a span back from now or ISO 8601, in epoch ms.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text is None:
        return None
    if match := _SPAN.fullmatch(text.strip()):
        now_ms = int(time.time() * 1000) if now_ms is None else now_ms
        return max(0, int(now_ms - float(match[1]) * _UNIT_MS[match[2]]))
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a span (90s, 30m, 2h, 1d) nor an ISO 8601 time"
        ) from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def settings() -> "Settings":
    """Return the settings.

    Raises:
        CommandError: they are wrong; it names every mistake.
    """
    from pydantic import ValidationError

    from agents.runtime.settings import Settings, mistakes

    try:
        return Settings()
    except ValidationError as error:
        raise CommandError("\n".join(mistakes(error)), USAGE) from None


def load_rules(file: Path | None = None) -> "LoadedRules":
    """Return the rule file, by default the one that the settings name.

    Raises:
        CommandError: it has mistakes; it lists all of them.
    """
    from agents.rule_file.load import load

    return without_mistakes(load, file or Path(settings().rule_file))


def without_mistakes(load: Callable[[Path], Result], file: Path) -> Result:
    """Return what is loaded from the file.

    Raises:
        CommandError: the file has mistakes; it lists all of them.
    """
    from agents.rule_file.load import BadRuleFile

    try:
        return load(file)
    except BadRuleFile as error:
        raise CommandError(str(error)) from None


def find_fingerprint(log: "Log", prefix: str) -> str:
    """Return the fingerprint of the alert that begins with the prefix.

    Raises:
        CommandError: there is none, or more than one.
    """
    return find_id(prefix, log.breaches, "alert", "opwatch alerts list --all")


def find_id(prefix: str, ids: Iterable[str], what: str, listed_by: str) -> str:
    """Return the id that begins with the prefix.

    Raises:
        CommandError: there is none, or more than one.
    """
    from streams.audit.short_ids import Unfound, find

    try:
        return find(prefix, ids, what, listed_by)
    except Unfound as unfound:
        raise CommandError(f"{unfound}.") from None


def run(
    work: Coroutine[Any, Any, Result],
    errors: Callable[[], AbstractContextManager[None]] | None = None,
) -> Result:
    """Run the work to its end and return its result; end it cleanly on SIGINT and SIGTERM.

    Args:
        work: what to do.
        errors: turns the errors of what it works with into sentences; by default Kafka's.

    Raises:
        CommandError: Kafka could not be reached, or refused.
        typer.Exit: a signal came.
    """
    import asyncio

    # The sentence on stderr says what the libraries log.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        with (errors or kafka_errors)():
            return asyncio.run(_until_stopped(work))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        raise typer.Exit(close_stdout()) from None


@contextmanager
def kafka_errors() -> Iterator[None]:
    """Turn Kafka's errors into sentences.

    Raises:
        CommandError: Kafka could not be reached, refused, or has topics that do not fit.
    """
    from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

    from agents.kafka.reader import UnusableTopic
    from agents.kafka.topic_creation import TopicMisfit, Unreachable

    try:
        yield
    except TopicMisfit as error:
        raise CommandError("\n".join(error.sentences)) from None
    except UnusableTopic as error:
        raise CommandError(str(error)) from None
    except Unreachable as error:
        raise CommandError(str(error), UNREACHABLE) from None
    except (KafkaConnectionError, KafkaTimeoutError, TimeoutError) as error:
        why = str(error) or "no answer in time"
        raise CommandError(f"lost the connection to Kafka: {why}.", UNREACHABLE) from None
    except KafkaError as error:
        raise CommandError(f"Kafka refused: {error}.") from None


async def _until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    import asyncio

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


def print_error(error: CommandError) -> int:
    """Write the sentences on stderr and return the exit code."""
    for line in str(error).split("\n"):
        print(visible(masked_urls(f"opwatch: {line}")), file=sys.stderr)
    return error.code


def close_stdout() -> int:
    """Discard what is still to be written after the reader of stdout left (`… | head`)."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return OK
