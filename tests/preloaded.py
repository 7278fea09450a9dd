"""Run commands of the CLI in processes that do not have to import first: most of what they take.

A server imports the libraries and opwatch once, and forks for each command. The command has a
process, an environment, a folder, streams and an exit code of its own.
"""

import contextlib
import gc
import importlib
import json
import math
import os
import runpy
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

#: What commands and workers import.
_IMPORTED = (
    "agents.alert.app",
    "agents.cli.app",
    "agents.dashboard.app",
    "agents.measure.app",
    "agents.quality.app",
    "agents.store.app",
    # … and what these import when it is needed.
    "faust.tables.recovery",
    "faust.transport.drivers.aiokafka",
    "h2.connection",
    "jinja2.sandbox",
    "rich.live",
    "schemas.export",
)
_ROOT = Path(__file__).parents[1]
_TIMEOUT_S = 120
_LOOK_S = 0.02
_STREAMS = ("in", "out", "err")
_FLAGS = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2)
_asking = threading.Lock()


def run(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, stdin: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run `opwatch` with the arguments, as `subprocess.run` does, and return how it ended.

    Args:
        arguments: those after `opwatch`.
        environment: all variables that the command has.
        folder: where it runs.
        stdin: what it reads.
    """
    with tempfile.TemporaryDirectory(prefix="opwatch-command-") as streams:
        files = [Path(streams, name) for name in _STREAMS]
        files[0].write_text(stdin)
        code = _ask(arguments, environment, folder, files, None)
        return subprocess.CompletedProcess(
            ["opwatch", *arguments], code, files[1].read_text(), files[2].read_text()
        )


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    *,
    before: Sequence[str] = (),
) -> "subprocess.Popen[bytes]":
    """Start `opwatch` with the arguments, as `subprocess.Popen` does.

    Args:
        arguments: those after `opwatch`.
        environment: all variables that it has.
        folder: where it runs.
        log: what it writes is added to this file.
        before: what is to run it.
    """
    if before:
        command = [*before, sys.executable, "-m", "agents.cli", *arguments]
        with log.open("ab") as output:
            return subprocess.Popen(
                command, env=environment, cwd=folder, stdout=output, stderr=output
            )
    return _Forked(arguments, environment, folder, log)


@contextlib.contextmanager
def command_in(folder: Path) -> Iterator[None]:
    """Have a program `opwatch` in a folder for shells; its processes end with the context."""
    address, program = folder / "opwatch.socket", folder / "opwatch"
    program.write_text(_PROGRAM.format(python=sys.executable, address=str(address)))
    program.chmod(0o755)
    commands: set[int] = set()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            shell, arguments, environment, cwd = json.loads(self.rfile.readline())
            files = [Path(f"/proc/{shell}/fd/{number}") for number in range(len(_STREAMS))]
            with tempfile.TemporaryDirectory(prefix="opwatch-ended-") as ended:
                status = Path(ended, "status")
                command = _ask(arguments, environment, Path(cwd), files, status)
                commands.add(command)
                while not status.exists():
                    time.sleep(_LOOK_S)
                commands.remove(command)
                self.wfile.write(status.read_text().encode())

    with socketserver.ThreadingUnixStreamServer(str(address), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            for command in list(commands):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(command, signal.SIGKILL)
            server.shutdown()


#: Asks for a command with the arguments, environment, folder and streams that it has itself.
_PROGRAM = """#!{python} -SE
import json, os, socket, sys
asking = socket.socket(socket.AF_UNIX)
asking.connect({address!r})
request = os.getpid(), sys.argv[1:], dict(os.environ), os.getcwd()
asking.sendall(json.dumps(request).encode() + b"\\n")
os._exit(int(asking.makefile().read()) % 256)
"""


class _Forked(subprocess.Popen[bytes]):
    """A command that the server forked, whose end its keeper wrote down."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        self.args = ["opwatch", *arguments]
        self.returncode: int | None = None
        self._ended = tempfile.TemporaryDirectory(prefix="opwatch-ended-")
        self._status = Path(self._ended.name, "status")
        log.touch()  # whoever looks for what it writes may come first
        files = [Path(os.devnull), log, log]
        self.pid = _ask(arguments, environment, folder, files, self._status)

    def poll(self) -> int | None:
        if self.returncode is None and self._status.exists():
            self.returncode = int(self._status.read_text())
            self._ended.cleanup()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        give_up_s = time.monotonic() + (math.inf if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > give_up_s:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(_LOOK_S)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:  # it is a zombie until its end is written down: nobody has its pid
            os.kill(self.pid, number)

    def __del__(self) -> None:
        """Leave the process to itself, without a warning."""


def _ask(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    files: Sequence[Path],
    status: Path | None,
) -> int:
    """Return what a command ended with; if its end is to be in a file, its pid at once."""
    request = [*map(str, files)], list(arguments), dict(environment), str(folder), status
    with _asking:
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request, default=str) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline())


@cache
def _server() -> "subprocess.Popen[str]":
    """Return the server; it ends when the end of its stdin says that this process did."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.preloaded"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _serve() -> None:
    for module in _IMPORTED:
        importlib.import_module(module)
    gc.freeze()  # else each command's memory is its own as soon as it is looked through
    answers = os.dup(1)
    keepers: list[int] = []
    for line in sys.stdin:
        keepers = [keeper for keeper in keepers if os.waitpid(keeper, os.WNOHANG) == (0, 0)]
        files, arguments, environment, folder, status_file = json.loads(line)
        child = os.fork()
        if child == 0:
            if status_file is None:
                signal.alarm(_TIMEOUT_S)
            elif command := os.fork():
                _keep(command, Path(status_file), answers)
            os.close(answers)
            _become(arguments, environment, folder, files)
            return
        if status_file is None:
            _, status = os.waitpid(child, 0)
            _answer(answers, os.waitstatus_to_exitcode(status))
        else:
            keepers.append(child)


def _keep(command: int, status_file: Path, answers: int) -> NoReturn:
    """Say which process a command is, and write down how it ends; this process is its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _answer(answers, command)
    os.close(answers)
    ended = os.waitid(os.P_PID, command, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    written = status_file.with_suffix(".written")
    written.write_text(str(code))
    written.rename(status_file)
    os.waitpid(command, 0)
    os._exit(0)


def _answer(answers: int, number: int) -> None:
    os.write(answers, f"{number}\n".encode())


def _become(
    arguments: list[str], environment: dict[str, str], folder: str, files: list[str]
) -> None:
    """Be the command, in this process: whoever calls this returns at once."""
    for number, (file, flags) in enumerate(zip(files, _FLAGS, strict=True)):
        os.dup2(os.open(file, flags, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, closefd=False)  # noqa: SIM115 - until the end
        for number, mode in enumerate(("r", "w", "w"))
    )
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    _begin_anew()
    sys.argv = ["opwatch", *arguments]
    runpy.run_module("agents.cli", run_name="__main__", alter_sys=True)


def _begin_anew() -> None:
    """Do what an interpreter does at its start, which the server's did with its environment."""
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("sitecustomize")
    importlib.reload(importlib.import_module("agents.runtime.failpoints"))
    found = importlib.import_module("agents.quality.installed_assessors")
    found.installed_assessors.cache_clear()


if __name__ == "__main__":
    _serve()
