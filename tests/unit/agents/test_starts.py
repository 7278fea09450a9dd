"""Starts at one offset are counted beside the commit, deaths only, and poison stands there too."""

from types import SimpleNamespace

from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from agents.kafka.chunks import Gap
from agents.kafka.starts import SUSPICIOUS, Begin, CommitProgress, Starts, begin_of

PLACE = TP("operations", 0)
PARTITION = TopicPartition(*PLACE)


class Broker:
    """A group's commits and a log's end."""

    def __init__(self) -> None:
        self.commits: dict[TopicPartition, OffsetAndMetadata] = {}
        self.end = 100

    async def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        assert all(len(at.metadata) <= 4096 for at in offsets.values())
        self.commits |= offsets

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.end)

    async def fetch_committed_offsets(
        self, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        return {tp: self.commits[tp] for tp in partitions if tp in self.commits}


class Noting(Broker):
    """A broker behind a group's member, which puts its own note first."""

    async def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        noted = {
            tp: at._replace(metadata="opwatch1 a=b" + at.metadata) for tp, at in offsets.items()
        }
        await super().commit(noted)


async def begun(broker: Broker, offset: int = 40) -> Starts:
    """Return the starts of a new process, where reading begins at an offset."""
    starts = Starts()
    consumer = SimpleNamespace(
        commit=broker.commit, end_offsets=broker.end_offsets, _coordinator=broker
    )
    starts.watch(consumer)
    await starts.begin(consumer, {PLACE: offset})
    starts.consumer = consumer
    return starts


async def test_from_the_third_start_on_what_stood_in_the_log_is_suspect():
    broker = Broker()
    for count in range(1, SUSPICIOUS + 2):
        start = (await begun(broker)).of(PLACE)
        assert start.is_suspect(40) == start.is_suspect(99) == (count >= SUSPICIOUS)
        assert not start.is_suspect(100)
        assert broker.commits[PARTITION].offset == 40


async def test_topics_ids_stand_beside_it():
    broker = Noting()
    for _ in range(SUSPICIOUS):
        starts = await begun(broker)
    assert starts.of(PLACE).is_suspect(40)
    assert broker.commits[PARTITION].metadata.partition("\n")[0] == "opwatch1 a=b"


async def test_an_end_alive_does_not_count():
    broker = Broker()
    for _ in range(10):
        starts = await begun(broker)
        await starts.take_back(starts.end([PLACE]))
    assert not (await begun(broker)).of(PLACE).is_suspect(40)


async def test_deaths_before_an_end_alive_still_count():
    broker = Broker()
    await begun(broker)
    await begun(broker)
    starts = await begun(broker)
    await starts.take_back(starts.end([PLACE]))
    assert (await begun(broker)).of(PLACE).is_suspect(40)


async def test_a_commit_that_gets_on_begins_anew():
    broker = Broker()
    for _ in range(SUSPICIOUS):
        starts = await begun(broker)
    await starts.consumer.commit({PARTITION: OffsetAndMetadata(60, "")})
    assert broker.commits[PARTITION] == OffsetAndMetadata(60, "")
    assert starts.end([PLACE]) == {}
    assert not (await begun(broker, 60)).of(PLACE).is_suspect(60)


async def test_where_nothing_is_to_be_read_nothing_is_counted():
    broker = Broker()
    broker.end = 40
    await begun(broker)
    assert broker.commits == {}


async def test_poison_stands_there_until_it_is_passed():
    broker = Broker()
    starts = await begun(broker)
    await starts.isolate(PLACE, 55)
    await starts.isolate(PLACE, 70)
    assert (await begun(broker)).of(PLACE).poison == {55, 70}
    await starts.consumer.commit({PARTITION: OffsetAndMetadata(60, "")})
    assert (await begun(broker, 60)).of(PLACE).poison == {70}


async def test_more_poison_than_has_room_is_found_again():
    broker = Broker()
    starts = await begun(broker)
    starts.of(PLACE).poison |= set(range(10**9, 10**9 + 2000))
    await starts.isolate(PLACE, 55)
    assert 55 in (await begun(broker)).of(PLACE).poison


async def test_what_somebody_else_wrote_beside_a_commit_says_nothing():
    broker = Broker()
    for metadata in (
        "",
        "x",
        "opwatch1 a=b",
        "\n[]",
        "[]",
        '{"starts": "many"}',
        '{"poison": 5}',
        "[" * 2000,
        "null",
    ):
        broker.commits[PARTITION] = OffsetAndMetadata(40, metadata)
        start = (await begun(broker)).of(PLACE)
        assert (start.count, start.poison) == (1, set())


async def test_how_far_it_is_counted_stands_there_also_after_a_last_commit():
    broker = Broker()
    starts = await begun(broker)
    starts.of(PLACE).progress = CommitProgress(57, 99)
    await starts.take_back(starts.end([PLACE]))
    await starts.consumer.commit({PARTITION: OffsetAndMetadata(50, "")})
    assert begin_of(broker.commits[PARTITION], 90) == Begin(90, Gap(57, 90, 99))
    assert (await begun(broker, 50)).of(PLACE).progress == CommitProgress(57, 99)
    assert begin_of(broker.commits[PARTITION], 55) == Begin(57)
