"""Ask an assessor that runs in processes of its own; one that overruns is killed and replaced."""

import asyncio
import contextlib
import functools
import multiprocessing
import socket
import threading
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import cast

import structlog

from agents.quality.assessor_process import (
    LENGTH,
    LoadAssessor,
    ProcessEnds,
    failure,
    read_answers,
    serve,
)
from agents.quality.assessor_request import Answer, Answers, AssessmentRequest, Unanswered

log = structlog.get_logger()

_START_AGAIN_S = 1.0
_JOIN_S = 5.0
_START_S = 60.0
#: What the fork server imports once, so that a process starts in milliseconds.
_PRELOADED = ["agents.quality.installed_assessors"]


#: multiprocessing looks at all its processes when it starts one.
_starting = threading.Lock()


@functools.cache
def fork_server() -> ForkServerContext:
    """Return what starts the processes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


class _Connection(asyncio.Protocol):
    """The worker's end of a process: a request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.request: AssessmentRequest | None = None
        self.is_open = True
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends once the process has its assessor."""
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is of another class

    def ask(self, request: AssessmentRequest) -> None:
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
            request.end(self._read(answer))

    def _read(self, answer: bytes) -> Answers:
        try:
            found = read_answers(answer)
        except ProcessEnds as ends:
            self.is_open = False
            return Unanswered("failed", str(ends))
        except ValueError as error:
            return Unanswered("failed", failure(error))
        return [Unanswered("failed", it) if isinstance(it, str) else it for it in found]

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
        self._requests: asyncio.Queue[AssessmentRequest] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._children: set[_Child] = set()
        self._reaping: set[asyncio.Task[None]] = set()
        self._idle = 0
        self.is_idle = asyncio.Event()
        """Set while a process has its assessor, and nothing to do."""

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

    async def assess(self, body: bytes, until_s: float) -> Answer:
        """Return what the assessor finds of one analysis; see assess_together."""
        answers = await self.assess_together(body, until_s)
        return answers if isinstance(answers, Unanswered) else answers[0]

    def assess_together(self, body: bytes, until_s: float) -> "asyncio.Future[Answers]":
        """Ask what the assessor finds; why not, if it does not answer until a time of the loop.

        Args:
            body: the request, of agents.quality.assessor_process.request_of.
            until_s: when nobody waits for the answer any more.
        """
        request = AssessmentRequest(body, until_s)
        self._requests.put_nowait(request)
        return request.answer

    async def _run(self) -> None:
        """Keep one process, and pass it a request at a time."""
        child: _Child | None = None
        while True:
            if child is None:
                child = await self._started()
            request = await self._next_request()
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

    async def _next_request(self) -> AssessmentRequest:
        self._idle += 1
        self.is_idle.set()
        try:
            return await self._requests.get()
        finally:
            self._idle -= 1
            if not self._idle:
                self.is_idle.clear()

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
