"""Give each case topics of its own on the broker, and read what is in them."""

import contextlib
import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.environment import say
from benchmarks.race import Failed
from stack.state import FOLDER

_READ_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """The broker, and the topics of this run."""

    bootstrap: str
    prefix: str
    partitions: int

    @property
    def operations(self) -> str:
        return f"{self.prefix}operations"


@contextlib.contextmanager
def temporary(bootstrap: str, name: str, partitions: int) -> Iterator[Place]:
    """Yield a place without topics; delete its topics at the end."""
    prefix = f"{name}-{secrets.token_hex(4)}."
    try:
        yield Place(bootstrap=bootstrap, prefix=prefix, partitions=partitions)
    finally:
        delete_topics(bootstrap, prefix)


def delete_topics(bootstrap: str, part: str) -> None:
    """Delete the topics with this in their names; Kafka itself removes groups without offsets."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 4})
    topics = [name for name in admin.list_topics(timeout=10).topics if part in name]
    for name, deletion in (admin.delete_topics(topics) if topics else {}).items():
        try:
            deletion.result(60)
        except KafkaException as error:
            say(f"left behind on the broker: {name} ({error.args[0].str()})")


def ends(place: Place, topic: str) -> dict[int, int]:
    """Return how many records each partition of a topic has got."""
    reader = Consumer({"bootstrap.servers": place.bootstrap, "group.id": f"{place.prefix}ends"})
    name = place.prefix + topic
    partitions = reader.list_topics(name, timeout=10).topics[name].partitions
    found = {
        number: reader.get_watermark_offsets(TopicPartition(name, number), timeout=10)[1]
        for number in partitions
    }
    reader.close()
    return found


def records(place: Place, topic: str) -> Iterator[Message]:
    """Yield all records that a topic has now.

    Raises:
        Failed: they cannot be read in a minute.
    """
    upto = {number: end for number, end in ends(place, topic).items() if end}
    reader = Consumer({"bootstrap.servers": place.bootstrap, "group.id": f"{place.prefix}read"})
    reader.assign([TopicPartition(place.prefix + topic, number, 0) for number in upto])
    while upto:
        messages = reader.consume(1000, timeout=_READ_S)
        if not messages:
            raise Failed(f"{topic} cannot be read")
        for message in messages:
            if message.error():
                continue
            if message.offset() + 1 >= upto.get(message.partition(), 0):
                upto.pop(message.partition(), None)
            yield message
    reader.close()


def bytes_on_kafka(place: Place, folder: Path = FOLDER) -> dict[str, int]:
    """Return the bytes of each topic's log on the broker's disk, as it is compressed there.

    Raises:
        Failed: the broker is not one that `stack` started here.
    """
    sizes: dict[str, int] = defaultdict(int)
    for log in folder.rglob(f"{place.prefix}*/*.log"):
        topic = log.parent.name.removeprefix(place.prefix).rpartition("-")[0]
        sizes[topic] += log.stat().st_size
    if not sizes:
        raise Failed("the broker's folder is not here: run it by `python -m stack run`")
    return dict(sizes)
