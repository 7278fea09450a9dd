"""Leave out the records that end a worker, and make each a dead letter.

A record is tried in a child process before it is read. The child is a fork: it has the tables and
blocks as they stand, with limits on time and memory, and what it does to them ends with it. It only
ever costs time: a record is isolated when it ended two children alone, by an error of its own, its
share of the processor, or its memory.
"""

import asyncio
import contextlib
import ctypes
import faulthandler
import gc
import mmap
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import structlog
from faust.types import TP

from agents.kafka.dead_letters import refused_record
from agents.kafka.fetch_unpacking import Chunk
from agents.kafka.producer import Producer
from agents.kafka.transport import ChunkConsumer
from agents.runtime import metrics
from agents.runtime.settings import Settings
from schemas.topics import DEAD_LETTERS
from streams.record_limits import RefusedRecord
from streams.validation import cut

log = structlog.get_logger()

#: CPU seconds: a record takes a tenth at most, and the hundreds tried together a few.
CPU_S = 3
#: More memory than at the beginning.
MEMORY_BYTES = 1024**3
#: By the clock. If a child is this slow without using the processor, the record is not the cause.
_CLOCK_S = 60
#: Records tried in one child.
TRIED_TOGETHER = 500
_TIMES_ALONE = 2
_NOTES_BYTES = 4096
_COUNT_BYTES = 8
#: prctl.h, of Linux.
_PR_SET_PDEATHSIG = 1
#: Signals that a record can cause; others come from outside.
_OF_ITS_OWN = {
    signal.SIGXCPU: f"took more than {CPU_S} s of processor time",
    signal.SIGKILL: "was killed, as for want of memory",
    signal.SIGSEGV: "crashed the interpreter",
    signal.SIGBUS: "crashed the interpreter",
    signal.SIGABRT: "aborted the interpreter",
    signal.SIGILL: "crashed the interpreter",
    signal.SIGFPE: "crashed the interpreter",
}

Rehearse = Callable[[Sequence[Any]], Iterable[None]]
"""Processes records as reading does, without output; yields after each."""
Read = Callable[[TP, Chunk], Awaitable[None]]
RehearseOf = Callable[[TP, Sequence[Any]], Any]

_DIED_BEFORE = "it ended a worker before, alone in a process of its own"


class PoisonFilter:
    """Passes chunks on; records that may have ended the worker are tried first."""

    def __init__(self, settings: Settings, producer: Producer, consumer: Callable[[], Any]) -> None:
        """Publish dead letters through the producer; `consumer` returns the ChunkConsumer."""
        self._topic = settings.topic(DEAD_LETTERS)
        self._producer = producer
        self._consumer = consumer
        self._why: dict[tuple[TP, int], str] = {}
        self.tried = 0
        """Grows while records are tried: the watchdog sees progress."""

    async def read(
        self,
        tp: TP,
        chunk: Chunk,
        read: Read,
        rehearse: RehearseOf,
        is_lost: Callable[[], bool],
    ) -> None:
        """Read a chunk without the records that end a worker, until its partition is lost."""
        consumer: ChunkConsumer = self._consumer()
        start = consumer.starts.of(tp)
        if not start.poison and not start.is_suspect(chunk.start):
            await read(tp, chunk)
            return
        at, ready = chunk.start, False
        records = chunk.records
        while records and not is_lost():
            first = records[0]
            if first.offset in start.poison:
                await self._refuse(tp, first)
                records = records[1:]
                continue
            batch = _before(records, start.poison)
            if start.is_suspect(first.offset):
                if not ready:  # the child needs what the first read creates
                    await read(tp, Chunk(at, at, []))
                    ready = True
                batch = await self._good(tp, batch[:TRIED_TOGETHER], rehearse)
            if batch and not is_lost():
                records = records[len(batch) :]
                end = records[0].offset if records else chunk.end
                await read(tp, Chunk(at, end, list(batch)))
                at = end
        if at < chunk.end and not is_lost():
            await read(tp, Chunk(at, chunk.end, []))

    async def _good(self, tp: TP, records: Sequence[Any], rehearse: RehearseOf) -> Sequence[Any]:
        """Return the first records that are harmless; isolate the first one if it is not."""

        def of_this(batch: Sequence[Any]) -> Any:
            return rehearse(tp, batch)

        good = await self._survivors(of_this, records)
        if good:
            return good
        why = await is_poison(of_this, records[0])
        self.tried += 1
        if why is None:
            return records[:1]
        consumer: ChunkConsumer = self._consumer()
        self._why[tp, records[0].offset] = f"it {why}, alone in a process of its own"
        await consumer.isolate(tp, records[0].offset)
        return ()

    async def _survivors(self, rehearse: Rehearse, records: Sequence[Any]) -> Sequence[Any]:
        """Return as many of the first records as one child survives."""
        while records:
            survived, why = await attempt(rehearse, records)
            self.tried += 1
            if why is None:
                return records
            # If it ended after the last one, they were too much together: try half of them.
            records = records[: survived if survived < len(records) else len(records) // 2]
        return records

    async def _refuse(self, tp: TP, record: Any) -> None:
        why = self._why.pop((tp, record.offset), _DIED_BEFORE)
        log.error(
            "a record ends the worker: it is left out",
            topic=tp.topic,
            partition=tp.partition,
            offset=record.offset,
            why=why,
        )
        refused = RefusedRecord(record, None, "poison", cut(why), bytes(record.value or b""))
        await self._producer.publish([refused_record(self._topic, tp.topic, tp.partition, refused)])
        metrics.dead_letters.labels("poison").inc()


def _before(records: Sequence[Any], poison: set[int]) -> Sequence[Any]:
    """Return the records before the first that is poison."""
    for place, record in enumerate(records):
        if record.offset in poison:
            return records[:place]
    return records


class Ended(NamedTuple):
    """How a child ended."""

    survived: int
    """The number of records that it processed."""
    why: str | None
    """How a record ended it; None if it ended normally."""


async def attempt(rehearse: Rehearse, records: Sequence[Any]) -> Ended:
    """Process records in a child; return how it ended."""
    with mmap.mmap(-1, _NOTES_BYTES) as notes:
        try:
            child = os.fork()
        except OSError as error:
            log.warning("records cannot be tried: no process for it", error=str(error))
            return Ended(len(records), None)
        if child == 0:
            _rehearse(notes, rehearse(records))
        status = await asyncio.to_thread(_wait, child)
        survived = int.from_bytes(notes[:_COUNT_BYTES], "little")
        why = notes[_COUNT_BYTES:].rstrip(b"\0").decode(errors="replace")
    if os.WIFSIGNALED(status):
        return Ended(survived, _OF_ITS_OWN.get(signal.Signals(os.WTERMSIG(status))))
    return Ended(survived, why or None)


async def is_poison(rehearse: Rehearse, record: Any) -> str | None:
    """Return how a record ends a child each time it is tried alone; None if it does not."""
    why = None
    for _ in range(_TIMES_ALONE):
        _, why = await attempt(rehearse, [record])
        if why is None:
            return None
    return why


def _wait(child: int) -> int:
    return os.waitpid(child, 0)[1]


def _rehearse(notes: mmap.mmap, steps: Iterable[None]) -> NoReturn:
    """Process the records, as the child, and exit."""
    status = 1
    try:
        with contextlib.suppress(AttributeError, OSError):  # not everywhere
            # It holds the parent's sockets and locks: it must not outlive it.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        faulthandler.disable()
        gc.disable()  # it would copy what is shared with the parent
        for number in (signal.SIGALRM, signal.SIGXCPU):
            signal.signal(number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, _CLOCK_S)
        for kind, most in _limits():
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
        for count, _ in enumerate(steps, 1):
            notes[:_COUNT_BYTES] = count.to_bytes(_COUNT_BYTES, "little")
        status = 0
    except BaseException as error:  # noqa: BLE001 - the parent reads it
        text = f"raised {type(error).__name__}: {error}".encode(errors="replace")
        text = text[: _NOTES_BYTES - _COUNT_BYTES]
        notes[_COUNT_BYTES : _COUNT_BYTES + len(text)] = text
    finally:
        os._exit(status)


def _limits() -> Iterator[tuple[int, int]]:
    yield resource.RLIMIT_CORE, 0
    yield resource.RLIMIT_CPU, CPU_S
    with contextlib.suppress(OSError):  # not everywhere
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        yield resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY_BYTES
