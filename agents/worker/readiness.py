"""Decide whether a worker is ready, and report waiting work to the watchdog."""

import time
from collections.abc import Callable

import faust

from agents.kafka.offset_gaps import ChunkSequence
from agents.kafka.poison import PoisonFilter
from agents.kafka.producer import Producer
from agents.kafka.topic_watch import TopicWatch
from agents.runtime import metrics
from agents.runtime.watchdog import Watchdog
from agents.worker.assignment import PartitionAssignment

#: A worker is not ready if waiting work is not done for this long, …
_UNREADY_S = 15.0
#: … which is reported to the watchdog this often.
LOOK_S = 1.0


class Readiness:
    """The state of a worker, as /readyz and the watchdog need it."""

    def __init__(
        self,
        app: faust.App,
        assignment: PartitionAssignment,
        chunks: ChunkSequence,
        poison: PoisonFilter,
        producer: Producer,
        topics: TopicWatch,
        watchdog: Watchdog,
    ) -> None:
        """Use the parts of a role."""
        self.joined = False
        """Whether the worker is a member of its group."""
        self.trouble: Callable[[], str | None] = lambda: None
        """Why work waits for something outside the worker that is not Kafka, if it does."""
        self._app = app
        self._assignment = assignment
        self._chunks = chunks
        self._poison = poison
        self._producer = producer
        self._topics = topics
        self._watchdog = watchdog
        self._remarks = [assignment.remarks, topics.remarks]
        self._looked = 0.0

    def remark(self, remarks: Callable[[], list[str]]) -> None:
        """Add sentences to /readyz."""
        self._remarks.append(remarks)

    def remarks(self) -> list[str]:
        """Return what an operator should know, in sentences."""
        return [sentence for remarks in self._remarks for sentence in remarks()]

    def unready(self) -> str | None:
        """Return why the worker is not ready, None if it is."""
        app = self._app
        if why := self._topics.unready():
            return why
        if self.joined and (why := self._chunks.unready()):
            return why
        if app.in_recovery:
            return f"restoring the tables: {self._remaining()} records to go"
        if app.rebalancing or not self.joined:
            return "waiting for Kafka to assign partitions"
        if not self._assignment.restored:
            return "the tables are restored, reading is about to begin"
        if self._producer.away and time.monotonic() - self._producer.away_since > _UNREADY_S:
            return "Kafka takes no records, they are sent again and again"
        if why := self.trouble():
            return why
        if name := self._watchdog.stuck(_UNREADY_S):
            return f"work waits and none is done for {_UNREADY_S:.0f} s: {name}"
        return None

    def look(self) -> None:
        """Report what waits to the watchdog, which ends a process that makes no progress."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        app = self._app
        metrics.recovering.set(app.in_recovery)
        tried = self._poison.tried
        waits = {
            f"{tp.topic}/{tp.partition}": at + tried for tp, at in self._chunks.behind().items()
        }
        if app.in_recovery:
            waits = {"restoring the tables": self._remaining()}
        elif app.rebalancing:
            waits = {"an assignment of partitions": 0}
        away = self._producer.away or self._topics.is_away() or self.trouble() is not None
        self._watchdog.waits({} if away else waits)

    def look_while_joining(self) -> None:
        """Report to the watchdog that the worker waits for its consumer group."""
        self._watchdog.turned()
        self._watchdog.waits({} if self._topics.is_away() else {"joining the consumer group": 0})

    def _remaining(self) -> int:
        return int(self._app.tables.recovery.active_remaining_total())
