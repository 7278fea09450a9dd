"""Run the measure role: ingest, windows, services and rules, with their tables."""

import asyncio
import signal
from collections.abc import Callable, Collection
from typing import Any

from faust.types import TP

from agents.folding.ingest import LOOK_S, PROGRESS_S, Ingest
from agents.folding.windows import QUICK_S, WindowsBeat
from agents.measure.heartbeats import Heartbeats
from agents.measure.operations import FOLDED_OPERATIONS, OperationReader
from agents.measure.rules import BEAT_S as RULES_BEAT_S
from agents.measure.rules import RulesBeat
from agents.measure.services import BEAT_S as SERVICES_BEAT_S
from agents.measure.services import ServicesBeat
from agents.runtime.settings import Settings
from agents.worker import process
from agents.worker.role import Role
from schemas.topics import AGGREGATES, BEATS, HEARTBEATS, OPERATIONS, PARTIALS
from streams.measure.window_state import revision_of
from streams.rules.series_state import version_of as rules_version_of
from streams.services.service_state import version_of as service_version_of

ROLE = "measure"
#: The tables, and what reads a packed row's version.
TABLES: dict[str, Callable[[bytes], Any]] = {
    "windows": revision_of,
    "services": service_version_of,
    "rules": rules_version_of,
}


class Measure:
    """The role's parts, and what joins them."""

    def __init__(self, settings: Settings) -> None:
        """Make the app; nothing runs yet."""
        topics = (OPERATIONS, PARTIALS, HEARTBEATS, BEATS, AGGREGATES)
        self._role = role = Role(settings, ROLE, settings.partitions, topics, TABLES)
        common = settings, role.producer, self._consumer
        reader = OperationReader(settings.time_limits)
        self._ingest = Ingest(*common, FOLDED_OPERATIONS, reader, role.fail)
        self._windows = WindowsBeat(*common, role.rows("windows"), FOLDED_OPERATIONS)
        self._heartbeats = heartbeats = Heartbeats(*common)
        self._services = ServicesBeat(*common, role.rows("services"))
        self._rules = RulesBeat(*common, role.rows("rules"))
        ingest, services = self._ingest, self._services
        role.agent(OPERATIONS, "ingest", ingest.read, ingest.rehearse, ingest.skip)
        role.agent(PARTIALS, "windows", self._windows.read, self._windows.rehearse)
        role.agent(HEARTBEATS, "heartbeats", heartbeats.read, heartbeats.rehearse, heartbeats.skip)
        role.agent(BEATS, "services", services.read, services.rehearse, services.skip)
        role.agent(AGGREGATES, "rules", self._rules.read, self._rules.rehearse)
        role.every(LOOK_S, self._ingest.send)
        role.every(PROGRESS_S, self._ingest.report)
        role.every(PROGRESS_S, heartbeats.report)
        role.every(QUICK_S, self._windows.beat)
        role.every(SERVICES_BEAT_S, self._services.beat)
        role.every(RULES_BEAT_S, self._rules.beat)
        role.when_lost(self._lost)
        role.after_end(self._ingest.stop)
        role.remark(self._rules.remarks)
        role.remark(self._ingest.ahead.remarks)

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until `stopped` is set.

        Raises:
            Exception: whatever ended it.
        """
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._rules.source.ask)
        await self._role.run(stopped)

    def _consumer(self) -> Any:
        return self._role.app.consumer

    def _lost(self, tps: Collection[TP]) -> None:
        self._ingest.lost(tps)
        self._windows.lost(tps)
        self._heartbeats.lost(tps)
        self._services.lost(tps)
        self._rules.lost(tps)


def run(settings: Settings) -> None:
    """Run the role until SIGTERM or Ctrl-C; exit with 1 when it cannot go on.

    Raises:
        agents.kafka.admin_client.Unreachable: no broker answers.
        agents.kafka.topic_creation.TopicMisfit: a topic does not fit the settings.
    """

    async def work(stopped: asyncio.Event) -> None:
        await Measure(settings).run(stopped)

    process.run(settings, ROLE, work)
