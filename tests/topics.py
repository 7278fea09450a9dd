"""Change topics and wait until the broker says so: it answers before it has done it."""

import time
from collections.abc import Callable, Collection
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

WAIT_S = 30.0


def make(admin: AdminClient, *topics: NewTopic) -> None:
    """Make topics, or configure those that a worker has made meanwhile.

    Return when each partition has a leader that answers.
    """
    by_name = {topic.topic: topic for topic in topics}
    for name, made in admin.create_topics(list(topics)).items():
        try:
            made.result(WAIT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            if by_name[name].config:
                alter(admin, name, **by_name[name].config)
    for topic in topics:
        _until(lambda topic=topic: _leads(admin, topic.topic, topic.num_partitions))


def grow(admin: AdminClient, topic: str, partitions: int) -> None:
    """Add partitions to a topic until it has this many; return when each has a leader."""
    for grown in admin.create_partitions([NewPartitions(topic, partitions)]).values():
        grown.result(WAIT_S)
    _until(lambda: _leads(admin, topic, partitions))


def remove(admin: AdminClient, *names: str) -> None:
    """Delete topics; return when the broker lists them no more."""
    for removed in admin.delete_topics(list(names)).values():
        removed.result(WAIT_S)
    _until(lambda: not _listed(admin, names))


def alter(admin: AdminClient, topic: str, **config: str) -> None:
    """Change a topic's configuration (`retention_ms="1000"`); return when the broker says so."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in config.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result(WAIT_S)

    def is_done() -> bool:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        (described,) = admin.describe_configs([resource]).values()
        found = described.result(WAIT_S)
        return all(found[entry.name].value == entry.value for entry in entries)

    _until(is_done)


def _leads(admin: AdminClient, topic: str, partitions: int) -> bool:
    listed = admin.list_topics(timeout=WAIT_S).topics.get(topic)  # also refreshes what admin knows
    if listed is None or len(listed.partitions) != partitions:
        return False
    ends = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}
    with suppress(KafkaException):
        for end in admin.list_offsets(ends).values():
            end.result(WAIT_S)
        return True
    return False


def _listed(admin: AdminClient, names: Collection[str]) -> set[str]:
    return set(names) & admin.list_topics(timeout=WAIT_S).topics.keys()


def _until(probe: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WAIT_S
    while not probe():
        assert time.monotonic() < give_up, "the broker has not done it"
        time.sleep(0.05)
