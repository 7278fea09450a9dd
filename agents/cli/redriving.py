"""Put dead letters back, each with its marker in one transaction, so that none goes twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced

from agents.cli.kafka import partitions
from agents.cli.letters import REDRIVEN_AT, REDRIVEN_TO, Letter, Letters, read
from agents.cli.redrive import Go, Refused, after_fix, before_fix
from agents.cli.running import NO, Sentence
from agents.settings import Settings
from schemas.dead_letters import DeadLetter
from schemas.topics import DEAD_LETTERS, OPERATIONS

#: The header that says of which dead letter a record is the second try.
REDRIVE_OF = "opwatch-redrive-of"
#: So many letters share a transaction.
CHUNK = 500
FIX_DEADLINE_S = 30.0


class Verdict(NamedTuple):
    """What became of a letter."""

    letter: Letter
    answer: Go | Refused


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
    await partitions(settings, settings.topic(DEAD_LETTERS))  # says it well if there is none
    if dry_run:
        letters = await read(settings, whole=chosen)
        return await _judged(settings, letters, chosen, keys, through)
    done = 0
    try:
        async with _producer(settings) as producer:
            letters = await read(settings, whole=chosen)
            report = await _judged(settings, letters, chosen, keys, through)
            going = [
                (letter, answer) for letter, answer in report.verdicts if isinstance(answer, Go)
            ]
            for start in range(0, len(going), CHUNK):
                chunk = going[start : start + CHUNK]
                await _publish(producer, settings, chunk)
                done += len(chunk)
    except (ProducerFenced, IllegalOperation):  # the latter when it is noticed between two sends
        raise Sentence(
            f"another redrive took over after {done} of this one's letters; run it again for the"
            " rest: nothing goes twice.",
            NO,
        ) from None
    return report


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
        answer: Go | Refused | None = before_fix(letter, letters.redriven.get(letter.key), settings)
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
    dead_letters = settings.topic(DEAD_LETTERS)
    target = settings.topic(OPERATIONS)
    async with producer.transaction():
        sent = []
        for letter, answer in chunk:
            key = letter.key.encode()
            now = str(int(time.time() * 1000)).encode()
            sent += [
                await producer.send(target, answer.value, headers=[(REDRIVE_OF, key)]),
                await producer.send(
                    dead_letters,
                    b"",
                    key=key,
                    headers=[(REDRIVEN_AT, now), (REDRIVEN_TO, target.encode())],
                ),
            ]
        await asyncio.gather(*sent)


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


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **settings.kafka(),
        transactional_id=f"{settings.topic_prefix}redrive",
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
