"""Ask Kafka how far each role has read, and which workers share its partitions."""

import asyncio
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents.dashboard.closing import close, within
from agents.kafka.role_topics import ROLES
from agents.runtime.settings import Settings

log = structlog.get_logger()

_ASK_S = 3.0
_DEADLINE_S = 10.0


class Worker(NamedTuple):
    """A running worker of a role."""

    name: str
    host: str


class RoleState(NamedTuple):
    """How a role's consumer group stands."""

    role: str
    state: str
    """Stable, PreparingRebalance, Empty, …, or unknown."""
    workers: tuple[Worker, ...]
    lag: dict[str, int]
    """Records that are not committed as read, by topic."""


class RoleStates:
    """The consumer groups of all roles, as of a few seconds ago."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.roles: list[RoleState] = []
        self.why: str | None = None
        """Why nothing is known of them, if so."""
        self._ran: set[str] = set()

    @property
    def gone(self) -> list[str]:
        """The roles that had a worker since this process began, and have none now."""
        if self.why is not None:
            return []
        return [it.role for it in self.roles if it.role in self._ran and not it.workers]

    async def run(self) -> None:
        """Ask again and again, for ever; connect again after an error."""
        while True:
            try:
                await self._connected()
            except (KafkaError, OSError, TimeoutError) as error:
                why = str(error) or "no answer in time"
                if self.why is None:
                    log.info("consumer groups cannot be described", why=why)
                self.why = why
            await asyncio.sleep(_ASK_S)

    async def _connected(self) -> None:
        options = self._settings.kafka()
        consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
        client = AIOKafkaAdminClient(**options, request_timeout_ms=int(1000 * _DEADLINE_S))
        try:
            await within(_DEADLINE_S, client.start())
            await within(_DEADLINE_S, consumer.start())
            while True:
                self.roles = await within(_DEADLINE_S, self._ask_all(client, consumer))
                self._ran |= {it.role for it in self.roles if it.workers}
                self.why = None
                await asyncio.sleep(_ASK_S)
        finally:
            await close(consumer.stop)
            await close(client.close)

    async def _ask_all(
        self, client: AIOKafkaAdminClient, consumer: AIOKafkaConsumer
    ) -> list[RoleState]:
        return [await self._ask(client, consumer, role) for role in ROLES]

    async def _ask(
        self, client: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, role: str
    ) -> RoleState:
        group = f"{self._settings.topic_prefix}{role}"
        committed = await client.list_consumer_group_offsets(group)
        ends = await consumer.end_offsets(list(committed)) if committed else {}
        answers = await client.describe_consumer_groups([group])
        described = answers[0].to_object()["groups"][0]
        return _role_state(role, described, committed, ends)


def _role_state(
    role: str,
    described: dict[str, object],
    committed: dict[TopicPartition, object],
    ends: dict[TopicPartition, int],
) -> RoleState:
    lag: dict[str, int] = {}
    for tp, place in committed.items():
        offset = getattr(place, "offset", -1)
        if offset >= 0 and "-changelog" not in tp.topic:
            lag[tp.topic] = lag.get(tp.topic, 0) + max(0, ends.get(tp, 0) - offset)
    members = described.get("members")
    workers = [
        Worker(str(it.get("client_id", "")), str(it.get("client_host", "")).lstrip("/"))
        for it in (members if isinstance(members, list) else [])
    ]
    state = str(described.get("state") or "unknown")
    return RoleState(role, state, tuple(workers), lag)
