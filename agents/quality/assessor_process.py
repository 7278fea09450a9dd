"""Run an assessor in a process of its own, which may be killed at any time.

It is forked by multiprocessing's fork server, which has everything imported and holds none of the
worker's sockets. The server ends with the worker, and its children with the server.
"""

import contextlib
import ctypes
import json
import math
import os
import pickle
import resource
import signal
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from schemas.quality_scores import Finding
from streams.quality.analyses import reread_analysis
from streams.quality.assessor import Assessed, Assessor, Context, EarlierResult, Truth
from streams.validation import cut

#: More memory than at the beginning.
MEMORY_BYTES = 512 * 1024**2
#: Findings of one assessment that are passed on.
MOST_FINDINGS = 50
_MOST_BYTES = 256 * 1024
LENGTH = struct.Struct("!I")
#: The first that a process says: it has its assessor.
READY = LENGTH.pack(0)
_OUR_OWN = "streams.quality."
#: prctl.h, of Linux.
_PR_SET_PDEATHSIG = 1


class ProcessEnds(Exception):
    """The process takes no more requests; the text says why."""


LoadAssessor = Callable[[], tuple[Assessor, QualityConfig]]
"""Returns an assessor and its configuration; a function that can be pickled."""


class AskedAnalysis(NamedTuple):
    """An analysis as it stands in its record, and its context."""

    value: bytes
    earlier: tuple[EarlierResult, ...]
    labels: Mapping[str, Truth]


def serve(requests: socket.socket, load: LoadAssessor) -> NoReturn:
    """Answer assessments until the worker closes the socket, and exit."""
    status = 1
    try:
        with contextlib.suppress(AttributeError, OSError):  # not everywhere
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _let_go()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's
        assessor, config = load()
        _limit_memory()
        requests.setblocking(True)
        requests.sendall(READY)
        goes_on = True
        while goes_on and (request := _receive(requests)) is not None:
            asked = pickle.loads(request)  # noqa: S301 - of the worker
            answer, goes_on = _answers(assessor, config, asked)
            requests.sendall(LENGTH.pack(len(answer)) + answer)
        status = 0
    except (BrokenPipeError, ConnectionError):  # the worker closed it
        status = 0
    finally:
        os._exit(status)


def request_of(asked: Sequence[AskedAnalysis]) -> bytes:
    """Return the request to assess analyses, one after the other."""
    body = pickle.dumps(asked, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


def assess(assessor: Assessor, analysis: Analysis, context: Context) -> Assessed | None:
    """Return what an assessor finds, checked.

    Raises:
        Exception: whatever it raises.
        ValueError: its score is none.
    """
    assessed = assessor.assess(analysis, context)
    if assessed is None:
        return None
    score = float(assessed.score)
    if not (math.isfinite(score) and 0 <= score <= 1):
        message = f"its score is {score}, not between 0 and 1"
        raise ValueError(message)
    return Assessed(score=score, findings=tuple(assessed.findings[:MOST_FINDINGS]))


def is_our_own(assessor: Assessor) -> bool:
    """Return whether an assessor is built in."""
    return type(assessor).__module__.startswith(_OUR_OWN)


def read_answers(answer: bytes) -> list[Assessed | str | None]:
    """Return what an assessor found of each analysis, or why it failed.

    Raises:
        ProcessEnds: it failed so that its process ends.
    """
    answers = json.loads(answer)
    if isinstance(answers, str):
        raise ProcessEnds(answers)
    return [
        found if found is None or isinstance(found, str) else _read_found(found)
        for found in answers
    ]


def _read_found(found: dict[str, Any]) -> Assessed:
    return Assessed(
        score=found["score"], findings=tuple(map(Finding.model_validate, found["findings"]))
    )


def _answers(
    assessor: Assessor, config: QualityConfig, asked: Sequence[AskedAnalysis]
) -> tuple[bytes, bool]:
    """Return the answers, and whether this process can go on."""
    texts = []
    read: Callable[[bytes], Analysis] = (
        reread_analysis if is_our_own(assessor) else Analysis.model_validate_json
    )
    for value, earlier, labels in asked:
        context = Context(config=config, earlier=earlier, labels=labels)
        try:
            texts.append(_text_of(assess(assessor, read(value), context)))
        except MemoryError:
            why = f"it took more than {MEMORY_BYTES >> 20} MiB of memory"
            return json.dumps(why).encode(), False
        except BaseException as error:  # noqa: BLE001 - of a third party; the worker reports it
            texts.append(json.dumps(failure(error)).encode())
    return b"[" + b",".join(texts) + b"]", True


def _text_of(found: Assessed | None) -> bytes:
    answer = found and {
        "score": found.score,
        "findings": [finding.model_dump(mode="json") for finding in found.findings],
    }
    text = json.dumps(answer).encode()
    if len(text) > _MOST_BYTES:
        return json.dumps(f"its findings take {len(text)} bytes").encode()
    return text


def failure(error: BaseException) -> str:
    """Return how an assessor failed."""
    return cut(f"it raised {type(error).__name__}: {error}")


def _let_go() -> None:
    """Close what keeps the fork server alive: it ends with the worker, and this process with it.

    multiprocessing passes that on, so that a child can start processes too.
    """
    server: Any = forkserver._forkserver  # noqa: SLF001
    tracker: Any = resource_tracker._resource_tracker  # noqa: SLF001
    for descriptor in (server._forkserver_alive_fd, tracker._fd):  # noqa: SLF001
        if descriptor is not None:
            os.close(descriptor)


def _receive(requests: socket.socket) -> bytes | None:
    """Return a request; None at the end."""
    header = _exactly(requests, LENGTH.size)
    return None if header is None else _exactly(requests, LENGTH.unpack(header)[0])


def _exactly(requests: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = requests.recv(count - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _limit_memory() -> None:
    with contextlib.suppress(OSError, ValueError):  # not everywhere
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
