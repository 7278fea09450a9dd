"""Move a running installation to more partitions of the measuring plane.

1. No worker runs, and none starts while the topic `reshard` is there.
2. All that the plane holds is put aside there, by its new partition. Nothing else is changed.
3. The internal topics are made anew with the new number, `aggregates` gets more partitions, and
   what was put aside is copied to where it belongs.
4. The groups' commits say where workers go on. The topic `reshard` is deleted.

What is cut off before the end of 2 begins anew; after that it goes on with 3.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import for_code
from aiokafka.structs import OffsetAndMetadata

from agents.kafka.admin_client import admin, describe_topics
from agents.kafka.commit_metadata import Commit, CommitMetadata, committed_by
from agents.kafka.reader import REACH_S
from agents.kafka.role_topics import everything
from agents.kafka.topic_creation import create, describe
from agents.kafka.topic_fit import ExistingTopic, TopicSpec
from agents.kafka.topic_watch import read_by, what_changed
from agents.reshard.logs import PartitionLogs, open_logs
from agents.reshard.staging import Staged, Staging, staging_spec
from agents.reshard.tables import FOLDED, CannotReshard, Mover, Say
from agents.runtime.settings import Settings
from schemas.topics import AGGREGATES, BEATS

#: The roles that read the plane; only the first two write it.
_ROLES = ("measure", "quality", "store")
_LOOK_S = 1.0
#: A group notices for a moment longer than its timeout that a killed worker is gone.
_LEAVING_S = 5.0
_SETTLE_S = 60.0


async def reshard(settings: Settings, partitions: int, say: Say) -> None:
    """Move to a number of partitions.

    Args:
        settings: where Kafka is.
        partitions: the new number.
        say: is called with each step that was done.

    Raises:
        CannotReshard: it is not possible now; nothing was changed.
        Unreachable: no broker answers.
        KafkaError: the broker refuses something.
    """
    async with admin(settings, deadline_s=REACH_S) as client, open_logs(settings) as logs:
        staging, spec = Staging(settings, logs), staging_spec(settings, partitions)
        staged = await staging.staged() if await describe_topics(client, [spec.name]) else None
        if staged is None:
            staged = await _put_aside(client, settings, logs, spec, say)
        elif staged.partitions != partitions:
            message = (
                f"a move to {staged.partitions} partitions has begun and must be ended first:"
                f" `opwatch topics reshard {staged.partitions}`."
            )
            raise CannotReshard(message)
        else:
            say(f"going on with the move to {partitions} partitions")
        await _nobody_runs(client, settings, say)
        await _make_anew(client, settings, partitions)
        say(f"the internal topics are made anew, with {partitions} partitions")
        for partition in range(partitions):
            count = await staging.copy(partition)
            say(f"partition {partition + 1} of {partitions} is in place, {count:,} records")
        await _commit(client, settings, staged)
        await _delete(client, [spec.name])


async def _put_aside(
    client: AIOKafkaAdminClient, settings: Settings, logs: PartitionLogs, spec: TopicSpec, say: Say
) -> Staged:
    """Put all aside that moves."""
    specs = everything(settings)
    existing = await describe(client, specs)
    before = _number(settings, existing)
    _may_become(before, spec.partitions)
    if wrong := await what_changed(client, settings, existing):
        raise CannotReshard(" ".join(misfit.sentence for misfit in wrong))
    await _nobody_runs(client, settings, say)
    await _delete(client, [spec.name])
    await create(client, settings, [spec])
    await _nobody_runs(client, settings, say)  # one may have started meanwhile
    say(f"no worker runs, and none can start: moving from {before} to {spec.partitions} partitions")
    staging = Staging(settings, logs)
    mover = Mover(settings, logs, staging, (before, spec.partitions), say)
    try:
        for folded in FOLDED:
            commits = await committed_by(client, settings.topic_prefix + folded.role)
            source = existing.get(settings.topic(folded.source))
            if source is not None and settings.topic(folded.partials) in existing:
                await mover.windows(folded, source.partitions, commits)
        aggregates = settings.topic(AGGREGATES)
        ends = [await logs.end(aggregates, number) for number in range(before)]
        staged = Staged(spec.partitions, ends + [0] * (spec.partitions - before))
        commits = await committed_by(client, settings.topic_prefix + "measure")
        await mover.services(commits)
        await mover.rules([_first(end) for end in staged.begins], commits)
        await _nobody_started(client, settings)
    except CannotReshard:
        await _delete(client, [spec.name])
        raise
    await staging.complete(staged)
    say(f"all is put aside, {staging.count:,} records")
    return staged


def _number(settings: Settings, existing: Mapping[str, ExistingTopic]) -> int:
    """Return how many partitions the plane has."""
    names = [spec.name for spec in everything(settings) if spec.plane]
    numbers = {existing[name].partitions for name in names if name in existing}
    if not numbers:
        message = f"there are no topics {settings.topic_prefix}…: `opwatch topics create` makes"
        raise CannotReshard(f"{message} them with the number that you choose.")
    if len(numbers) > 1:
        message = f"{', '.join(names)} have different numbers of partitions:"
        raise CannotReshard(f"{message} `opwatch topics check` says more.")
    return numbers.pop()


def _may_become(before: int, partitions: int) -> None:
    if partitions == before:
        message = f"the measuring plane has {before} partitions: nothing is to be done."
        raise CannotReshard(message)
    if partitions < before:
        message = (
            f"the measuring plane has {before} partitions, and Kafka cannot take any away from"
            f" `aggregates`: choose a larger number than {before}."
        )
        raise CannotReshard(message)


async def _nobody_runs(client: AIOKafkaAdminClient, settings: Settings, say: Say) -> None:
    """Wait until the groups have no members: one that was killed is one for a while.

    Raises:
        CannotReshard: workers run.
    """
    give_up = time.monotonic() + settings.session_timeout_s + _LEAVING_S
    waits = False
    while True:
        running = await _running(client, settings)
        if not running:
            return
        if time.monotonic() > give_up:
            message = (
                f"workers run ({running}): end those of {', '.join(_ROLES)} first. What is sent"
                " meanwhile waits in Kafka, and is counted when they run again."
            )
            raise CannotReshard(message)
        if not waits:
            say(f"waiting for workers to leave ({running})")
            waits = True
        await asyncio.sleep(_LOOK_S)


async def _nobody_started(client: AIOKafkaAdminClient, settings: Settings) -> None:
    """Refuse if a worker runs that had checked its topics before: what it does is not aside.

    Raises:
        CannotReshard: workers run.
    """
    if running := await _running(client, settings):
        message = (
            f"workers have started meanwhile ({running}): nothing was changed. End them, then try"
            " again."
        )
        raise CannotReshard(message)


async def _running(client: AIOKafkaAdminClient, settings: Settings) -> str:
    """Return how many workers of each role run: `2 of measure, 1 of store`; empty if none does."""
    members = {role: await _members(client, settings.topic_prefix + role) for role in _ROLES}
    return ", ".join(f"{count} of {role}" for role, count in members.items() if count)


async def _members(client: AIOKafkaAdminClient, group: str) -> int:
    """Return how many members a group has."""
    (answer,) = await client.describe_consumer_groups([group])
    return sum(len(described[5]) for described in answer.groups)


async def _make_anew(client: AIOKafkaAdminClient, settings: Settings, partitions: int) -> None:
    """Make the internal topics with the new number; let the public one grow."""
    chosen = settings.model_copy(update={"partitions": partitions})
    aggregates = settings.topic(AGGREGATES)
    specs = [spec for spec in everything(chosen) if spec.plane and spec.name != aggregates]
    await _delete(client, [spec.name for spec in specs])
    await create(client, settings, specs)
    found = await describe_topics(client, [aggregates])
    if found[aggregates].partitions < partitions:
        grown = {aggregates: NewPartitions(total_count=partitions, new_assignments=None)}
        answer = await client.create_partitions(grown)
        for _, code, message in answer.topic_errors:
            if code:
                raise for_code(code)(message)

    async def is_done() -> bool:
        topics = await describe_topics(client, [aggregates, *(spec.name for spec in specs)])
        return len(topics) == len(specs) + 1 and all(
            topic.partitions == partitions and not topic.leaderless for topic in topics.values()
        )

    await _until(is_done)


async def _delete(client: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Delete those of the topics that exist."""
    found = await describe_topics(client, names)
    if not found:
        return
    answer = await client.delete_topics(list(found))
    for name, code in [entry[:2] for entry in answer.topic_error_codes]:
        if code:
            raise for_code(code)(name)

    async def is_done() -> bool:
        return not await describe_topics(client, names)

    await _until(is_done)


async def _until(is_done: Callable[[], Awaitable[bool]]) -> None:
    give_up = time.monotonic() + _SETTLE_S
    while not await is_done():
        if time.monotonic() > give_up:
            raise TimeoutError("the brokers do not agree on the topics")
        await asyncio.sleep(_LOOK_S / 4)


async def _commit(client: AIOKafkaAdminClient, settings: Settings, staged: Staged) -> None:
    """Commit where workers go on, with the ids of the topics as they are now."""
    existing = await describe_topics(client, [spec.name for spec in everything(settings)])
    partials = {folded.role: settings.topic(folded.partials) for folded in FOLDED}
    for role, name in partials.items():
        group = settings.topic_prefix + role
        commits = dict(await committed_by(client, group))
        if not commits:
            continue  # it never ran
        begins = {name: [0] * staged.partitions}
        if role == "measure":
            begins[settings.topic(BEATS)] = begins[name]
        commits |= {
            TopicPartition(topic, number): Commit(offset, CommitMetadata())
            for topic, offsets in begins.items()
            for number, offset in enumerate(offsets)
        }
        if role == "measure":
            for number, offset in enumerate(staged.begins):
                metadata = CommitMetadata(moved=_first(offset) - offset)
                commits[TopicPartition(settings.topic(AGGREGATES), number)] = Commit(
                    offset, metadata
                )
        topic_ids = {
            topic.removeprefix(settings.topic_prefix): topic_id
            for topic in read_by(settings, role)
            if topic in existing and (topic_id := existing[topic].id)
        }
        await _write(settings, group, commits, topic_ids)


async def _write(
    settings: Settings,
    group: str,
    commits: Mapping[TopicPartition, Commit],
    topic_ids: Mapping[str, str],
) -> None:
    consumer = AIOKafkaConsumer(**settings.kafka(), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(commits))
        await consumer.commit(
            {
                place: OffsetAndMetadata(
                    commit.offset, commit.metadata._replace(topic_ids=topic_ids).text()
                )
                for place, commit in commits.items()
            }
        )
    finally:
        await consumer.stop()


def _first(begin: int) -> int:
    """Return our offset of where a partition begins: state that was evaluated has one before."""
    return max(begin, 1)
