"""Run a demo: start its processes, show what they do, and compare the counts at the end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from agents.cli.printing import console as make_console
from agents.kafka import topic_creation
from agents.kafka.role_topics import everything
from agents.runtime.settings import Settings
from examples.job_parser import environment as env
from examples.job_parser import history, quality_summary, screen, summary
from examples.job_parser.counting import Counts, Published, published
from examples.job_parser.crawling import PAGE_TTL_S
from examples.job_parser.demo_processes import Processes
from examples.job_parser.parser_process import ParserProcess
from examples.job_parser.quality_counting import QualityCounts
from examples.job_parser.receivers import Receivers
from examples.job_parser.summary import Run, Trouble
from examples.job_parser.timeline import Timeline

#: With DEGRADE=1 the demo runs this much longer once all breaches are resolved.
_RESOLVED_S = 3.0
_PARTITIONS = 4
_REFRESH_S = 0.5
#: A Kafka that has just been started answers within this.
_REACH_S = 10.0
#: How long counting may take after the last operation, if a killed worker has to come back.
_AGREE_S = 40.0
_AGREE_INTERRUPTED_S = 20.0
#: How long the counts have to stay equal: what is counted twice comes later.
_STAYS_S = 1.5
_RULES = Path(__file__).with_name("rules.yaml")
_MOCKED = "This Kafka is a mock that stores nothing: only a real one shows whether counts are exact"


class Demo:
    """A run of the demo, from creating its topics to removing them."""

    def __init__(self, environment: Mapping[str, str], for_s: float, folder: Path) -> None:
        """Start nothing yet; logs go into `folder`, and the environment is env.for_demo's."""
        # With milliseconds, so that no run uses another's topics.
        self.prefix = f"demo-{time.strftime('%H%M%S')}{time.time_ns() // 1_000_000 % 1000:03}."
        self._environment = dict(environment) | {
            "OPWATCH_TOPIC_PREFIX": self.prefix,
            "OPWATCH_PARTITIONS": str(_PARTITIONS),
            "OPWATCH_INSTANCE": "demo",
            "OPWATCH_LOG_FORMAT": "console",
            "OPWATCH_RULE_FILE": str(_RULES),
        }
        self.settings = Settings(topic_prefix=self.prefix, partitions=_PARTITIONS)
        self._environment["OPWATCH_KAFKA_BOOTSTRAP"] = self.settings.kafka_bootstrap
        self.mocked = env.is_mocked(self.settings.kafka_bootstrap)
        self._history = history.variables(environment, self.prefix, mocked=self.mocked)
        self._environment |= self._history
        self._shell = env.write_for_shells(self.settings.kafka_bootstrap, self.prefix)
        self._for_s = for_s
        self._degrade = env.degrades(environment)
        self._folder = folder
        self._console: Console = make_console()
        self._screen = screen.Screen(self._console)
        self._counts = Counts()
        self._timeline = Timeline()
        self._receivers = Receivers(self._timeline.message)
        self._quality = QualityCounts()
        self._notice, self._alarming = "", False
        self._trouble: Trouble | None = None
        self._begun_s = time.monotonic()
        self._ran_s: float | None = None
        self.interrupted = asyncio.Event()
        self._hurried = False
        self._parser = ParserProcess(self._on_parser)
        self._processes = Processes(
            self._environment,
            folder,
            self._notify,
            self._parser,
            self._receivers,
            mocked=self.mocked,
            stores=bool(self._history),
        )

    async def run(self) -> bool:
        """Run the demo; return whether the counts were exact.

        Raises:
            NeverRuns: the worker does not keep running.
            ParserEnded: the job parser ended unexpectedly.
        """
        await self._make_topics()
        exact = False
        try:
            options = env.trouble(self._environment, self._for_s)
            async with (
                self._processes.running(options, _RULES) as running,
                published(self.settings) as batches,
            ):
                following = asyncio.create_task(self._follow(batches))
                try:
                    with self._screen:
                        await self._watch(running | {following})
                        await self._finish(running | {following})
                        self._screen.last(self._moment())
                    result = self._result()
                    exact = self._agrees(result)
                    summary.show(result, self._counts, self._console)
                    if not self.mocked:
                        quality_summary.show(result, self._quality, self._console)
                    if self._history and not self._hurried:
                        await history.show(self._environment, self._console)
                    self._timeline.print(self._console)
                    if self.mocked:
                        self._console.print(_MOCKED, style="bold red")
                finally:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
        finally:
            if exact:
                await self._clear()
        return exact

    async def _make_topics(self) -> None:
        if not self.mocked:
            topics = everything(self.settings)
            await topic_creation.ensure(self.settings, topics, deadline_s=_REACH_S)
            return
        from examples.job_parser import mock_worker  # loads all of Faust

        self._console.print(_MOCKED, style="bold red")
        await mock_worker.use(self.settings)

    # ---------------------------------------------------------------- what is published

    async def _follow(self, batches: AsyncIterator[Published]) -> None:
        async for batch in batches:
            for breach, published_ms in batch.breaches:
                self._timeline.breach(breach, published_ms)
            for aggregate in batch.aggregates:
                self._counts.update(aggregate)
                if screen.wants(aggregate):
                    self._screen.table.update(aggregate)
            batch.add_to(self._quality)

    async def _clear(self) -> None:
        """Remove this run's topics, and its history."""
        if self._history:
            schema = self._history["OPWATCH_DB_SCHEMA"]
            await history.clear(self.settings.model_copy(update={"db_schema": schema}))
        with contextlib.suppress(Exception):
            async with topic_creation.admin(self.settings, deadline_s=2.0) as client:
                names = await client.list_topics()
                await client.delete_topics([it for it in names if it.startswith(self.prefix)])

    # ---------------------------------------------------------------- while it runs

    async def _watch(self, tasks: set["asyncio.Task[None]"]) -> None:
        serving = asyncio.create_task(self._parser.serving.wait())
        stopping = asyncio.create_task(self.interrupted.wait())
        await asyncio.wait([serving, stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        self._begun_s = time.monotonic()
        self._screen.announce(*self._hints())
        while self._elapsed_s < self._for_s and not stopping.done():
            _raise_from(tasks)
            self._screen.show(self._moment())
            if self._timeline.is_over and self._degrade:
                self._for_s = min(self._for_s, self._elapsed_s + _RESOLVED_S)
            await asyncio.wait(
                [stopping, *tasks],
                timeout=min(_REFRESH_S, max(0.0, self._for_s - self._elapsed_s)),
                return_when=asyncio.FIRST_COMPLETED,
            )
        serving.cancel()
        stopping.cancel()

    async def _finish(self, tasks: set["asyncio.Task[None]"]) -> None:
        """End the parser, and wait until the counts equal what it published, and stay equal."""
        self._hurried = hurried = self.interrupted.is_set()
        self.interrupted.clear()  # the next Ctrl-C cuts the waiting short
        self._ran_s = self._elapsed_s
        self._notice, self._alarming = "ending: the last operations are counted …", False
        self._screen.show(self._moment())
        await self._parser.end()
        give_up_s = time.monotonic() + (_AGREE_INTERRUPTED_S if hurried else _AGREE_S)
        agreed_s: float | None = None
        while time.monotonic() < give_up_s and not self.interrupted.is_set():
            _raise_from(tasks)
            self._screen.show(self._moment())
            if not self._agrees(self._result()):
                agreed_s = None
            elif agreed_s is None:
                agreed_s = time.monotonic()
                give_up_s = max(give_up_s, agreed_s + 2 * _STAYS_S)
            elif time.monotonic() > agreed_s + _STAYS_S:
                break
            await asyncio.sleep(0.1)
        self._notice = ""

    @property
    def _elapsed_s(self) -> float:
        """Return how long the parser has run."""
        return self._ran_s or time.monotonic() - self._begun_s

    def _moment(self) -> screen.Moment:
        pid = self._processes.measure.pid
        return screen.Moment(
            elapsed_s=min(self._elapsed_s, self._for_s),
            total_s=self._for_s,
            worker_pid=pid,
            restarts=self._processes.measure.restarts,
            parser_pid=self._parser.pid,
            published=self._parser.published,
            counted=self._counts.counted,
            per_second=self._parser.per_second,
            notice=self._notice,
            alarming=self._alarming,
            quality=self._quality.lines(),
            events=self._timeline.lines(),
            hints=self._hints(),
        )

    def _hints(self) -> tuple[str, ...]:
        kill = f"kill -9 {self._processes.measure.pid or '…'}"
        if self.mocked:  # its counts are not exact, and `tail` does not work with it
            return ()
        url, token = self._processes.dashboard_url, self._processes.dashboard_token
        return (
            f"{url}     the dashboard; its token is {token}",
            f"{kill}     the worker comes back, the counts stay exact",
            f"{self._shell} && .venv/bin/opwatch tail     the same table in another shell",
        )

    def _agrees(self, result: Run) -> bool:
        """Return whether all that was published is counted, and every analysis accounted for."""
        accounted = self.mocked or quality_summary.agrees(result, self._quality)
        return accounted and summary.agrees(result, self._counts)

    def _result(self) -> Run:
        return Run(
            published=self._parser.published,
            dropped=self._parser.dropped,
            analyses=self._parser.analyses,
            remedied=self._parser.remedied,
            not_remedied=self._parser.not_remedied,
            parser_ended_well=self._parser.ended_well,
            restarts=self._processes.measure.restarts,
            trouble=self._trouble,
        )

    # ---------------------------------------------------------------- what happens

    def _notify(self, sentence: str, *, alarming: bool = False) -> None:
        self._notice, self._alarming = sentence, alarming
        self._screen.announce(sentence)

    def _on_parser(self, what: str, report: dict[str, Any]) -> None:
        if what == "failing":
            self._timeline.failing_ms = self._timeline.failing_ms or report["at_ms"]
            return
        names = " and ".join(report["platforms"])
        if what == "trouble":
            self._trouble = Trouble(report["platforms"], report["at_ms"], None)
            self._counts.watch(on=True)
            self._notify(
                f"{names} are in trouble: their pages come cut or not at all", alarming=True
            )
        elif self._trouble is not None:
            self._trouble = self._trouble._replace(ended_ms=report["at_ms"])
            self._timeline.recovered_ms = report["at_ms"]
            self._notify(
                f"{names} have recovered; cut pages fail until the cache drops them"
                f" ({PAGE_TTL_S:g} s)"
            )
            asyncio.get_running_loop().call_later(PAGE_TTL_S, lambda: self._counts.watch(on=False))


def _raise_from(tasks: set["asyncio.Task[None]"]) -> None:
    for task in tasks:
        if task.done():
            task.result()
