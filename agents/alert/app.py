"""Run the alert role: one worker at a time decides who is told, and tells them."""

import asyncio
from collections.abc import Collection

from faust.types import TP

from agents import role
from agents.alert.duty import Duty
from agents.alert.notifier import Notifier
from agents.alert.receivers import Receivers
from agents.role import Role
from agents.rule_watch import LOOK_S, RuleWatch
from agents.settings import Settings
from agents.topics import TopicSpec
from schemas.topics import BREACHES, COMMANDS
from streams.alerting.rows import version_of

ROLE = "alert"
TABLE = "alerts"
#: Grouping, storm control and silences need one view: Kafka picks the one worker that has it.
PARTITIONS = 1
_SHOW_S = 1.0


class Alert:
    """The role's parts, and what joins them."""

    def __init__(self, settings: Settings, rules: RuleWatch) -> None:
        """Make the app; nothing runs yet."""
        self._settings = settings
        self._rules = rules
        self._receivers = Receivers(settings)
        self._receivers.take(rules.loaded.rules.channels)
        self._duty: Duty | None = None
        self._role = one = Role(
            settings, ROLE, PARTITIONS, (BREACHES, COMMANDS), {TABLE: version_of}
        )
        notifier = Notifier(settings, one.outbox, lambda: one.app.consumer, self._on_duty)
        one.agent(BREACHES, "notifier", notifier.read)
        one.agent(COMMANDS, "commands", notifier.read)
        one.when_lost(self._lost)
        one.when_restored(self._restored)
        one.every(LOOK_S, self._look)
        one.before_end(self._stop)

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until told to stop.

        Raises:
            Exception: whatever ended it.
        """
        await self._role.run(stopped)

    def _restored(self) -> None:
        """Begin at once: what is owed does not wait for another breach."""
        breaches = TP(self._settings.topic(BREACHES), 0)
        if breaches in self._role.app.consumer.assignment():
            self._on_duty()

    def _on_duty(self) -> Duty:
        """Return the duty of this assignment."""
        if self._duty is None:
            one = self._role
            self._duty = Duty(
                self._settings,
                one.outbox,
                one.rows_of(TABLE, 0),
                one.changelog(TABLE),
                self._receivers,
            )
            self._duty.begin(one.watchdog.turned, one.fail)
        return self._duty

    def _lost(self, _: Collection[TP]) -> None:
        if self._duty is not None:
            self._duty.lose()
            self._duty = None

    async def _look(self) -> None:
        loaded = self._rules.look()
        if loaded is not None:
            self._receivers.take(loaded.rules.channels)
            if self._duty is not None:
                self._duty.use()

    async def _stop(self) -> None:
        if self._duty is not None:
            await self._duty.stop()
        await self._receivers.close()


def changelogs_of(settings: Settings) -> list[TopicSpec]:
    """Return the topics that the tables are restored from."""
    return [role.changelog_of(settings, ROLE, TABLE, PARTITIONS)]


def run(settings: Settings) -> None:
    """Run the role until SIGTERM or Ctrl-C; exit with 1 when it cannot go on.

    Raises:
        agents.topics.Unreachable: no broker answers.
        agents.topics.TopicMisfit: a topic does not fit the settings.
        agents.rule_file.BadRuleFile: the rule file is wrong.
    """

    async def work(stopped: asyncio.Event) -> None:
        await Alert(settings, RuleWatch(settings.rule_file)).run(stopped)

    role.run(settings, changelogs_of(settings), work)
