"""Follow topics for as long as the process runs, whatever happens to the broker meanwhile.

aiokafka raises nothing when a broker dies: it is asked for the ends of the logs again and again,
and the age of its last answer tells that it is away.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.dashboard import closing
from agents.dashboard.closing import close, within
from agents.kafka.admin_client import admin, describe_topics
from agents.kafka.batches import UnreadableBatch
from agents.kafka.fetch_unpacking import read_all
from agents.kafka.topic_fit import ExistingTopic
from agents.kafka.unreachable import Unreachable
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from schemas.topics import Topic

log = structlog.get_logger()

_REACH_S = 5.0
_RETRY_S = 1.0
_POLL_MS = 200
_ASK_S = 0.5
#: A broker that has not answered for this long counts as away: a page says so within 5 s.
_ANSWER_S = 3.0
#: Topics that were made, or got more partitions, are noticed after this.
_LOOK_S = 30.0
_FETCH_BYTES = 4 * 1024 * 1024

Take = Callable[[Any], None]
"""Takes a record in; it must not raise."""


class Followed(NamedTuple):
    """A topic, and what is done with its records."""

    topic: Topic
    take: Take
    back_s: float | None
    """How far back reading begins when it begins for the first time; None: at the beginning."""
    thin: Callable[[Iterable[Any]], Iterable[Any]] = iter
    """Leaves out of a partition's records those that later ones replace."""


class Follower:
    """Reads topics from a moment on, then what is published."""

    def __init__(
        self, settings: Settings, followed: Collection[Followed], watched: Collection[Topic] = ()
    ) -> None:
        """Read nothing yet.

        Args:
            settings: where Kafka is.
            followed: what is read.
            watched: topics of which only it is noticed when something is published to them.
        """
        self._settings = settings
        self._followed = {settings.topic(it.topic): it for it in followed}
        self._watched = [settings.topic(topic) for topic in watched]
        self._positions: dict[TopicPartition, int] = {}
        """Where reading goes on after a new connection."""
        self._ends: dict[str, int] = {}
        self._first_ends: dict[TopicPartition, int] = {}
        self.grew_s: dict[str, float] = {}
        """When each topic was last seen to have grown, by the monotonic clock."""
        self.begins: dict[TopicPartition, int] = {}
        """Where reading of each partition began."""
        self._answered_s = time.monotonic()
        self._is_connected = False
        self.missing: list[str] = []
        """Topics that do not exist, or that may not be read."""
        self.lag: int | None = None
        """How many records are published and not read yet."""
        self.caught_up = asyncio.Event()
        """Set once everything that was there at first is read."""

    @property
    def away_since_s(self) -> float | None:
        """Since when no broker has answered, by the monotonic clock; None: one does."""
        answers = self._is_connected and time.monotonic() - self._answered_s < _ANSWER_S
        return None if answers else self._answered_s

    def knows(self, topic: str) -> bool:
        """Return whether it is known where the log of a topic ends."""
        return topic in self._ends

    async def run(self) -> None:
        """Follow for ever."""
        read_all(_warn_of)
        while True:
            try:
                await self._connected()
            except (Unreachable, KafkaError, OSError, TimeoutError) as error:
                if self._is_connected:
                    log.warning("kafka does not answer", why=str(error) or "no answer in time")
                self._is_connected = False
            await asyncio.sleep(_RETRY_S)

    def _note_answer(self) -> None:
        now_s = time.monotonic()
        if not self._is_connected:
            log.info("kafka answers", away_s=round(now_s - self._answered_s, 1))
        self._is_connected, self._answered_s = True, now_s

    async def _connected(self) -> None:
        counts = await self._partitions()
        if not any(name in self._followed for name in counts):
            return
        consumer = AIOKafkaConsumer(
            **self._settings.kafka(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        asking: asyncio.Task[None] | None = None
        try:
            tps = [
                TopicPartition(name, number)
                for name, count in counts.items()
                for number in range(count)
            ]
            followed = [tp for tp in tps if tp.topic in self._followed]
            await within(2 * _REACH_S, self._begin(consumer, followed))
            self._note_answer()
            asking = asyncio.create_task(self._ask(consumer, tps, counts))
            await self._read(consumer, asking)
        finally:
            if asking is not None:
                await closing.end([asking])
            await close(consumer.stop)

    async def _partitions(self) -> dict[str, int]:
        """Return how many partitions each topic has; what does not exist is left out and named."""
        found = await within(2 * _REACH_S, self._described())
        self._note_answer()
        readable = {
            name: topic.partitions
            for name, topic in found.items()
            if topic.partitions
            and (name in self._watched or topic.rights is None or "READ" in topic.rights)
        }
        missing = [name for name in self._followed if name not in readable]
        if missing != self.missing:
            self.missing = missing
            log.warning("topics do not exist, or may not be read", topics=missing)
        return readable

    async def _described(self) -> dict[str, ExistingTopic]:
        async with admin(self._settings, deadline_s=_REACH_S) as client:
            return await describe_topics(client, [*self._followed, *self._watched])

    async def _begin(self, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        await consumer.start()
        consumer.assign(tps)
        await self._seek(consumer, tps)

    async def _seek(self, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        begins = await consumer.beginning_offsets(tps)
        ends = await consumer.end_offsets(tps)
        now_ms = int(time.time() * 1000)
        times = {
            tp: max(0, int(now_ms - 1000 * back_s))
            for tp in tps
            if tp not in self._positions and (back_s := self._followed[tp.topic].back_s) is not None
        }
        found = await consumer.offsets_for_times(times) if times else {}
        for tp in tps:
            start = self._positions.get(tp, begins[tp])
            if tp in times:
                start = found[tp].offset if found.get(tp) else ends[tp]
            # A topic that was made anew begins again.
            start = begins[tp] if start > ends[tp] else max(start, begins[tp])
            self.begins.setdefault(tp, start)
            consumer.seek(tp, start)

    async def _read(self, consumer: AIOKafkaConsumer, asking: "asyncio.Task[None]") -> None:
        pace = Pace()
        while not asking.done():
            batches = await within(_REACH_S, consumer.getmany(timeout_ms=_POLL_MS))
            for tp, records in batches.items():
                followed = self._followed[tp.topic]
                for record in followed.thin(records):
                    followed.take(record)
                    await pace.rest()
                if records:
                    self._positions[tp] = records[-1].offset + 1
        asking.result()  # raises why the connection is given up

    async def _ask(
        self, consumer: AIOKafkaConsumer, tps: list[TopicPartition], counts: Mapping[str, int]
    ) -> None:
        """Ask for the ends of the logs again and again, until a topic has other partitions.

        Raises:
            TimeoutError: no answer in time.
        """
        look_at_s = time.monotonic() + _LOOK_S
        while True:
            ends = await within(_ANSWER_S, consumer.end_offsets(tps))
            self._note_answer()
            await within(_ANSWER_S, self._note_ends(consumer, ends))
            if time.monotonic() >= look_at_s:
                look_at_s = time.monotonic() + _LOOK_S
                if await self._partitions() != counts:
                    return
            await asyncio.sleep(_ASK_S)

    async def _note_ends(
        self, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
    ) -> None:
        sums: dict[str, int] = {}
        lag = 0
        is_behind = False
        for tp, end in ends.items():
            sums[tp.topic] = sums.get(tp.topic, 0) + end
            if tp.topic in self._followed:
                # Where the consumer is, its records are in memory and being taken in.
                position = await consumer.position(tp)
                lag += max(0, end - position)
                is_behind |= position < self._first_ends.setdefault(tp, end)
        now_s = time.monotonic()
        for topic, end in sums.items():
            if self._ends.get(topic, end) != end:
                self.grew_s[topic] = now_s
        self._ends = sums
        self.lag = lag
        if not is_behind:
            self.caught_up.set()


def _warn_of(topic: str, partition: int, unreadable: UnreadableBatch) -> None:
    log.warning(
        "records that cannot be read are left out",
        topic=topic,
        partition=partition,
        offsets=f"{unreadable.start} to {unreadable.end - 1}",
        why=unreadable.detail,
    )
