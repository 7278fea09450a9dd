"""Keep a process running: start it again whenever it ends."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: A process that ends sooner than this did not work at all.
_SHORT_LIFE_S = 5.0
_SHORT_LIVES = 4
_AGAIN_S = 0.2
#: How long it may take to end before it is killed.
END_S = 8.0
_TAIL_LINES = 12


class NeverRuns(Exception):
    """It ended several times right after its start; the message is the end of its log."""


class Supervised:
    """A process and its successors."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        notify: Callable[[str], None],
    ) -> None:
        """Start nothing yet; `notify` is called with every end and every new start."""
        self.restarts = 0
        self._command = command
        self._environment = dict(environment)
        self._log = log
        self._notify = notify
        self._process: asyncio.subprocess.Process | None = None
        self._wanted = True

    @property
    def pid(self) -> int | None:
        """Return the pid of the running process."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def run(self) -> None:
        """Run the process, and start it again until `end`.

        Raises:
            NeverRuns: it ends right after each start.
        """
        short_lives = 0
        while self._wanted:
            begun = time.monotonic()
            self._process = process = await self._start()
            if self.restarts:
                self._notify(f"the worker runs again, pid {process.pid}")
            code = await process.wait()
            if self._is_ending():
                return
            short_lives = short_lives + 1 if time.monotonic() - begun < _SHORT_LIFE_S else 0
            if short_lives == _SHORT_LIVES:
                raise NeverRuns(self.last_words())
            self._notify(f"the worker (pid {process.pid}) ended: {_reason(code)}")
            self.restarts += 1
            await asyncio.sleep(_AGAIN_S)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> bool:
        """End the process for good by a signal; False if it had to be killed."""
        self._wanted = False
        process = self._process
        if process is None or process.returncode is not None:
            return True
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            return False
        return True

    def _is_ending(self) -> bool:
        return not self._wanted

    def last_words(self) -> str:
        """Return the end of its log."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-_TAIL_LINES:])

    async def _start(self) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self._command,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A terminal's Ctrl-C is for the demo, which then ends its processes.
                start_new_session=True,
            )


def _reason(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
