"""Send dead letters back to where they came from, each at most once."""

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

from agents.alert.alert_log import (
    REDRIVEN_AT,
    REDRIVEN_TO,
    DeadLetterLog,
    StoredDeadLetter,
    read_dead_letters,
)
from agents.cli import ask_worker
from agents.cli.command import CommandError
from agents.cli.redrive_checks import (
    NotRedriven,
    Publish,
    RetryDelivery,
    after_fix,
    before_fix,
    retry_delivery,
)
from agents.kafka.reader import partitions
from agents.runtime.refusals import lacks
from agents.runtime.settings import Settings
from schemas.dead_letters import DeadLetter
from schemas.topics import COMMANDS, DEAD_LETTERS, OPERATIONS, Topic

#: The header that says of which dead letter a record is the second try.
REDRIVE_OF = "opwatch-redrive-of"
#: Dead letters in one transaction.
CHUNK = 500
FIX_DEADLINE_S = 30.0


class RedriveVerdict(NamedTuple):
    """What was decided on a dead letter."""

    letter: StoredDeadLetter
    answer: Publish | RetryDelivery | NotRedriven


class RedriveReport(NamedTuple):
    """The verdicts on all chosen dead letters; `unknown` are keys that no dead letter has."""

    verdicts: list[RedriveVerdict]
    unknown: list[str]


async def redrive(
    settings: Settings,
    chosen: Callable[[str, DeadLetter], bool],
    keys: Iterable[str] = (),
    *,
    through: str | None = None,
    dry_run: bool = False,
) -> RedriveReport:
    """Publish the chosen dead letters again to where they came from, each at most once.

    A letter and its marker are one transaction. One redrive runs at a time: a second one takes the
    transactional id over and thereby ends the first, before it reads which letters are redriven.

    Raises:
        CommandError: another redrive took over.
    """
    await partitions(settings, settings.topic(DEAD_LETTERS), "READ")  # raises what is lacking
    if dry_run:
        letters = await read_dead_letters(settings, whole=chosen)
        return await _report(settings, letters, chosen, keys, through)
    await partitions(settings, settings.topic(DEAD_LETTERS), "WRITE")
    done = 0
    try:
        async with _producer(settings) as producer:
            letters = await read_dead_letters(settings, whole=chosen)
            report = await _report(settings, letters, chosen, keys, through)
            going = [
                (letter, answer)
                for letter, answer in report.verdicts
                if isinstance(answer, Publish)
            ]
            if going:
                await partitions(settings, settings.topic(OPERATIONS), "WRITE")
            for start in range(0, len(going), CHUNK):
                chunk = going[start : start + CHUNK]
                await _publish(producer, settings, chunk)
                done += len(chunk)
            return await _retry_deliveries(producer, settings, report)
    except TransactionalIdAuthorizationFailed:
        raise CommandError(lacks(["WRITE"], f"the transactional id {_id(settings)}")) from None
    except (ProducerFenced, IllegalOperation):  # the latter when it is noticed between two sends
        raise CommandError(
            f"another redrive took over after this one had published {done} dead letters; run it"
            " again for the rest: nothing is published twice."
        ) from None


async def _report(
    settings: Settings,
    letters: DeadLetterLog,
    chosen: Callable[[str, DeadLetter], bool],
    keys: Iterable[str],
    through: str | None,
) -> RedriveReport:
    unknown = [key for key in keys if key not in letters.by_key]
    verdicts = []
    for letter in letters.by_key.values():
        if chosen(letter.key, letter.about):
            redriven = letters.redriven.get(letter.key)
            answer = before_fix(letter, redriven, settings) or await _fixed_answer(
                settings, letter, through
            )
            verdicts.append(RedriveVerdict(letter, answer))
    return RedriveReport(verdicts, unknown)


async def _fixed_answer(
    settings: Settings, letter: StoredDeadLetter, through: str | None
) -> Publish | RetryDelivery | NotRedriven:
    if letter.about.delivery is not None:
        return retry_delivery(letter.about.delivery, through)
    fixed = await _fixed(letter.value, through)
    if isinstance(fixed, NotRedriven):
        return fixed
    return after_fix(letter, fixed, int(time.time() * 1000), settings)


async def _fixed(value: bytes, through: str | None) -> bytes | NotRedriven:
    """Return what the command makes of the bytes; without a command the bytes."""
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
        return NotRedriven(f"took the command longer than {FIX_DEADLINE_S:g} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = err.decode(errors="replace").strip().splitlines()
        last = f": {lines[-1]}" if lines else ""
        return NotRedriven(f"made the command exit with {process.returncode}{last}")
    return out.strip()


async def _publish(
    producer: AIOKafkaProducer,
    settings: Settings,
    chunk: Sequence[tuple[StoredDeadLetter, Publish]],
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


async def _retry_deliveries(
    producer: AIOKafkaProducer, settings: Settings, report: RedriveReport
) -> RedriveReport:
    """Have undelivered messages tried again, and mark the letters of those that are.

    Raises:
        CommandError: no alert worker answers.
    """
    retries = {
        letter.key: answer
        for letter, answer in report.verdicts
        if isinstance(answer, RetryDelivery)
    }
    if not retries:
        return report
    by = ask_worker.user_name(None)
    commands = [
        (
            ask_worker.new_command(
                "redrive", by=by, comment="deadletters redrive", delivery=delivery
            ),
            delivery,
        )
        for delivery, _ in retries.values()
    ]
    decided: dict[str, RetryDelivery | NotRedriven] = {}
    answers = await ask_worker.ask_all(settings, commands)
    for (key, retry), answer in zip(retries.items(), answers, strict=True):
        assert answer.decision is not None
        sentence = answer.decision.sentence
        decided[key] = (
            NotRedriven(f"was not tried again: {sentence.rstrip('.')}")
            if answer.refused
            else retry._replace(sentence=sentence)
        )
    verdicts = [
        RedriveVerdict(it.letter, decided.get(it.letter.key, it.answer)) for it in report.verdicts
    ]
    tried = [letter for letter, answer in verdicts if isinstance(answer, RetryDelivery)]
    if tried:
        async with producer.transaction():
            for letter in tried:
                await _mark(producer, settings, letter, COMMANDS)
    return RedriveReport(verdicts, report.unknown)


async def _mark(
    producer: AIOKafkaProducer, settings: Settings, letter: StoredDeadLetter, target: Topic
) -> "asyncio.Future[Any]":
    """Send the marker that says when, and to which topic, a letter was redriven."""
    now = str(int(time.time() * 1000)).encode()
    headers = [(REDRIVEN_AT, now), (REDRIVEN_TO, settings.topic(target).encode())]
    topic = settings.topic(DEAD_LETTERS)
    sent: asyncio.Future[Any] = await producer.send(
        topic, b"", key=letter.key.encode(), headers=headers
    )
    return sent


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
        with suppress(KafkaError, TimeoutError):  # another redrive may have ended this one
            await asyncio.wait_for(producer.stop(), 5)
