"""Start the processes of a demo, and end them in any case."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from examples.job_parser.parser_process import ParserProcess
from examples.job_parser.receivers import Receivers
from examples.job_parser.supervisor import Supervised

_MOCK_WORKER = ("examples.job_parser.mock_worker",)


class Processes:
    """The workers, the job parser, and the receivers of messages."""

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path,
        notify: Callable[[str], None],
        parser: ParserProcess,
        receivers: Receivers,
        *,
        mocked: bool,
        stores: bool,
    ) -> None:
        """Start nothing yet; logs go into `folder`, `notify` gets what happens to a worker."""
        self._environment = environment
        self._folder = folder
        self._notify = notify
        self._parser = parser
        self._receivers = receivers
        self._mocked = mocked
        self.measure = self._worker("measure", _MOCK_WORKER if mocked else None)
        self._quality = self._worker("quality")
        store = ("agents.cli", "worker", "store", "--upgrade")
        self._store = self._worker("store", store) if stores else None
        self._alerter: Supervised | None = None

    @contextlib.asynccontextmanager
    async def running(
        self, options: Sequence[str], rules: Path
    ) -> AsyncIterator[set["asyncio.Task[None]"]]:
        """Run them; a mocked Kafka has the measure worker alone.

        Args:
            options: of the job parser.
            rules: the rule file.
        """
        parser_log = self._folder / "parser.log"
        tasks = {
            asyncio.create_task(self.measure.run()),
            asyncio.create_task(self._parser.run(options, self._environment, parser_log)),
        }
        try:
            if not self._mocked:
                tasks.add(asyncio.create_task(self._quality.run()))
                receivers = await self._receivers.start(self._folder, rules)
                self._alerter = self._worker("alert", **receivers)
                tasks.add(asyncio.create_task(self._alerter.run()))
            if self._store is not None:
                tasks.add(asyncio.create_task(self._store.run()))
            yield tasks
        finally:
            await self._parser.end()
            if self._store is not None:  # what it has written was shown; it can be killed
                await self._store.end(signal.SIGKILL)
            workers = [it for it in (self._alerter, self._quality, self.measure) if it is not None]
            for ended_well in await asyncio.gather(*(worker.end() for worker in workers)):
                if not ended_well:
                    self._notify("a worker did not end in time and was killed")
            await self._receivers.end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._parser.end()  # in case it was just starting

    def _worker(
        self, role: str, command: Sequence[str] | None = None, **environment: str
    ) -> Supervised:
        return Supervised(
            [sys.executable, "-m", *(command or ("agents.cli", "worker", role))],
            dict(self._environment) | environment | {"OPWATCH_HTTP_PORT": "0"},
            self._folder / f"{role}.log",
            self._notify,
        )
