"""Run commands of the CLI in processes that do not have to import first: most of what they take.

A server imports the libraries and the schemas once, and forks for each command. The command has a
process, an environment, a folder, streams and an exit code of its own, and imports its own modules.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path

#: What commands import of others, and the schemas, which import nothing of ours.
_LIBRARIES = (
    "aiokafka.admin",
    "aiosmtplib",
    "httpx",
    "jinja2.sandbox",
    "msgspec",
    "numpy",
    "orjson",
    "pydantic_settings",
    "re2",
    "rich.live",
    "rich.table",
    "structlog",
    "typer.main",
    "yaml",
    "schemas.export",
)
_ROOT = Path(__file__).parents[1]
_TIMEOUT_S = 120
_STREAMS = ("in", "out", "err")
_FLAGS = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2)


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
        request = [list(arguments), dict(environment), str(folder), list(map(str, files))]
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(
            ["opwatch", *arguments], code, files[1].read_text(), files[2].read_text()
        )


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
    for library in _LIBRARIES:
        import_module(library)
    gc.freeze()  # else each command's memory is its own as soon as it is looked through
    answers = os.dup(1)
    for line in sys.stdin:
        arguments, environment, folder, files = json.loads(line)
        child = os.fork()
        if child == 0:
            os.close(answers)
            _become(arguments, environment, folder, files)
            return
        _, status = os.waitpid(child, 0)
        os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())


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
    sys.argv = ["opwatch", *arguments]
    signal.alarm(_TIMEOUT_S)

    from agents.cli import main

    main()


if __name__ == "__main__":
    _serve()
