"""Ask the alert role for something through `commands`, and await what it decides."""

import asyncio
import getpass
import time
import uuid
from typing import Any

from aiokafka import AIOKafkaProducer
from pydantic import ValidationError

from agents.cli.decisions import parse_decision
from agents.cli.kafka import Reader, partitions, reader
from agents.cli.running import UNREACHABLE, USAGE, Sentence
from agents.settings import Settings
from schemas.commands import Command, CommandRecord
from schemas.notifications import Notification
from schemas.topics import COMMANDS, NOTIFICATIONS
from streams.stories.answer import Answer

#: An alert worker that runs decides within a second.
ANSWER_S = 10.0
#: Another one takes over within its session timeout; a receiver is tried again in between.
DELIVERY_S = 30.0
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


async def ask(settings: Settings, asked: Command, key: str, *, follow: bool = False) -> Answer:
    """Publish the command and return what was decided.

    Args:
        settings: where Kafka is.
        asked: the command.
        key: the record's.
        follow: wait for what became of the message it asks for too.

    Raises:
        Sentence: nobody decides in time.
    """
    await partitions(settings, settings.topic(COMMANDS))  # says it well if there is none
    async with reader(settings, settings.topic(NOTIFICATIONS), committed=True) as decisions:
        await decisions.from_the_end()
        answer = Answer(await _publish(settings, asked, key))
        await _listen(decisions, answer, follow=follow)
    if answer.said is None:
        raise Sentence(NO_WORKER, UNREACHABLE)
    return answer


def told(answer: Answer) -> Notification:
    """Return what was decided in the end.

    Raises:
        Sentence: it was refused.
    """
    last = answer.outcome or answer.said
    assert last is not None
    if answer.refused:
        said = f" The receiver said: {last.answer}" if last.answer else ""
        raise Sentence(last.sentence + said)
    return last


async def _publish(settings: Settings, asked: Command, key: str) -> int:
    producer = AIOKafkaProducer(**settings.kafka(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        value = asked.model_dump_json().encode()
        topic = settings.topic(COMMANDS)
        sent = await asyncio.wait_for(producer.send_and_wait(topic, value, key=key.encode()), 15)
        return int(sent.offset)
    finally:
        await asyncio.wait_for(producer.stop(), 10)


async def _listen(decisions: Reader, answer: Answer, *, follow: bool) -> None:
    now = time.monotonic()
    answer_by, outcome_by = now + ANSWER_S, now + DELIVERY_S
    async for records in decisions.onwards():
        for record in records:
            decision = parse_decision(record) if record.value is not None else None
            if decision is not None:
                answer.take(decision)
        waits = answer.said is None or (follow and not answer.refused and answer.outcome is None)
        if not waits or time.monotonic() > (answer_by if answer.said is None else outcome_by):
            return
