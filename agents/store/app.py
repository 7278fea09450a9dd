"""Run the store role: keep history in PostgreSQL, and hold up nobody."""

import asyncio
from collections.abc import Collection
from typing import Any

from faust.types import TP

from agents.kafka.role_topics import ROLES
from agents.runtime import metrics
from agents.runtime.settings import Settings
from agents.store.reader import HistoryReader
from agents.store.storing import Storing
from agents.worker import process
from agents.worker.role import Role

ROLE = "store"
_REPORT_S = 1.0
_AHEAD_S = 3600.0


class Store:
    """The role's parts, and what joins them."""

    def __init__(self, settings: Settings) -> None:
        """Make the app; nothing runs yet."""
        self._prefix = settings.topic_prefix
        topics = ROLES[ROLE].reads
        self._role = role = Role(settings, ROLE, settings.partitions, topics, {})
        self._storing = storing = Storing(settings, role.producer, self._consumer, self._topic_ids)
        self._names = [settings.topic(topic) for topic in topics]
        reader = HistoryReader(settings, storing)
        for topic in topics:
            role.agent(topic, topic.name, reader.read, reader.rehearse)
        role.every(0.0, storing.beat)
        role.every(_REPORT_S, self._report)
        role.every(_AHEAD_S, storing.make_partitions_ahead)
        role.when_lost(self._lost)
        role.before_end(storing.stop)
        role.waits_for(storing.trouble)

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until `stopped` is set.

        Raises:
            Exception: whatever ended it.
        """
        await self._role.run(stopped)

    def _consumer(self) -> Any:
        return self._role.app.consumer

    def _topic_ids(self) -> dict[str, str]:
        ids = self._role.topic_ids()
        return {self._prefix + name: topic_id for name, topic_id in ids.items()}

    def _lost(self, tps: Collection[TP]) -> None:
        self._storing.lost(tps)
        for tp in tps:
            metrics.forget([metrics.lag], tp.topic, tp.partition)

    async def _report(self) -> None:
        """Show how many records of each partition are not written yet."""
        consumer = self._consumer()
        for name in self._names:
            for tp, begin in (await consumer.begins(name)).items():
                end, _ = consumer.end_of(tp)
                if end is not None:
                    written = self._storing.written_to(tp, begin)
                    metrics.lag.labels(tp.topic, tp.partition).set(max(0, end - written))


def run(settings: Settings) -> None:
    """Run the role until SIGTERM or Ctrl-C; exit with 1 when it cannot go on.

    Raises:
        agents.kafka.admin_client.Unreachable: no broker answers.
        agents.kafka.topic_creation.TopicMisfit: a topic does not fit the settings.
    """

    async def work(stopped: asyncio.Event) -> None:
        await Store(settings).run(stopped)

    process.run(settings, ROLE, work)
