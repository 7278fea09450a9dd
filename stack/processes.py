"""Identify processes, so that only those that we started are ever ended."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process by its pid and start time, because pids are reused."""

    pid: int
    started: str


def identify(pid: int) -> Process | None:
    """Return the live process behind `pid`, or None (a zombie counts as gone)."""
    started = _started(pid)
    return None if started is None else Process(pid=pid, started=started)


def alive(process: Process) -> bool:
    """Say whether this very process, not another with its pid, still runs."""
    return identify(process.pid) == process


def end(process: Process, *, grace_s: float, how: signal.Signals = signal.SIGTERM) -> bool:
    """Ask the process to end, kill it after `grace_s`; False if it had ended before."""
    if not alive(process):
        return False
    _send(process, how)
    if not _gone_within(process, grace_s):
        _send(process, signal.SIGKILL)
        _gone_within(process, 10.0)
    return True


def kill(process: Process) -> None:
    """Kill the process, as a crash would."""
    _send(process, signal.SIGKILL)
    _gone_within(process, 10.0)


def _send(process: Process, how: signal.Signals) -> None:
    if alive(process):
        with suppress(ProcessLookupError):
            os.kill(process.pid, how)


def _gone_within(process: Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    # A child of ours would stay a zombie until somebody waits for it.
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return True


def _started(pid: int) -> str | None:
    if Path("/proc/self/stat").exists():
        return _started_by_proc(pid)
    ps = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = ps.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def _started_by_proc(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in brackets and may hold anything; the fields are state, …, starttime.
    fields = stat.rpartition(")")[2].split()
    state, threads, started = fields[0], int(fields[17]), fields[19]
    # While other threads of a killed JVM are still ending, its sockets are still open.
    gone = state == "X" or (state == "Z" and threads <= 1)
    return None if gone else started
