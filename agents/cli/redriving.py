"""Put dead letters back, each with its marker in one transaction, so that none goes twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalOperation,
    KafkaError,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
)

from agents.cli.kafka import partitions
from agents.cli.letters import REDRIVEN_AT, REDRIVEN_TO, Letter, Letters, read
from agents.cli.redelivering import again, redeliver
from agents.cli.redrive import Again, Go, Refused, after_fix, before_fix
from agents.cli.running import NO, Sentence
from agents.kafka.refusals import lacks
from agents.runtime.settings import Settings
from schemas.dead_letters import DeadLetter
from schemas.topics import COMMANDS, DEAD_LETTERS, OPERATIONS, Topic

#: The header that says of which dead letter a record is the second try.
REDRIVE_OF = "opwatch-redrive-of"
#: So many letters share a transaction.
CHUNK = 500
FIX_DEADLINE_S = 30.0


class Verdict(NamedTuple):
    """What became of a letter."""

    letter: Letter
    answer: Go | Again | Refused


class Report(NamedTuple):
    """What became of all of them; `unknown` are keys that no letter has."""

    verdicts: list[Verdict]
    unknown: list[str]


async def redrive(
    settings: Settings,
    chosen: Callable[[str, DeadLetter], bool],
    keys: Iterable[str] = (),
    *,
    through: str | None = None,
    dry_run: bool = False,
) -> Report:
    """Publish the chosen letters again to where they came from, each exactly once for ever.

    One redrive runs at a time: a second one takes the transactional id over and thereby ends the
    first, before it reads which letters are redriven already.

    Raises:
        Sentence: another redrive took over.
    """
    await partitions(settings, settings.topic(DEAD_LETTERS), "READ")  # says what is lacking
    if dry_run:
        letters = await read(settings, whole=chosen)
        return await _judged(settings, letters, chosen, keys, through)
    await partitions(settings, settings.topic(DEAD_LETTERS), "WRITE")
    done = 0
    try:
        async with _producer(settings) as producer:
            letters = await read(settings, whole=chosen)
            report = await _judged(settings, letters, chosen, keys, through)
            going = [
                (letter, answer) for letter, answer in report.verdicts if isinstance(answer, Go)
            ]
            if going:
                await partitions(settings, settings.topic(OPERATIONS), "WRITE")
            for start in range(0, len(going), CHUNK):
                chunk = going[start : start + CHUNK]
                await _publish(producer, settings, chunk)
                done += len(chunk)
            return await _messages(producer, settings, report)
    except TransactionalIdAuthorizationFailed:
        raise Sentence(lacks(["WRITE"], f"the transactional id {_id(settings)}")) from None
    except (ProducerFenced, IllegalOperation):  # the latter when it is noticed between two sends
        raise Sentence(
            f"another redrive took over after {done} of this one's letters; run it again for the"
            " rest: nothing goes twice.",
            NO,
        ) from None


async def _messages(producer: AIOKafkaProducer, settings: Settings, report: Report) -> Report:
    """Have messages that were given up tried again, and mark the letters of those that are."""
    asked = [(letter, again) for letter, again in report.verdicts if isinstance(again, Again)]
    if not asked:
        return report
    answers = await redeliver(settings, [again for _, again in asked])
    told = {letter.key: answer for (letter, _), answer in zip(asked, answers, strict=True)}
    tried = [letter for letter, _ in asked if isinstance(told[letter.key], Again)]
    if tried:
        async with producer.transaction():
            for letter in tried:
                await _mark(producer, settings, letter, COMMANDS)
    verdicts = [Verdict(letter, told.get(letter.key, was)) for letter, was in report.verdicts]
    return Report(verdicts, report.unknown)


async def _judged(
    settings: Settings,
    letters: Letters,
    chosen: Callable[[str, DeadLetter], bool],
    keys: Iterable[str],
    through: str | None,
) -> Report:
    unknown = [key for key in keys if key not in letters.by_key]
    verdicts = []
    for letter in letters.by_key.values():
        if not chosen(letter.key, letter.about):
            continue
        answer: Go | Again | Refused | None = before_fix(
            letter, letters.redriven.get(letter.key), settings
        )
        if answer is None and letter.about.delivery is not None:
            answer = again(letter.about.delivery, through)
        if answer is None:
            fixed = await _fixed(letter.value, through)
            now_ms = int(time.time() * 1000)
            if isinstance(fixed, Refused):
                answer = fixed
            else:
                answer = after_fix(letter, fixed, now_ms, settings)
        verdicts.append(Verdict(letter, answer))
    return Report(verdicts, unknown)


async def _publish(
    producer: AIOKafkaProducer, settings: Settings, chunk: Sequence[tuple[Letter, Go]]
) -> None:
    target = settings.topic(OPERATIONS)
    async with producer.transaction():
        sent = []
        for letter, answer in chunk:
            headers = [(REDRIVE_OF, letter.key.encode())]
            sent += [
                await producer.send(target, answer.value, headers=headers),
                await _mark(producer, settings, letter, OPERATIONS),
            ]
        await asyncio.gather(*sent)


async def _mark(
    producer: AIOKafkaProducer, settings: Settings, letter: Letter, target: Topic
) -> "asyncio.Future[Any]":
    """Send the marker that says when, and to which topic, a letter was redriven."""
    now = str(int(time.time() * 1000)).encode()
    headers = [(REDRIVEN_AT, now), (REDRIVEN_TO, settings.topic(target).encode())]
    topic = settings.topic(DEAD_LETTERS)
    sent: asyncio.Future[Any] = await producer.send(
        topic, b"", key=letter.key.encode(), headers=headers
    )
    return sent


async def _fixed(value: bytes, through: str | None) -> bytes | Refused:
    """Return what the command makes of the bytes, or the bytes where there is none."""
    if through is None:
        return value
    process = await asyncio.create_subprocess_shell(
        through,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(FIX_DEADLINE_S):
            out, err = await process.communicate(value)
    except TimeoutError:
        return Refused(f"took the command longer than {FIX_DEADLINE_S:g} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = err.decode(errors="replace").strip().splitlines()
        last = f": {said[-1]}" if said else ""
        return Refused(f"made the command exit with {process.returncode}{last}")
    return out.strip()


def _id(settings: Settings) -> str:
    return f"{settings.topic_prefix}redrive"


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **settings.kafka(),
        transactional_id=_id(settings),
        transaction_timeout_ms=60_000,
        request_timeout_ms=15_000,
        max_request_size=16 * 1024 * 1024,
    )
    try:
        await producer.start()  # ends another redrive's transaction
        yield producer
    finally:
        with suppress(KafkaError, TimeoutError):  # fenced: there is nothing to put away
            await asyncio.wait_for(producer.stop(), 5)


__all__ = ["CHUNK", "REDRIVE_OF", "Report", "Verdict", "redrive"]
