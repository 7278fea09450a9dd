"""Start the processes of a demo, and end them in any case."""

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from examples.job_parser.parser_process import ParserProcess
from examples.job_parser.receivers import Receivers
from examples.job_parser.supervisor import Supervised
from stack import net

_DASHBOARD_PORT = 9470
#: Sites on loopback answer in milliseconds.
_TARGETS = (
    "success_rate=95/85 p95=25ms/60ms p99=40ms/90ms cache_hit_rate=60/40 quality=0.85/0.7"
    " uptime=99.9/99"
)
_MOCK_WORKER = ("examples.job_parser.mock_worker",)


class Processes:
    """The workers, the dashboard, the job parser, and the receivers of messages."""

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
        port, self.dashboard_token = net.free_port(_DASHBOARD_PORT), secrets.token_urlsafe(15)
        self.dashboard_url = f"http://{net.LOOPBACK}:{port}/"
        self._dashboard = self._worker(
            "dashboard",
            ("agents.cli", "dashboard"),
            OPWATCH_DASHBOARD_PORT=str(port),
            OPWATCH_DASHBOARD_TOKEN=self.dashboard_token,
            OPWATCH_DASHBOARD_CLAIM="96-99",
            OPWATCH_DASHBOARD_TARGETS=_TARGETS,
        )

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
                tasks.add(asyncio.create_task(self._dashboard.run()))
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
            workers = [self._dashboard, self._quality, self.measure]
            workers += [self._alerter] if self._alerter is not None else []
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
