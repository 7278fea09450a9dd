"""How long /healthz of a worker is silent."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import yaml


class Silences:
    """How long /healthz of a worker was silent, asked by a process of its own."""

    def __init__(self, port: int, output: Path) -> None:
        self._output = output
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.acceptance.healthz", f"127.0.0.1:{port}"],
                stdout=sink,
            )
        self._phases: list[tuple[float, str]] = []

    @contextmanager
    def during(self, phase: str, seconds: float) -> Iterator[None]:
        """Name what is done, and wait for some seconds to see what it does."""
        self._phases.append((time.monotonic(), phase))
        yield
        time.sleep(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        print(yaml.safe_dump(self.longest(), sort_keys=False))

    def longest(self) -> dict[str, float]:
        """Return the longest silence (s) by phase."""
        found = {phase: 0.0 for _, phase in self._phases}
        for line in self._output.read_text().splitlines():
            silence, ended = map(float, line.split())
            begun = ended - silence
            during = [phase for since, phase in self._phases if since <= ended]
            assert begun > 0
            if during:
                found[during[-1]] = max(found[during[-1]], silence)
        return found
