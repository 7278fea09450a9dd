"""Make missing topics, and compare existing ones with what they should be."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)

from agents.kafka.admin_client import REQUEST_S, admin, describe_topics
from agents.kafka.topic_fit import ExistingTopic, Misfit, TopicSpec, judge, wanted
from agents.kafka.unreachable import Unreachable
from agents.runtime.settings import Settings

__all__ = [
    "ExistingTopic",
    "Misfit",
    "TopicMisfit",
    "TopicSpec",
    "Unreachable",
    "admin",
    "create",
    "describe",
    "ensure",
    "judge",
]

#: While the topic with this name is there, what it holds is on its way: no worker may start.
RESHARD = "reshard"
#: All brokers know a new topic within this time.
SETTLE_S = 15.0
_RETRY_S = 0.25
_ALREADY_EXISTS = 36
_INVALID_CONFIG = 40
#: Settings that Kafka before 3.6 does not have.
_NEWER = ("message.timestamp.after.max.ms",)
_NOT_ALLOWED = (TopicAuthorizationFailedError.errno, ClusterAuthorizationFailedError.errno)


class TopicMisfit(Exception):
    """Topics exist that do not fit, or cannot be made; `sentences` say which and what to do."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = tuple(sentences)


async def ensure(
    settings: Settings,
    specs: Sequence[TopicSpec],
    *,
    also: Iterable[TopicSpec] = (),
    deadline_s: float = 30.0,
) -> tuple[list[str], list[Misfit]]:
    """Make the missing topics; change no existing one.

    Safe beside other workers that do the same.

    Args:
        settings: where Kafka is.
        specs: what the topics must be.
        also: others that are made, and judged, as far as the user may.
        deadline_s: how long to try to reach Kafka.

    Returns:
        The names of those it made, and what does not fit although a worker may run.

    Raises:
        Unreachable: no broker answered for deadline_s.
        TopicMisfit: a topic that exists does not fit, a right is lacking, or one could not be made.
    """
    made: list[str] = []
    needed = {spec.name for spec in specs}
    every = [*specs, *(spec for spec in also if spec.name not in needed)]
    async with admin(settings, deadline_s=deadline_s) as client:
        existing = await describe(client, every)
        await _nothing_moves(client, settings.topic_prefix + RESHARD)
        misfits = _raise(judge([spec for spec in every if spec.name in existing], existing))
        missing = [
            spec._replace(partitions=wanted(spec, existing, spec.partitions))
            for spec in every
            if spec.name not in existing
        ]
        if missing:
            made = await _create(client, missing, settings.replication, needed)
            every = [spec for spec in every if spec.name in needed.union(existing, made)]
            misfits = _raise(judge(every, await _settled(client, every)))
    return made, misfits


async def describe(
    client: AIOKafkaAdminClient, specs: Iterable[TopicSpec]
) -> dict[str, ExistingTopic]:
    """Return the existing ones of the topics, with configuration and rights."""
    found = await describe_topics(client, {spec.name for spec in specs})
    readable = sorted(name for name, topic in found.items() if topic.partitions)
    if not readable:
        return found
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in readable]
    for response in await client.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if not code:
                config = {entry[0]: entry[1] for entry in entries}
                found[name] = found[name]._replace(config=config)
            elif code != TopicAuthorizationFailedError.errno:
                raise for_code(code)(message)
    return found


async def _nothing_moves(client: AIOKafkaAdminClient, name: str) -> None:
    """Refuse while `opwatch topics reshard` is under way."""
    found = (await describe_topics(client, [name])).get(name)
    if found is not None and (number := found.partitions):
        sentence = (
            f"the topics are being moved to {number} partitions ({name} is there): let `opwatch"
            f" topics reshard {number}` end, or run it again."
        )
        raise TopicMisfit([sentence])


async def create(
    client: AIOKafkaAdminClient, settings: Settings, specs: Sequence[TopicSpec]
) -> None:
    """Make topics.

    Raises:
        TopicMisfit: one could not be made.
    """
    await _create(client, specs, settings.replication, {spec.name for spec in specs})


async def _create(
    client: AIOKafkaAdminClient,
    specs: Sequence[TopicSpec],
    replication: int,
    needed: Collection[str],
) -> list[str]:
    response: Any = await client.create_topics(
        [
            NewTopic(spec.name, spec.partitions, replication, topic_configs=dict(spec.config))
            for spec in specs
        ],
        timeout_ms=int(REQUEST_S * 1e3),
    )
    made, failed = [], []
    newer = [spec for spec in specs if spec.config.keys() & set(_NEWER)]
    refused = {name for name, code, _ in response.topic_errors if code == _INVALID_CONFIG}
    for name, code, message in response.topic_errors:
        if code == 0:
            made.append(name)
        elif code in _NOT_ALLOWED:
            if name not in needed:
                continue
            failed.append(
                f"{name} does not exist, and there is no right to CREATE it: let somebody who may"
                " run `opwatch topics create`, or grant it (docs/operating.md, Rights)."
            )
        elif code == _INVALID_CONFIG and any(spec.name == name for spec in newer):
            continue
        elif code != _ALREADY_EXISTS:  # else another worker was faster
            why = message or for_code(code).description
            failed.append(f"{name} cannot be made: {why} (OPWATCH_REPLICATION is {replication})")
    if failed:
        raise TopicMisfit(failed)
    if older := [_without_newer(spec) for spec in newer if spec.name in refused]:
        made += await _create(client, older, replication, needed)
    return made


def _without_newer(spec: TopicSpec) -> TopicSpec:
    config = {key: value for key, value in spec.config.items() if key not in _NEWER}
    return spec._replace(config=config)


async def _settled(
    client: AIOKafkaAdminClient, specs: Sequence[TopicSpec]
) -> dict[str, ExistingTopic]:
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


def _raise(misfits: Sequence[Misfit]) -> list[Misfit]:
    """Return those with which a worker may run.

    Raises:
        TopicMisfit: there are others.
    """
    stopping = [misfit.sentence for misfit in misfits if misfit.stops]
    if stopping:
        raise TopicMisfit(stopping)
    return list(misfits)
