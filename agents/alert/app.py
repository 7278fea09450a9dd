"""Run the alert role: one worker at a time decides on notifications, and sends them."""

import asyncio
import signal
from collections.abc import Collection

from faust.types import TP

from agents.alert.ack_links import Commander, links_of
from agents.alert.ack_page import HEADERS, Pages
from agents.alert.assignment import Assignment
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


class AlertRole:
    """The role's parts, and what joins them."""

    def __init__(self, settings: Settings) -> None:
        """Make the app; nothing runs yet."""
        self._settings = settings
        self._source = RuleSource(settings)
        self._in_force = self._source.loaded
        links = links_of(settings)
        self._receivers = Receivers(settings, links)
        self._receivers.take(self._in_force.rules.channels)
        self._assignment: Assignment | None = None
        self._role = role = Role(
            settings, ROLE, PARTITIONS, (BREACHES, COMMANDS), {TABLE: version_of}
        )
        reader = AlertReader(settings, role.producer, lambda: role.app.consumer, self._assigned)
        role.agent(BREACHES, "notifier", reader.read, reader.rehearse)
        role.agent(COMMANDS, "commands", reader.read, reader.rehearse)
        role.when_lost(self._lost)
        role.when_restored(self._restored)
        role.every(LOOK_S, self._look)
        role.before_end(self._stop)
        role.remark(self._remarks)
        if links is not None:
            commander = Commander(settings, role.producer)
            pages = Pages(links, commander.ask, self._alert, lambda: self._assignment is not None)
            role.health.serve(pages.routes, HEADERS)

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until `stopped` is set.

        Raises:
            Exception: whatever ended it.
        """
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._source.ask)
        await self._role.run(stopped)

    def _alert(self, fingerprint: str) -> AlertView | None:
        return self._assignment.alert(fingerprint) if self._assignment is not None else None

    def _restored(self) -> None:
        """Begin at once: pending deliveries do not wait for another breach."""
        breaches = TP(self._settings.topic(BREACHES), 0)
        if breaches in self._role.app.consumer.assignment():
            self._assigned()

    def _assigned(self) -> Assignment:
        """Return the present assignment; begin it if there is none."""
        if self._assignment is None:
            role = self._role
            self._assignment = Assignment(
                self._settings, role.producer, role.rows(TABLE), self._receivers
            )
            self._assignment.begin(role.watchdog.turned, role.fail)
        return self._assignment

    def _lost(self, _: Collection[TP]) -> None:
        if self._assignment is not None:
            self._assignment.lose()
            self._assignment = None

    async def _look(self) -> None:
        await self._source.look()
        if self._source.loaded is not self._in_force:
            self._in_force = self._source.loaded
            self._receivers.take(self._in_force.rules.channels)
            if self._assignment is not None:
                self._assignment.use()

    def _remarks(self) -> list[str]:
        """Return what an operator should know although the worker is ready."""
        wrong = "the rule file is wrong, and the channels before it stand"
        absent = self._source.no_rules if not self._in_force.rules.channels else None
        return [
            *([f"no channel is configured, so nobody can be notified: {absent}"] if absent else ()),
            *(f"{wrong}: {mistake}" for mistake in self._source.mistakes),
            *(
                f"the channel {name} cannot be used: {why}"
                for name, why in self._receivers.channels.missing.items()
            ),
            *(self._assignment.remarks() if self._assignment is not None else ()),
        ]

    async def _stop(self) -> None:
        if self._assignment is not None:
            await self._assignment.stop()
        await self._receivers.close()


def run(settings: Settings) -> None:
    """Run the role until SIGTERM or Ctrl-C; exit with 1 when it cannot go on.

    Raises:
        agents.kafka.admin_client.Unreachable: no broker answers.
        agents.kafka.topic_creation.TopicMisfit: a topic does not fit the settings.
    """

    async def work(stopped: asyncio.Event) -> None:
        await AlertRole(settings).run(stopped)

    process.run(settings, ROLE, work)
