"""Try records in a child process before they are read: one that ends it alone is isolated.

The child is a fork: it has the tables and blocks as they stand, with limits on time and memory,
and what it does to them ends with it. It only ever costs time: a record is isolated when it ended
two children alone, by an error of its own, its share of the processor, or its memory.
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import structlog

log = structlog.get_logger()

#: CPU seconds: a record takes a tenth at most, and the hundreds tried together a few.
CPU_S = 3
#: More memory than at the beginning.
MEMORY_BYTES = 1024**3
#: By the clock. A child that is this slow without using the processor says nothing of the record.
_CLOCK_S = 60
#: Records tried in one child.
TRIED_TOGETHER = 500
_TIMES_ALONE = 2
_NOTES_BYTES = 4096
_COUNT_BYTES = 8
#: prctl.h, of Linux.
_PR_SET_PDEATHSIG = 1
#: What a record can bring about; other signals come from outside.
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
"""Does with records what reading does, but for what leaves the process; yields after each."""


class Ended(NamedTuple):
    """How a child ended."""

    survived: int
    """Records that it got through."""
    why: str | None
    """How a record ended it; None if none did."""


async def attempt(rehearse: Rehearse, records: Sequence[Any]) -> Ended:
    """Return how far a child came with the records."""
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
        told = notes[_COUNT_BYTES:].rstrip(b"\0").decode(errors="replace")
    if os.WIFSIGNALED(status):
        return Ended(survived, _OF_ITS_OWN.get(signal.Signals(os.WTERMSIG(status))))
    return Ended(survived, told or None)


async def is_poison(rehearse: Rehearse, record: Any) -> str | None:
    """Return how a record ends a worker, alone and each time; None if it does not."""
    why = None
    for _ in range(_TIMES_ALONE):
        _, why = await attempt(rehearse, [record])
        if why is None:
            return None
    return why


def _wait(child: int) -> int:
    return os.waitpid(child, 0)[1]


def _rehearse(notes: mmap.mmap, steps: Iterable[None]) -> NoReturn:
    """Be the child."""
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
    except BaseException as error:  # noqa: BLE001 - the parent is told
        told = f"raised {type(error).__name__}: {error}".encode(errors="replace")
        told = told[: _NOTES_BYTES - _COUNT_BYTES]
        notes[_COUNT_BYTES : _COUNT_BYTES + len(told)] = told
    finally:
        os._exit(status)


def _limits() -> Iterator[tuple[int, int]]:
    yield resource.RLIMIT_CORE, 0
    yield resource.RLIMIT_CPU, CPU_S
    with contextlib.suppress(OSError):  # not everywhere
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        yield resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY_BYTES
