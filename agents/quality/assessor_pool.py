"""Ask an assessor that runs in processes of its own; one that overruns is killed and replaced."""

import asyncio
import contextlib
import functools
import multiprocessing
import socket
import threading
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Literal, NamedTuple, cast

import structlog

from agents.quality.assessor_process import (
    LENGTH,
    LoadAssessor,
    ProcessEnds,
    failure,
    read_answer,
    serve,
)
from streams.quality.assessor import Assessed

log = structlog.get_logger()

#: A timer that is this late shows that the worker stood still, which is not the assessor's fault: …
_STALLED_S = 0.05
#: … its answer gets this much more time.
_AFTER_STALL_S = 0.1
_START_AGAIN_S = 1.0
_JOIN_S = 5.0
_START_S = 60.0
#: What the fork server imports once, so that a process starts in milliseconds.
_PRELOADED = ["agents.quality.installed_assessors"]


class Unanswered(NamedTuple):
    """Why an assessor did not answer."""

    why: Literal["too_slow", "failed", "out_of_budget"]
    detail: str


Answer = Assessed | Unanswered | None

#: multiprocessing looks at all its processes when it starts one.
_starting = threading.Lock()


@functools.cache
def fork_server() -> ForkServerContext:
    """Return what starts the processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


class _Request:
    """An assessment, until it is answered or its time is over."""

    def __init__(self, body: bytes, until_s: float) -> None:
        self.body = body
        self.until_s = until_s
        self.otherwise = Unanswered("out_of_budget", "no process was idle in time")
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._limit(until_s)

    def begin(self, deadline_s: float) -> None:
        """Note that a process works on it, and for how long it may."""
        now_s = asyncio.get_running_loop().time()
        limit_s = max(0.0, min(deadline_s, self.until_s - now_s))
        text = f"it took longer than {limit_s * 1000:.0f} ms"
        if limit_s < deadline_s / 2:
            self.otherwise = Unanswered("out_of_budget", f"{text}, which were left")
        else:
            self.otherwise = Unanswered("too_slow", text)
        self._limit(now_s + limit_s)

    def end(self, answer: Answer) -> None:
        """Answer, unless that was done."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.answer.done():
            self.answer.set_result(answer)

    def _limit(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at_s, self._end, at_s)

    def _end(self, at_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - at_s > _STALLED_S:
            self._limit(now_s + _AFTER_STALL_S)
            return
        self.end(self.otherwise)


class _Connection(asyncio.Protocol):
    """The worker's end of a process: a request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.request: _Request | None = None
        self.is_open = True
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends once the process has its assessor."""
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is of another class

    def ask(self, request: _Request) -> None:
        assert self.transport is not None
        self.request = request
        self.transport.write(request.body)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < LENGTH.size:
            return
        if not self.ready.done():
            self.ready.set_result(None)
            del self._received[: LENGTH.size]
            return
        end = LENGTH.size + LENGTH.unpack_from(self._received)[0]
        if len(self._received) < end:
            return
        answer, self._received = bytes(self._received[LENGTH.size : end]), self._received[end:]
        request, self.request = self.request, None
        if request is not None:
            try:
                found = read_answer(answer)
            except ProcessEnds as ends:
                self.is_open, found = False, str(ends)
            except ValueError as error:
                found = failure(error)
            request.end(Unanswered("failed", found) if isinstance(found, str) else found)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self.is_open = False
        if not self.ready.done():
            self.ready.set_exception(EOFError("it ended before it had its assessor"))
        if self.request is not None:
            self.request.end(Unanswered("failed", "its process ended"))


class _Child:
    """A process and the connection to it."""

    def __init__(self, process: ForkServerProcess, connection: _Connection) -> None:
        self.process = process
        self.connection = connection

    @classmethod
    async def start(cls, load: LoadAssessor) -> "_Child":
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unless_started, theirs:
            unless_started.callback(ours.close)
            process = fork_server().Process(target=serve, args=(theirs, load), daemon=True)
            await asyncio.to_thread(_start, process)
            unless_started.pop_all()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(_Connection, sock=ours)
        return cls(process, connection)

    async def is_ready(self) -> None:
        """Return once it has its assessor.

        Raises:
            EOFError: it has ended.
            TimeoutError: that takes too long.
        """
        async with asyncio.timeout(_START_S):
            await self.connection.ready

    def kill(self) -> None:
        """End it at once; nobody waits for that."""
        self.connection.request = None
        if self.connection.transport is not None:
            self.connection.transport.abort()
        with contextlib.suppress(OSError, ValueError):
            self.process.kill()

    def reap(self) -> None:
        self.process.join(_JOIN_S)
        with _starting, contextlib.suppress(ValueError):
            self.process.close()


def _start(process: ForkServerProcess) -> None:
    with _starting:
        process.start()


class AssessorPool:
    """The processes of one assessor."""

    def __init__(self, name: str, load: LoadAssessor, *, processes: int, deadline_s: float) -> None:
        """Start nothing yet.

        Args:
            name: the assessor's.
            load: returns it, in its process.
            processes: how many there are.
            deadline_s: an assessment that takes longer is ended with its process.
        """
        self.name = name
        self._deadline_s = deadline_s
        self._load = load
        self._count = processes
        self._requests: asyncio.Queue[_Request] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._children: set[_Child] = set()
        self._reaping: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start the processes; assessments wait until the first is there."""
        for _ in range(self._count):
            self._tasks.add(asyncio.create_task(self._run()))

    def stop(self) -> None:
        """End the processes."""
        for task in self._tasks:
            task.cancel()
        for child in list(self._children):
            self._drop(child)

    def assess(self, body: bytes, until_s: float) -> "asyncio.Future[Answer]":
        """Ask what the assessor finds; why not, if it does not answer until a time of the loop."""
        request = _Request(body, until_s)
        self._requests.put_nowait(request)
        return request.answer

    async def _run(self) -> None:
        """Keep one process, and pass it a request at a time."""
        child: _Child | None = None
        while True:
            if child is None:
                child = await self._started()
            request = await self._requests.get()
            if request.answer.done():
                continue
            if not child.connection.is_open:
                self._drop(child)
                child = await self._started()
                if request.answer.done():
                    continue
            request.begin(self._deadline_s)
            child.connection.ask(request)
            await asyncio.wait([request.answer])
            if child.connection.request is not None or not child.connection.is_open:
                self._drop(child)  # it has not answered
                child = None

    async def _started(self) -> _Child:
        while True:
            child = None
            try:
                child = await _Child.start(self._load)
                self._children.add(child)
                await child.is_ready()
            except Exception as error:  # noqa: BLE001 - whatever it is, others must be assessed
                log.warning("no process for an assessor", assessor=self.name, error=repr(error))
                if child is not None:
                    self._drop(child)
                await asyncio.sleep(_START_AGAIN_S)
                continue
            return child

    def _drop(self, child: _Child) -> None:
        """End a process."""
        self._children.discard(child)
        child.kill()
        reaping = asyncio.get_running_loop().create_task(asyncio.to_thread(child.reap))
        self._reaping.add(reaping)
        reaping.add_done_callback(self._reaping.discard)
