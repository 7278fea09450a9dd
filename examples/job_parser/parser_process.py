"""Run the job parser as a process and follow its reports."""

import asyncio
import contextlib
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

#: How long it may take to end, and to publish what it still buffers.
_END_S = 8.0
#: How many reports the pace is taken from.
_REPORTS = 10


class ParserEnded(Exception):
    """The job parser ended unexpectedly."""


class ParserProcess:
    """The measured service; what it reports as published comes from the client."""

    def __init__(self, on_event: Callable[[str, dict[str, Any]], None]) -> None:
        """Start nothing yet; `on_event` is called with what happens to the sites."""
        self.published = 0
        self.pending = 0
        self.dropped = 0
        self.analyses = 0
        self.remedied = self.not_remedied = 0
        self.serving = asyncio.Event()
        self.ended_well = False
        self._on_event = on_event
        self._reports: deque[tuple[float, int]] = deque(maxlen=_REPORTS)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Return the pid while it runs."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    @property
    def per_second(self) -> float:
        """Return how many operations a second it has published recently."""
        if len(self._reports) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._reports[0], self._reports[-1]
        return (last - first) / max(last_s - first_s, 0.001)

    async def run(self, options: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Run it until it ends.

        Raises:
            ParserEnded: it ended unexpectedly.
        """
        with log.open("ab") as errors:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "examples.job_parser.service", "--until-eof", *options),
                env=dict(environment),
                stdin=asyncio.subprocess.PIPE,  # its end is the service's end
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert process.stdout is not None
        async for line in process.stdout:
            self._take_report(json.loads(line))
        code = await process.wait()
        if not self.ended_well:
            raise ParserEnded(f"the job parser ended with code {code}: {_last_line(log)}")

    async def end(self) -> None:
        """Let it publish what it buffers, and end."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_END_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _take_report(self, report: dict[str, Any]) -> None:
        what = report["what"]
        if what == "serving":
            self.serving.set()
        elif what in ("stats", "ended"):
            self.published = report["published"]
            self.pending = report["pending"]
            self.dropped = report["dropped"]
            self.analyses = report["analyses"]["published"]
            self.remedied = report["remedied"]
            self.not_remedied = report["not_remedied"]
            self._reports.append((time.monotonic(), self.published))
            self.ended_well = what == "ended"
        else:
            self._on_event(what, report)


def _last_line(log: Path) -> str:
    return " ".join(log.read_text(errors="replace").strip().splitlines()[-1:])
