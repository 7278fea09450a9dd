"""Rows that move to other partitions, in the midst of everything, count what an oracle counts."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.measure.moved_partitions import moved_states, target_of
from streams.measure.series import partition_of
from streams.measure.window_kind import OPERATIONS_WINDOWS
from streams.measure.window_state import STATE_PREFIX
from streams.measure.window_times import SeriesWindow
from streams.measure.windows import Windows
from tests.effort import examples
from tests.properties.test_windows_life import assert_as_oracle, draw_world, finish
from tests.properties.worlds import (
    ENGINE,
    MONDAY_MS,
    TIMES,
    Message,
    Reading,
    Rows,
    Target,
    operation,
    record,
)

SOURCES = 2


class Partition(Target):
    """One of several target partitions."""

    def __init__(self, number: int, table: dict[bytes, bytes] | None = None) -> None:
        self.number = number
        self.first = table or {}
        super().__init__(SOURCES)

    def start(self) -> None:
        self.table |= self.first
        self.first = {}
        self.packed = dict(self.table)
        args = self.number, self.sources, self.packed, TIMES, ENGINE, self.limit
        self.windows = Windows(*args, kind=self.kind)
        self.read_to = self.committed
        self.sent = []


def tell(partitions: list[Partition], message: Message) -> None:
    """Publish a message: rows to the partitions of their series, progress to all."""
    for partition in partitions:
        if not isinstance(message, Rows):
            partition.inbox.append(message)
            continue
        rows = [
            row
            for row in message.rows
            if partition_of(row.series, len(partitions)) == partition.number
        ]
        if rows:
            partition.inbox.append(message._replace(rows=rows))


def live(random: Random, partitions: list[Partition], now_ms: int) -> None:
    """Let partitions read, publish, write and crash, each as it likes."""
    for partition in partitions:
        if random.random() < 0.4:
            continue
        partition.read(random.randint(1, 12), now_ms)
        partition.publish(now_ms)
        if random.random() < 0.2:
            partition.write(at_most=random.randrange(8))
            partition.start()
        elif random.random() < 0.8:
            partition.write()


def move(before: list[Partition], count: int) -> list[Partition]:
    """Return new partitions with all that the ones before hold: as `opwatch topics reshard`."""
    tables: list[dict[bytes, bytes]] = [{} for _ in range(count)]
    states = []
    for partition in before:
        partition.start()
        partition.read(1 << 30, 0)
        partition.windows.take_changes()
        rows = partition.packed
        states.append({key: row for key, row in rows.items() if key.startswith(STATE_PREFIX)})
        for key in rows.keys() - states[-1].keys():
            series = SeriesWindow.of_key(key).series
            target = target_of(OPERATIONS_WINDOWS, series, partition.number, count)
            tables[target][key] = rows[key]
    for table, own in zip(tables, moved_states(states, count), strict=True):
        table |= dict(own)
    after = [Partition(number, table) for number, table in enumerate(tables)]
    for partition in before:
        for key, published in partition.published.items():
            series = key.rsplit(b"/", 2)[0].decode()
            after[partition_of(series, count)].published[key] += published
        after[0].refused += partition.refused
    return after


@settings(max_examples=examples(4), deadline=None)
@given(st.integers(0, 1 << 32))
def test_rows_that_are_moved_again_and_again_end_in_what_an_oracle_counts(seed: int) -> None:
    random, logs, told = draw_world(seed, sources=SOURCES)
    partitions = [Partition(number) for number in range(random.randint(1, 3))]
    moves = sorted(random.sample(range(len(told)), min(2, len(told))))
    now_ms = 0
    for place, message in enumerate(told):
        if place in moves:
            partitions = move(partitions, len(partitions) + random.randint(1, 3))
        tell(partitions, message)
        now_ms += random.choice([1_000, 100_000])
        live(random, partitions, now_ms)
    whole = Target(SOURCES)
    for partition in partitions:
        finish(partition, now_ms + 1_000)
        whole.published |= partition.published
        assert partition.refused == []
        assert [key for key in partition.table if not key.startswith(STATE_PREFIX)] == []
    assert_as_oracle(whole, logs)


def only(*series: str, told: list[Message]) -> list[Message]:
    """Return what is told with the rows of some series only, in one message."""
    messages = [message for message in told if isinstance(message, Rows)]
    rows = [row for message in messages for row in message.rows if row.series in series]
    return [messages[-1]._replace(rows=rows), told[-1]]


def test_a_repeat_of_what_one_partition_has_closed_counts_nowhere_and_the_other_goes_on() -> None:
    names = [f"op{number}" for number in range(100)]
    ahead, behind = (
        next(name for name in names if partition_of(name, 2) == number) for number in range(2)
    )
    log = [
        record(offset, operation(offset, operation=name))
        for offset, name in enumerate([behind, ahead, behind])
    ]
    reading = Reading(0, log)
    told = [only(ahead, behind, told=[*reading.read(1), *reading.tell()]) for _ in range(3)]
    before = [Partition(number) for number in range(2)]
    for partition in before:
        partition.sources = 1
        partition.start()
    for message in (*told[0], *told[1]):
        tell(before, message)
    finish(before[0], 1_000)
    before[1].read(1 << 30, 0)
    before[1].beat(0)
    assert [key for key in before[0].table if not key.startswith(STATE_PREFIX)] == []

    again = Reading(0, log)
    after = move(before, 5)
    for message in only(ahead, behind, told=[*again.read(2), *again.tell()]) + told[2]:
        tell(after, message)
    whole: dict[bytes, int] = {}
    for partition in after:
        partition.sources = 1
        partition.read(1 << 30, 0)
        partition.beat(10**15)
        assert partition.refused == []
        whole |= {key: latest["count"] for key, latest in partition.last().items()}
    minute = MONDAY_MS
    assert whole[f"{ahead}/1m/{minute}".encode()] == 1
    assert whole[f"{behind}/1m/{minute}".encode()] == 2
    assert not [p for p in after if p.sent and p.number == partition_of(ahead, 5)]
