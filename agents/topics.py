"""Make the topics that are missing, and say which existing ones do not fit and what to do."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from agents.reach import REQUEST_S, Unreachable, admin
from agents.settings import Settings
from agents.topic_fit import Existing, Misfit, TopicSpec, judge
from schemas.topics import TOPICS

__all__ = [
    "Existing",
    "Misfit",
    "TopicMisfit",
    "TopicSpec",
    "Unreachable",
    "admin",
    "describe",
    "ensure",
    "wanted",
]

#: A topic that a broker has just made is known to all of them within this time.
SETTLE_S = 15.0
_RETRY_S = 0.25
_ALREADY_EXISTS = 36


class TopicMisfit(Exception):
    """Topics exist that do not fit, or cannot be made; `sentences` say which and what to do."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = tuple(sentences)


def wanted(settings: Settings) -> list[TopicSpec]:
    """Return what each of our topics should be with these settings."""
    return [
        TopicSpec(
            settings.topic(topic),
            topic.count(settings.partitions),
            topic.config,
            plane=topic.partitions == "plane",
        )
        for topic in TOPICS
    ]


async def ensure(
    settings: Settings, extra: Sequence[TopicSpec] = (), *, deadline_s: float = 30.0
) -> list[str]:
    """Make what is missing of our topics and `extra`; alter nothing that exists.

    Safe beside other workers that do the same. Returns the names of those it made.

    Raises:
        Unreachable: no broker answered for deadline_s.
        TopicMisfit: a topic that exists does not fit, or one could not be made.
    """
    specs = [*wanted(settings), *extra]
    async with admin(settings, deadline_s=deadline_s) as client:
        existing = await describe(client, specs)
        missing = [spec for spec in specs if spec.name not in existing]
        _raise(judge([spec for spec in specs if spec.name in existing], existing))
        if not missing:
            return []
        made = await _create(client, missing, settings.replication)
        existing = await _settled(client, specs)
        _raise(judge(specs, existing))
    return made


async def describe(client: AIOKafkaAdminClient, specs: Iterable[TopicSpec]) -> dict[str, Existing]:
    """Return those of the topics that exist, with their partitions and configuration."""
    names = {spec.name for spec in specs}
    # Not by name: a broker may make a topic because it is asked about.
    found = {
        topic["topic"]: len(topic["partitions"])
        for topic in await client.describe_topics()
        if topic["topic"] in names and topic["partitions"]
    }
    if not found:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(found)]
    configs: dict[str, dict[str, str]] = {}
    for response in await client.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(message)
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return {name: Existing(count, configs.get(name, {})) for name, count in found.items()}


async def _create(
    client: AIOKafkaAdminClient, specs: Sequence[TopicSpec], replication: int
) -> list[str]:
    response: Any = await client.create_topics(
        [
            NewTopic(spec.name, spec.partitions, replication, topic_configs=dict(spec.config))
            for spec in specs
        ],
        timeout_ms=int(REQUEST_S * 1e3),
    )
    made, failed = [], []
    for name, code, message in response.topic_errors:
        if code == 0:
            made.append(name)
        elif code != _ALREADY_EXISTS:  # else another worker was faster
            why = message or for_code(code).description
            failed.append(f"{name} cannot be made: {why} (OPWATCH_REPLICATION is {replication})")
    if failed:
        raise TopicMisfit(failed)
    return made


async def _settled(client: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, Existing]:
    """Return the topics as soon as every one of them is known to the broker."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + SETTLE_S
    while True:
        try:
            existing = await describe(client, specs)
        except KafkaError:  # known to the one asked first, not yet to the one asked second
            existing = {}
        if len(existing) == len(specs) or loop.time() > give_up:
            return existing
        await asyncio.sleep(_RETRY_S)


def _raise(misfits: Sequence[Misfit]) -> None:
    stopping = [misfit.sentence for misfit in misfits if misfit.stops]
    if stopping:
        raise TopicMisfit(stopping)
