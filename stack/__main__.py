"""Bring the stack up and down from the command line: `python -m stack --help`."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from stack import bringup, processes
from stack.errors import StackError
from stack.progress import say
from stack.state import FOLDER, KAFKA_VARIABLE, POSTGRES_VARIABLE

_FORWARDED = (signal.SIGINT, signal.SIGTERM)


class _Stopped(Exception):
    """A signal arrived before there was a command to forward it to."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.what == "run":
            command = options.command[1:] if options.command[:1] == ["--"] else options.command
            return _run(command, allow_mock=options.allow_mock)
        if options.what == "down":
            return _down(data=options.data)
        return {"up": _up, "status": _status}[options.what]()
    except StackError as error:
        say(f"error: {error}")
        return 3
    except (_Stopped, KeyboardInterrupt) as stop:
        say("stopped before the stack was up; what was already started was ended")
        return 128 + getattr(stop, "number", signal.SIGINT)


def _up() -> int:
    stack = bringup.up(keep=True)
    for name, address in stack.environment.items():
        print(f"{name}={address}")
    say(f"for a shell: . {os.path.relpath(FOLDER / 'env')}")
    return 0


def _down(*, data: bool) -> int:
    if not bringup.down(data=data):
        say("nothing that was started here is running")
    return 0


def _status() -> int:
    recorded = bringup.recorded()
    both = ((KAFKA_VARIABLE, recorded.kafka), (POSTGRES_VARIABLE, recorded.postgres))
    lines = []
    for variable, ours in both:
        if ours is not None:
            who = f"by {ours.by}" + (f", pid {ours.process.pid}" if ours.process else "")
            lines.append(f"{variable}={ours.address}  (started here {who})")
        elif address := os.environ.get(variable):
            lines.append(f"{variable}={address}  (named by the environment)")
        else:
            lines.append(f"{variable} is down")
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:  # `make status | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if recorded.kafka or os.environ.get(KAFKA_VARIABLE) else 1


def _run(command: list[str], *, allow_mock: bool) -> int:
    """Run the command with the stack's addresses; return its exit code.

    SIGINT and SIGTERM go to the command, which runs in a session of its own so that a terminal's
    Ctrl-C reaches it once; the stack goes down after it.
    """
    if not command:
        raise StackError("no command: python -m stack run -- COMMAND …")
    holder = processes.identify(os.getpid())
    assert holder is not None
    child: subprocess.Popen[bytes] | None = None
    launching = False
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if child is not None:
            child.send_signal(number)
        elif launching:
            early.append(number)
        else:
            raise _Stopped(number)

    for number in _FORWARDED:
        signal.signal(number, forward)
    try:
        stack = bringup.up(keep=False, holder=holder, allow_mock=allow_mock)
        launching = True
        try:
            child = subprocess.Popen(
                command, env=os.environ | stack.environment, start_new_session=True
            )
        except OSError as error:
            raise StackError(f"cannot run {command[0]}: {error.strerror}") from None
        for missed in early:
            child.send_signal(missed)
        code = child.wait()
    finally:
        for number in _FORWARDED:
            signal.signal(number, signal.SIG_IGN)
        bringup.release(holder)
    return code if code >= 0 else 128 - code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    what = parser.add_subparsers(dest="what", required=True, metavar="up|down|status|run")
    what.add_parser("up", help="start Kafka and PostgreSQL and print where; data stays")
    down = what.add_parser("down", help="stop exactly what was started")
    down.add_argument("--data", action="store_true", help="also remove their data")
    what.add_parser("status", help="print what runs; exit code 1 without a Kafka")
    run = what.add_parser("run", help="run a command; start and stop the stack for it")
    run.add_argument("--allow-mock", action="store_true", help="without a Kafka use a mock cluster")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
    return parser


if __name__ == "__main__":
    sys.exit(main())
