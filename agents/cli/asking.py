"""Ask the alert role for something through `commands`, and await what it decides."""

import asyncio
import getpass
import time
import uuid
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from pydantic import ValidationError

from agents.cli.decisions import parse_decision
from agents.cli.kafka import Reader, partitions, reader
from agents.cli.running import UNREACHABLE, USAGE, Sentence
from agents.runtime.settings import Settings
from schemas.commands import Command, CommandRecord
from schemas.notifications import Notification
from schemas.topics import COMMANDS, NOTIFICATIONS
from streams.audit.log import CommandAnswer

#: An alert worker that runs decides within a second.
ANSWER_S = 10.0
#: Another one takes over within its session timeout; a receiver is tried again in between.
DELIVERY_S = 30.0
PUBLISH_S = 15.0
NO_WORKER = (
    "no alert worker answers; the command stands on the topic and will be read when one runs"
    " (`opwatch worker alert`)."
)


def command(kind: str, **fields: Any) -> Command:
    """Return a command with an id of its own, as of now.

    Raises:
        Sentence: a text is longer than a command may carry.
    """
    given = {"id": uuid.uuid4().hex[:12], "at_ms": int(time.time() * 1000), "kind": kind}
    try:
        return CommandRecord.model_validate(given | fields).root
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Sentence(f"{first['loc'][-1]}: {first['msg']}.", USAGE) from None


def asker(name: str | None) -> str:
    """Return who asks.

    Raises:
        Sentence: nobody knows.
    """
    try:
        return name or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        raise Sentence("say who you are: --by NAME.") from None


async def ask(
    settings: Settings, asked: Command, key: str, *, follow: bool = False
) -> CommandAnswer:
    """Publish the command and return what was decided.

    Args:
        settings: where Kafka is.
        asked: the command.
        key: the record's.
        follow: wait for what became of the message it asks for too.

    Raises:
        Sentence: nobody decides in time.
    """
    (answer,) = await ask_all(settings, [(asked, key)], follow=follow)
    return answer


async def ask_all(
    settings: Settings, asked: Sequence[tuple[Command, str]], *, follow: bool = False
) -> list[CommandAnswer]:
    """Publish commands with their keys and return what was decided, of each at least something.

    Raises:
        Sentence: nobody decides in time; or not upon all of them.
    """
    await partitions(settings, settings.topic(COMMANDS), "WRITE")  # says what is lacking
    async with reader(settings, settings.topic(NOTIFICATIONS), committed=True) as decisions:
        await decisions.from_the_end()
        answers = [CommandAnswer(offset) for offset in await _publish(settings, asked)]
        await _listen(decisions, answers, follow=follow)
    if any(answer.decision is None for answer in answers):
        raise Sentence(NO_WORKER, UNREACHABLE)
    return answers


def told(answer: CommandAnswer) -> Notification:
    """Return what was decided in the end.

    Raises:
        Sentence: it was refused.
    """
    last = answer.outcome or answer.decision
    assert last is not None
    if answer.refused:
        said = f" The receiver said: {last.answer}" if last.answer else ""
        raise Sentence(last.sentence + said)
    return last


async def _publish(settings: Settings, asked: Sequence[tuple[Command, str]]) -> list[int]:
    producer = AIOKafkaProducer(**settings.kafka(), acks="all", enable_idempotence=True)
    topic = settings.topic(COMMANDS)
    try:
        await producer.start()
        async with asyncio.timeout(PUBLISH_S):
            sent = [
                await producer.send(topic, one.model_dump_json().encode(), key=key.encode())
                for one, key in asked
            ]
            return [record.offset for record in await asyncio.gather(*sent)]
    finally:
        await asyncio.wait_for(producer.stop(), 10)


async def _listen(decisions: Reader, answers: Sequence[CommandAnswer], *, follow: bool) -> None:
    """Take decisions in until all is said, or nobody has said anything for too long."""
    heard = begun = time.monotonic()
    async for records in decisions.onwards():
        said = sum(answer.decision is not None for answer in answers)
        for decision in filter(None, map(parse_decision, records)):
            for answer in answers:
                answer.take(decision)
        now = time.monotonic()
        if sum(answer.decision is not None for answer in answers) > said:
            heard = now
        if any(answer.decision is None for answer in answers):
            if now - heard > ANSWER_S:
                return
        elif not (follow and any(_pending(one) for one in answers)) or now - begun > DELIVERY_S:
            return


def _pending(answer: CommandAnswer) -> bool:
    return not answer.refused and answer.outcome is None
