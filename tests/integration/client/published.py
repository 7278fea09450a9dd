"""Make topics for the client, and read what it published."""

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.operations import Operation, Operations
from tests import topics

PARTITIONS = 3


def create(bootstrap: str, topic: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics.make(admin, NewTopic(topic, PARTITIONS, 1, config=config))


def read(bootstrap: str, topic: str) -> list[Operation]:
    """Return what stands in the topic; every record of it fits the schema."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "cl-oracle"})
    operations: list[Operation] = []
    try:
        for partition in range(PARTITIONS):
            place = TopicPartition(topic, partition, 0)
            low, high = consumer.get_watermark_offsets(place, timeout=30)
            consumer.assign([place])
            while low < high:
                message = consumer.poll(30)
                assert message is not None
                assert message.error() is None
                low = message.offset() + 1
                content = Operations.model_validate_json(message.value()).root
                operations += content if isinstance(content, list) else [content]
    finally:
        consumer.close()
    return operations


def names(operations: list[Operation]) -> list[str]:
    return sorted(operation.operation for operation in operations)
