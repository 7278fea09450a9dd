"""Processes that take all of each core."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Self


class Hogs:
    """A process for each core that does nothing, as fast as it can."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        cores = range(len(os.sched_getaffinity(0)))
        hog = [sys.executable, "-c", "while True: pass"]
        self._processes = [subprocess.Popen(hog) for _ in cores]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for hog in self._processes:
            hog.kill()
            hog.wait()

    def share(self) -> float:
        """Return which part of all cores the hogs have had."""
        ticks = 0
        for hog in self._processes:
            fields = Path(f"/proc/{hog.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        had_s = ticks / os.sysconf("SC_CLK_TCK")
        return had_s / len(self._processes) / (time.monotonic() - self._begun)
