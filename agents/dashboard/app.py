"""Run the dashboard: follow the topics, and serve what they say until SIGTERM."""

import asyncio
import signal
import time

import structlog
import uvloop

from agents.dashboard import closing
from agents.dashboard.action_routes import ActionRoutes
from agents.dashboard.actions import Actions
from agents.dashboard.api import Api
from agents.dashboard.backfill import newest_of, read_back
from agents.dashboard.exposition import Exposition
from agents.dashboard.following import Followed, Follower
from agents.dashboard.freshness import Freshness
from agents.dashboard.gate import Gate
from agents.dashboard.live import Hub
from agents.dashboard.role_states import RoleStates
from agents.dashboard.server import Server
from agents.dashboard.site import Site
from agents.dashboard.stored_spans import StoredSpans
from agents.dashboard.stored_windows import StoredWindows
from agents.dashboard.watermark_delays import WatermarkDelays
from agents.dashboard.world import World
from agents.rule_file.reload import LOOK_S, RuleSource
from agents.runtime import logs
from agents.runtime.settings import Settings
from schemas.topics import (
    AGGREGATES,
    BREACHES,
    COMMANDS,
    DEAD_LETTERS,
    NOTIFICATIONS,
    PARTIALS,
    QUALITY_PARTIALS,
    QUALITY_SCORES,
    REMEDIATIONS,
)

log = structlog.get_logger()

#: Every series that is alive was published again since.
_LIVE_BACK_S = 120.0
_FORGET_S = 600.0
EXIT_FAILED = 1


class Dashboard:
    """The process's parts, and what joins them."""

    def __init__(self, settings: Settings) -> None:
        """Make them; nothing runs yet.

        Raises:
            agents.dashboard.gate.NoToken: others could reach it, and there is no token.
        """
        self._settings = settings
        self._rules = RuleSource(settings)
        self.world = world = World(settings)
        self._follower = Follower(
            settings,
            [
                Followed(AGGREGATES, world.take_aggregate, _LIVE_BACK_S, newest_of),
                Followed(BREACHES, world.take_breach, None),
                Followed(COMMANDS, world.take_command, None),
                Followed(NOTIFICATIONS, world.take_decision, None),
                Followed(DEAD_LETTERS, world.take_letter, None),
                Followed(REMEDIATIONS, world.take_request, None),
                Followed(QUALITY_SCORES, world.take_score, _LIVE_BACK_S),
            ],
            (PARTIALS, QUALITY_PARTIALS),
        )
        self._stored = StoredWindows(settings, world)
        self._role_states = RoleStates(settings)
        self._freshness = Freshness(
            settings, self._follower, world, self._stored, self._role_states
        )
        self._delays = WatermarkDelays(settings)
        self._spans = StoredSpans(settings, world)
        self.site = site = Site(
            settings,
            world,
            self._freshness,
            self._rules,
            self._role_states,
            self._delays,
            self._spans,
        )
        gate = Gate(settings)
        self._hub = Hub(site.sections)
        self.server = Server(
            (settings.dashboard_host, settings.dashboard_port),
            gate,
            site,
            self._hub,
            self._freshness,
            Exposition(site.parts, site.objectives, lambda: self._hub.clients),
        )
        self.server.serve(Api(site.parts, self._role_states, self._delays).routes)
        actions = Actions(settings, world)
        self.server.serve(ActionRoutes(actions, world, site.render, can_act=gate.can_act).routes)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address or the port cannot be had.
        """
        await self.server.start()

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until `stopped` is set.

        Raises:
            Exception: whatever ended it.
        """
        tasks = [
            asyncio.create_task(self._follower.run()),
            asyncio.create_task(self._hub.run()),
            asyncio.create_task(self._look()),
            asyncio.create_task(self._read_back()),
            asyncio.create_task(self._role_states.run()),
            asyncio.create_task(self._delays.run()),
            asyncio.create_task(self._spans.run()),
            asyncio.create_task(self._stored.run()),
        ]
        stopping = asyncio.create_task(stopped.wait())
        try:
            waiting = {stopping, *tasks}
            while not stopping.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await self.server.stop()
            stopping.cancel()
            await closing.end(tasks)
            log.info("the dashboard has ended")

    async def _read_back(self) -> None:
        await self._follower.caught_up.wait()
        try:
            if self._settings.dashboard_back_s > _LIVE_BACK_S:
                begins, world = self._follower.begins, self.world
                await read_back(
                    self._settings,
                    begins,
                    [
                        Followed(AGGREGATES, world.take_old_aggregate, None, newest_of),
                        Followed(QUALITY_SCORES, world.take_score, None),
                    ],
                )
        finally:
            self._freshness.filling = False

    async def _look(self) -> None:
        """Look at the clock, the rule file and what has grown old."""
        forget_at_s = time.monotonic() + _FORGET_S
        while True:
            self._freshness.look()
            await self._rules.look()
            if time.monotonic() >= forget_at_s:
                forget_at_s = time.monotonic() + _FORGET_S
                self.world.forget(int(time.time() * 1000))
            await asyncio.sleep(min(1.0, LOOK_S))


def run(settings: Settings) -> None:
    """Run the dashboard until SIGTERM or Ctrl-C.

    Raises:
        agents.dashboard.gate.NoToken: others could reach it, and there is no token.
        OSError: the address or the port cannot be had.
    """
    logs.configure(settings)
    dashboard = Dashboard(settings)
    uvloop.run(_until_stopped(dashboard))


async def _until_stopped(dashboard: Dashboard) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await dashboard.start()
    try:
        await dashboard.run(stopped)
    except (Exception, asyncio.CancelledError):  # noqa: BLE001, RUF100 - the process's edge: it ends
        log.exception("the dashboard cannot go on and ends")
        raise SystemExit(EXIT_FAILED) from None
