"""Check, while a worker runs, whether Kafka answers and its topics are unchanged.

A topic that was deleted and made again has the old name and new offsets: what it carries would be
taken for known, and count nowhere. So each commit of the consumer group carries the topics' ids,
which are compared at start and while running.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from agents.kafka.admin_client import admin, describe_topics
from agents.kafka.commit_metadata import committed_by
from agents.kafka.producer import may_pass
from agents.kafka.role_topics import ROLES, of_role
from agents.kafka.topic_creation import describe
from agents.kafka.topic_fit import ExistingTopic, Misfit, judge, leaderless, pinned, remade
from agents.kafka.unreachable import Unreachable
from agents.runtime import metrics
from agents.runtime.refusals import Refusal, lacks
from agents.runtime.settings import Settings

if TYPE_CHECKING:
    from faust.types import TP

log = structlog.get_logger()

PING_S = 2.0
LOOK_S = 30.0
#: Kafka is away when none of its brokers has answered for this long.
AWAY_S = 6.0
_RETRY_S = 0.5
_START_S = 30.0
_CHECK_S = 5.0
#: A transaction that is open for longer is worth a remark.
_PINNED_S = 10.0
#: The log event of a topic with which a worker may start.
DIFFERS = "a topic differs from what opwatch makes"

Ids = Mapping[str, str]
"""Topics' ids by their full names."""


class TopicWatch:
    """The state of Kafka and of a role's topics."""

    def __init__(
        self, settings: Settings, role: str, open_at: "Callable[[], Mapping[TP, int]]"
    ) -> None:
        """Begin; `begin` and `run` ask Kafka.

        Args:
            settings: the worker's.
            role: its role.
            open_at: the offsets where open transactions hold partitions.
        """
        self._settings = settings
        self._group = settings.topic_prefix + role
        self._specs = of_role(settings, role)
        self._read = read_by(settings, role)
        self._open_at = open_at
        self._ids: dict[str, str] = {}
        self._answered = time.monotonic()
        self._away: str | None = None
        self._away_since = ""
        self._misfits: list[Misfit] = []
        self._leaderless: list[str] = []
        self._pins: dict[TP, tuple[int, float]] = {}

    async def begin(self) -> None:
        """Check that the topics are those that the group read before.

        Raises:
            Refusal: they are not, or nobody may know.
        """
        async with admin(self._settings, deadline_s=_START_S) as client:
            try:
                before = await remembered(client, self._group, self._settings.topic_prefix)
            except GroupAuthorizationFailedError:
                on = f"the consumer group {self._group}"
                raise Refusal(lacks(["READ"], on)) from None
            existing = await describe(client, self._specs)
        self._take(before, existing)
        # The process has logged these when it started.
        self._note([misfit for misfit in judge(self._specs, existing) if not misfit.stops])

    def topic_ids(self) -> dict[str, str]:
        """Return the ids that each commit is to carry, by the topics' names without prefix."""
        prefix = self._settings.topic_prefix
        return {name.removeprefix(prefix): topic for name, topic in self._ids.items()}

    def unready(self) -> str | None:
        """Return why Kafka cannot be used, None if it can."""
        if self._away is not None:
            where = self._settings.kafka_bootstrap
            return f"Kafka at {where} has not answered since {self._away_since}: {self._away}"
        return " ".join(self._leaderless) or None

    def is_away(self) -> bool:
        """Return whether no broker answers."""
        return self._away is not None

    def remarks(self) -> list[str]:
        """Return a sentence about each fault, with what to do."""
        now, found = time.monotonic(), self._open_at()
        self._pins = {
            tp: (at, self._pins[tp][1]) if self._pins.get(tp, (-1,))[0] == at else (at, now)
            for tp, at in found.items()
        }
        held = {tp: pin for tp, pin in self._pins.items() if now - pin[1] >= _PINNED_S}
        metrics.pinned_partitions.set(len(held))
        return [
            *(misfit.sentence for misfit in self._misfits),
            *(
                pinned(tp.topic, tp.partition, at, f"for {now - since:.0f} s")
                for tp, (at, since) in held.items()
            ),
        ]

    async def run(self) -> None:
        """Check again and again, for ever.

        Raises:
            Refusal: a topic changed in a way that the worker cannot go on with.
        """
        looked = time.monotonic()
        while True:
            try:
                async with admin(self._settings, deadline_s=PING_S) as client:
                    while True:
                        async with asyncio.timeout(PING_S):
                            await describe_topics(client, [])
                        self._is_there()
                        if time.monotonic() - looked >= LOOK_S:
                            async with asyncio.timeout(LOOK_S):
                                await self._look(client)
                            looked = time.monotonic()
                        self.remarks()
                        await asyncio.sleep(PING_S)
            except (Unreachable, KafkaError, TimeoutError, OSError) as error:
                self._is_silent(error)
                await asyncio.sleep(_RETRY_S)

    async def _look(self, client: AIOKafkaAdminClient) -> None:
        existing = await describe(client, self._specs)
        self._take(self._ids, existing)
        self._leaderless = leaderless(self._specs, existing)
        misfits = judge(self._specs, existing)
        if ends := [misfit.sentence for misfit in misfits if misfit.ends]:
            raise Refusal(" ".join(ends))
        for misfit in misfits:
            if misfit in self._misfits:
                continue
            if misfit.stops:
                log.error("a topic does not fit any more", why=misfit.sentence)
            else:
                log.warning(DIFFERS, why=misfit.sentence)
        self._note(misfits)

    def _note(self, misfits: list[Misfit]) -> None:
        self._misfits = misfits
        metrics.topic_misfits.set(len(misfits))

    def _take(self, before: Ids, existing: Mapping[str, ExistingTopic]) -> None:
        ids = {name: before[name] for name in self._read if name in before}
        if found := remade(ids, existing):
            raise Refusal(" ".join(misfit.sentence for misfit in found))
        self._ids = ids | {
            name: topic.id for name, topic in existing.items() if topic.id and name in self._read
        }

    def _is_there(self) -> None:
        if self._away is not None:
            log.info("kafka answers again")
        self._answered, self._away = time.monotonic(), None
        metrics.kafka_away.set(0)

    def _is_silent(self, error: BaseException) -> None:
        if time.monotonic() - self._answered < AWAY_S:
            return
        if self._away is None:
            self._away_since = time.strftime("%H:%M:%S UTC", time.gmtime())
            log.error("kafka does not answer", error=repr(error))
        self._away = error.why if isinstance(error, Unreachable) else str(error) or "no answer"
        metrics.kafka_away.set(1)


def read_by(settings: Settings, role: str) -> list[str]:
    """Return the full names of the topics that a role reads."""
    reads = {settings.topic(topic) for topic in ROLES[role].reads}
    return [
        spec.name
        for spec in of_role(settings, role)
        if spec.name in reads or spec.name.endswith("-changelog")
    ]


async def remembered(
    client: AIOKafkaAdminClient, group: str, prefix: str, *, deadline_s: float = _START_S
) -> dict[str, str]:
    """Return the ids of the topics that a group read, from its commits.

    Raises:
        KafkaError: no answer, or no right to know.
    """
    give_up = time.monotonic() + deadline_s
    while True:
        try:
            commits = await committed_by(client, group)
            break
        except KafkaError as error:  # a new cluster makes the coordinators' topic first
            if not may_pass(error) or time.monotonic() > give_up:
                raise
            await asyncio.sleep(_RETRY_S)
    return {
        prefix + name: topic
        for commit in commits.values()
        for name, topic in commit.metadata.topic_ids.items()
    }


async def what_changed(
    client: AIOKafkaAdminClient, settings: Settings, existing: Mapping[str, ExistingTopic]
) -> Sequence[Misfit]:
    """Return the topics that are not those that the roles' groups read: workers would end."""
    found: list[Misfit] = []
    for role in ROLES:
        try:
            group = settings.topic_prefix + role
            ids = await remembered(client, group, settings.topic_prefix, deadline_s=_CHECK_S)
        except GroupAuthorizationFailedError:
            continue
        ids = {name: ids[name] for name in read_by(settings, role) if name in ids}
        found += remade(ids, existing)
    return list(dict.fromkeys(found))
