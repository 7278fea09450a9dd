"""Ask the alert worker for something through `commands`, and await its decision."""

import asyncio
import getpass
import time
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from agents.alert.alert_log import parse_decision
from agents.alert.new_commands import command_now
from agents.cli.command import UNREACHABLE, USAGE, CommandError
from agents.cli.printing import echo
from agents.kafka.reader import TopicReader, partitions, topic_reader
from agents.runtime.settings import Settings
from schemas.commands import Command
from schemas.notifications import Notification
from schemas.topics import COMMANDS, NOTIFICATIONS
from streams.audit.log import CommandAnswer

#: An alert worker that runs decides within a second.
ANSWER_S = 10.0
#: A worker that starts, or takes over from one that was killed, has restored its table by then.
START_S = 60.0
#: How often the wait for a worker that starts is shown.
_SHOW_S = 10.0
#: Long enough for another worker to take over, and for a second attempt at a receiver.
DELIVERY_S = 30.0
PUBLISH_S = 15.0
NO_WORKER = (
    "no alert worker answers within {:g} s; the command stays on the topic and is read when one"
    " runs (`opwatch worker alert`)."
)
_WAITING = "no alert worker answers yet, perhaps it is starting ({:.0f} s of {:g} s) …"


def new_command(kind: str, **fields: Any) -> Command:
    """Return a command with an id of its own, as of now.

    Raises:
        CommandError: a text is longer than a command may carry.
    """
    try:
        return command_now(kind, **fields)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def user_name(name: str | None) -> str:
    """Return who asks: the name, by default that of the user.

    Raises:
        CommandError: the user has no name.
    """
    try:
        return name or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        raise CommandError("your user has no name here: write --by NAME.") from None


async def ask(
    settings: Settings,
    command: Command,
    key: str,
    *,
    follow: bool = False,
    answer_s: float = ANSWER_S,
) -> CommandAnswer:
    """Publish the command and return what was decided.

    Args:
        settings: where Kafka is.
        command: what is asked.
        key: the record's.
        follow: also wait for the outcome of the message that it asks for.
        answer_s: how long to wait for a worker that decides.

    Raises:
        CommandError: no worker decides in time.
    """
    asked = [(command, key)]
    (answer,) = await ask_all(settings, asked, follow=follow, answer_s=answer_s)
    return answer


async def ask_all(
    settings: Settings,
    commands: Sequence[tuple[Command, str]],
    *,
    follow: bool = False,
    answer_s: float = ANSWER_S,
) -> list[CommandAnswer]:
    """Publish commands with their keys and return what was decided on each.

    Raises:
        CommandError: no worker decides in time, or not on all of them.
    """
    await partitions(settings, settings.topic(COMMANDS), "WRITE")  # raises what is lacking
    name = settings.topic(NOTIFICATIONS)
    async with topic_reader(settings, name, committed=True) as decisions:
        await decisions.from_the_end()
        answers = [CommandAnswer(offset) for offset in await _publish(settings, commands)]
        await _await_decisions(decisions, answers, follow, answer_s)
    if any(answer.decision is None for answer in answers):
        raise CommandError(NO_WORKER.format(answer_s), UNREACHABLE)
    return answers


def final_decision(answer: CommandAnswer) -> Notification:
    """Return what was decided in the end.

    Raises:
        CommandError: the command was refused.
    """
    last = answer.outcome or answer.decision
    assert last is not None
    if answer.refused:
        raise CommandError(with_response(last))
    return last


def with_response(decision: Notification) -> str:
    """Return the sentence of a decision, with what the receiver answered."""
    if not decision.answer:
        return decision.sentence
    return f"{decision.sentence.removesuffix('.')}, answered {decision.answer}"


async def _publish(settings: Settings, commands: Sequence[tuple[Command, str]]) -> list[int]:
    producer = AIOKafkaProducer(**settings.kafka(), acks="all", enable_idempotence=True)
    topic = settings.topic(COMMANDS)
    try:
        await producer.start()
        async with asyncio.timeout(PUBLISH_S):
            sent = [
                await producer.send(topic, command.model_dump_json().encode(), key=key.encode())
                for command, key in commands
            ]
            return [record.offset for record in await asyncio.gather(*sent)]
    finally:
        await asyncio.wait_for(producer.stop(), 10)


async def _await_decisions(
    records: TopicReader, answers: Sequence[CommandAnswer], follow: bool, answer_s: float
) -> None:
    """Read decisions until all commands are decided, or none was for too long."""
    newest_s = time.monotonic()
    show_at_s = _SHOW_S / 3
    async for batch in records.onwards():
        before = _undecided(answers)
        for decision in filter(None, map(parse_decision, batch)):
            for answer in answers:
                answer.take(decision)
        undecided = _undecided(answers)
        if undecided < before:
            newest_s = time.monotonic()
        waited_s = time.monotonic() - newest_s
        if not undecided:
            if not (follow and any(map(_pending, answers))) or waited_s > DELIVERY_S:
                return
        elif waited_s > answer_s:
            return
        elif waited_s > show_at_s:
            echo(_WAITING.format(waited_s, answer_s), err=True)
            show_at_s += _SHOW_S


def _undecided(answers: Sequence[CommandAnswer]) -> int:
    return sum(answer.decision is None for answer in answers)


def _pending(answer: CommandAnswer) -> bool:
    return not answer.refused and answer.outcome is None
