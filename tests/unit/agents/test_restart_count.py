"""Starts at one offset are counted beside the commit, deaths only, and poison stands there too."""

from types import SimpleNamespace

from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from agents.kafka.commit_metadata import CommitProgress, parse
from agents.kafka.fetch_unpacking import Gap
from agents.kafka.restart_count import SUSPICIOUS, Starts, begin_of

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


async def begun(broker: Broker, **topic_ids: str) -> Starts:
    """Return the starts of a new process."""
    starts = Starts(lambda: topic_ids)
    consumer = SimpleNamespace(commit=broker.commit)
    starts.watch(consumer)
    commits = {TP(*tp): at for tp, at in broker.commits.items()}
    begin = begin_of(commits.get(PLACE, OffsetAndMetadata(40, "")), 0, broker.end)
    await starts.begin({PLACE: begin}, commits, {PLACE: broker.end})
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
    broker = Broker()
    for _ in range(SUSPICIOUS):
        starts = await begun(broker, operations="a")
    assert starts.of(PLACE).is_suspect(40)
    assert parse(broker.commits[PARTITION].metadata).topic_ids == {"operations": "a"}


async def test_topics_ids_are_remembered_before_anything_is_to_be_read():
    broker = Broker()
    broker.end = 40
    starts = await begun(broker, operations="a")
    assert broker.commits[PARTITION].offset == 40
    assert parse(broker.commits[PARTITION].metadata) == parse('{"topics":{"operations":"a"}}')
    assert starts.of(PLACE).count == 0


async def test_a_log_that_was_cut_commits_nothing_of_before_the_cut():
    broker = Broker()
    starts = await begun(broker)
    assert starts.move(PLACE, 151, 100) == 51
    await starts.consumer.commit({PARTITION: OffsetAndMetadata(120, "")})
    assert broker.commits[PARTITION].offset == 40
    starts.of(PLACE).progress = CommitProgress(170, 99)
    await starts.consumer.commit({PARTITION: OffsetAndMetadata(151, "")})
    assert broker.commits[PARTITION].offset == 100
    broker.end = 119
    begin = begin_of(broker.commits[PARTITION], 0, broker.end)
    assert (begin.offset, begin.read_to, begin.gap, begin.moved) == (151, 170, None, 51)
    starts = await begun(broker)
    assert (starts.of(PLACE).offset, starts.of(PLACE).end) == (151, 170)


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
    assert not (await begun(broker)).of(PLACE).is_suspect(60)


async def test_poison_stands_there_until_it_is_passed():
    broker = Broker()
    starts = await begun(broker)
    await starts.isolate(PLACE, 55)
    await starts.isolate(PLACE, 70)
    assert (await begun(broker)).of(PLACE).poison == {55, 70}
    await starts.consumer.commit({PARTITION: OffsetAndMetadata(60, "")})
    assert (await begun(broker)).of(PLACE).poison == {70}


async def test_more_poison_than_has_room_is_found_again():
    broker = Broker()
    starts = await begun(broker)
    starts.of(PLACE).poison |= set(range(10**9, 10**9 + 2000))
    await starts.isolate(PLACE, 55)
    assert 55 in (await begun(broker)).of(PLACE).poison


async def test_how_far_it_is_counted_stands_there_also_after_a_last_commit():
    broker = Broker()
    starts = await begun(broker)
    starts.of(PLACE).progress = CommitProgress(57, 99)
    await starts.take_back(starts.end([PLACE]))
    await starts.consumer.commit({PARTITION: OffsetAndMetadata(50, "")})
    assert begin_of(broker.commits[PARTITION], 90, 99)[:2] == (90, Gap(57, 90, 99))
    assert (await begun(broker)).of(PLACE).progress == CommitProgress(57, 99)
    assert begin_of(broker.commits[PARTITION], 55, 99)[:2] == (57, None)
