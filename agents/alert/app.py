"""Run the alert role: one worker at a time decides who is told, and tells them."""

import asyncio
import signal
from collections.abc import Collection

from faust.types import TP

from agents.alert.assignment import Assignment
from agents.alert.commanding import Commander
from agents.alert.links import links_of
from agents.alert.pages import HEADERS, Pages
from agents.alert.reader import AlertReader
from agents.alert.receivers import Receivers
from agents.rule_file.reload import LOOK_S, RuleSource
from agents.runtime.settings import Settings
from agents.worker import process
from agents.worker.role import Role
from schemas.topics import BREACHES, COMMANDS
from streams.alerting.engine import AlertView
from streams.alerting.state import version_of

ROLE = "alert"
TABLE = "alerts"
#: Grouping, storm control and silences need one view: Kafka picks the one worker that has it.
PARTITIONS = 1


class Alert:
    """The role's parts, and what joins them."""

    def __init__(self, settings: Settings) -> None:
        """Make the app; nothing runs yet."""
        self._settings = settings
        self._source = RuleSource(settings)
        self._in_force = self._source.loaded
        links = links_of(settings)
        self._receivers = Receivers(settings, links)
        self._receivers.take(self._in_force.rules.channels)
        self._duty: Assignment | None = None
        self._role = one = Role(
            settings, ROLE, PARTITIONS, (BREACHES, COMMANDS), {TABLE: version_of}
        )
        notifier = AlertReader(settings, one.producer, lambda: one.app.consumer, self._on_duty)
        one.agent(BREACHES, "notifier", notifier.read, notifier.rehearse)
        one.agent(COMMANDS, "commands", notifier.read, notifier.rehearse)
        one.when_lost(self._lost)
        one.when_restored(self._restored)
        one.every(LOOK_S, self._look)
        one.before_end(self._stop)
        one.remark(self._remarks)
        if links is not None:
            commander = Commander(settings, one.producer)
            pages = Pages(links, commander.ask, self._alert, lambda: self._duty is not None)
            one.health.serve(pages.routes, HEADERS)

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until told to stop.

        Raises:
            Exception: whatever ended it.
        """
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._source.ask)
        await self._role.run(stopped)

    def _alert(self, fingerprint: str) -> AlertView | None:
        return self._duty.alert(fingerprint) if self._duty is not None else None

    def _restored(self) -> None:
        """Begin at once: what is owed does not wait for another breach."""
        breaches = TP(self._settings.topic(BREACHES), 0)
        if breaches in self._role.app.consumer.assignment():
            self._on_duty()

    def _on_duty(self) -> Assignment:
        """Return the duty of this assignment."""
        if self._duty is None:
            one = self._role
            self._duty = Assignment(self._settings, one.producer, one.rows(TABLE), self._receivers)
            self._duty.begin(one.watchdog.turned, one.fail)
        return self._duty

    def _lost(self, _: Collection[TP]) -> None:
        if self._duty is not None:
            self._duty.lose()
            self._duty = None

    async def _look(self) -> None:
        await self._source.look()
        if self._source.loaded is not self._in_force:
            self._in_force = self._source.loaded
            self._receivers.take(self._in_force.rules.channels)
            if self._duty is not None:
                self._duty.use()

    def _remarks(self) -> list[str]:
        """Return what an operator should know although the worker is ready."""
        wrong = "the rule file is wrong, and the channels before it stand"
        absent = self._source.no_rules if not self._in_force.rules.channels else None
        return [
            *([f"no channel is known, so nobody can be told: {absent}"] if absent else ()),
            *(f"{wrong}: {mistake}" for mistake in self._source.mistakes),
            *(
                f"the channel {name} cannot be used: {why}"
                for name, why in self._receivers.channels.missing.items()
            ),
            *(self._duty.remarks() if self._duty is not None else ()),
        ]

    async def _stop(self) -> None:
        if self._duty is not None:
            await self._duty.stop()
        await self._receivers.close()


def run(settings: Settings) -> None:
    """Run the role until SIGTERM or Ctrl-C; exit with 1 when it cannot go on.

    Raises:
        agents.topics.Unreachable: no broker answers.
        agents.topics.TopicMisfit: a topic does not fit the settings.
    """

    async def work(stopped: asyncio.Event) -> None:
        await Alert(settings).run(stopped)

    process.run(settings, ROLE, work)
