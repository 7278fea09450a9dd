"""Run a program over the records; report how fast it counted them, and whether correctly."""

import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from benchmarks.environment import Missing, say
from benchmarks.load import Windows

_START_DEADLINE_S = 120.0
_STALL_DEADLINE_S = 60.0
_END_GRACE_S = 15.0
#: At least this many lognormal durations, and the error that a sketch's p95 may have then.
_P95_TOLERANCES = ((5_000, 0.02), (1_000, 0.04))


class Failed(Exception):
    """A program did not finish; the message says how far it came."""


def left_out(title: str, why: Exception) -> str:
    """Say that something has no figures, and why; return the reason in one line."""
    text = str(why)
    if not isinstance(why, Failed | Missing):
        text = f"{type(why).__name__}: {why}\n{''.join(traceback.format_exception(why))}"
    say(f"  {title} is left out: {text}")
    return text.splitlines()[0].rstrip(": ")


@dataclass(frozen=True, kw_only=True)
class Sample:
    at: float
    counted: int
    cpu_s: float
    rss_mb: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a run, from the first counted record to the last."""

    events: int
    seconds: float
    events_per_s: float
    second_half_per_s: float
    cpu_s_per_million: float
    rss_mb: float
    wrong: list[str] = field(default_factory=list)
    more: dict[str, float] = field(default_factory=dict)


def figures(samples: Sequence[Sample], **rest) -> Figures:
    """Return the figures of a run; it begins with the first sample that has a count.

    The second half leaves out the warming up: a JVM's compiler, a first fetch.
    """
    counting = [sample for sample in samples if sample.counted]
    first, last = counting[0], next(s for s in counting if s.counted == counting[-1].counted)
    middle = next(s for s in counting if s.counted * 2 >= last.counted)
    events = last.counted - first.counted
    return Figures(
        events=last.counted,
        seconds=last.at - first.at,
        events_per_s=events / max(last.at - first.at, 1e-9),
        second_half_per_s=(last.counted - middle.counted) / max(last.at - middle.at, 1e-9),
        cpu_s_per_million=(last.cpu_s - first.cpu_s) / max(events, 1) * 1e6,
        rss_mb=max(sample.rss_mb for sample in samples),
        **rest,
    )


def sample(process: psutil.Process, counted: int) -> Sample:
    """Return what a process and its children have used until now."""
    cpu_s = rss = 0.0
    for child in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            cpu_s += times.user + times.system
            rss += child.memory_info().rss
    return Sample(at=time.monotonic(), counted=counted, cpu_s=cpu_s, rss_mb=rss / 1e6)


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], environment: dict[str, str], *, cwd: Path, log: IO[bytes], **rest
) -> Iterator[subprocess.Popen]:
    """Run a program with its standard error in `log`, and end it at the end."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        stderr=log,
        start_new_session=True,
        **rest,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_END_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def race(
    command: Sequence[str | Path],
    environment: dict[str, str],
    *,
    cwd: Path,
    total: int,
    expected: Windows,
) -> Figures:
    """Run a peer, which reports its progress as JSON lines, until it has reported its windows.

    Raises:
        Failed: it ended, or made no progress for a minute.
    """
    samples: list[Sample] = []
    windows: Windows = {}
    with (
        tempfile.TemporaryFile() as log,
        running(command, environment, cwd=cwd, log=log, stdout=subprocess.PIPE) as process,
    ):
        whole = psutil.Process(process.pid)
        for line in _progress(process, log, total):
            if "windows" in line:
                windows = {key: tuple(row) for key, row in line["windows"].items()}
                break
            samples.append(sample(whole, line["counted"]))
    if not samples or samples[-1].counted < total:
        raise Failed(f"counted {samples[-1].counted if samples else 0:,} of {total:,}")
    return figures(samples, wrong=differences(windows, expected))


def _progress(process: subprocess.Popen, log: IO[bytes], total: int) -> Iterator[dict]:
    """Yield the JSON lines of a peer; everything else that it prints is ignored."""
    lines: queue.Queue[bytes | None] = queue.Queue()

    def read() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    counted, moved = 0, time.monotonic()
    while True:
        with contextlib.suppress(queue.Empty):
            line = lines.get(timeout=1.0)
            if line is None:
                raise Failed(f"ended with {counted:,} of {total:,} counted:\n{tail(log)}")
            with contextlib.suppress(json.JSONDecodeError):
                report = json.loads(line)
                if not isinstance(report, dict):
                    continue
                if report.get("counted", counted) != counted:
                    counted, moved = report["counted"], time.monotonic()
                yield report
        deadline = _STALL_DEADLINE_S if counted else _START_DEADLINE_S
        if time.monotonic() - moved > deadline:
            raise Failed(f"no progress past {counted:,} of {total:,} events:\n{tail(log)}")


def tail(log: IO[bytes], lines: int = 15) -> str:
    """Return the last lines of a program's log."""
    log.seek(0)
    return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])


def differences(found: Windows, expected: Windows) -> list[str]:
    """Return how windows differ from the expected ones; those of closing events count 1 each."""
    wrong = []
    for key, (count, successes, p95) in sorted(expected.items()):
        if key not in found:
            wrong.append(f"{key}: missing, {count:,} events")
            continue
        row = found[key]
        if tuple(row[:2]) != (count, successes):
            wrong.append(
                f"{key}: {row[0]:,} with {row[1]:,} successes, not {count:,}, {successes:,}"
            )
        elif abs(row[2] / p95 - 1) > _p95_tolerance(count):
            wrong.append(f"{key}: p95 is {row[2]:.1f} ms, not {p95:.1f}")
    more = (key for key, row in found.items() if key not in expected and row[0] > 1)
    return wrong + [f"{key}: {found[key][0]:,} events that are none" for key in sorted(more)]


def _p95_tolerance(count: int) -> float:
    return next((error for least, error in _P95_TOLERANCES if count >= least), float("inf"))
