"""Read the aggregates that a backtest judges: of a recorded file, or of the topic itself."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agents.cli.running import NO, Sentence
from streams.rules.records import AggregateRecord, kind_of, name_of, read_aggregate


class Record(NamedTuple):
    """A record on `aggregates`."""

    partition: int
    offset: int
    timestamp_ms: int
    told: AggregateRecord


def of_file(path: Path) -> Iterator[Record]:
    """Yield the records of a file, as `opwatch tail --json` writes it.

    The file has the order within each series, but one partition after the other where it was read
    from the beginning: the series are merged by the time they have come to.

    Raises:
        Sentence: the file cannot be read, or is not such a file.
    """
    try:
        with path.open("rb") as file:
            order = list(_in_order(file, path))
            order.sort()
            for offset, (at_ms, place) in enumerate(order):
                file.seek(place)
                told = read_aggregate(file.readline())
                assert told is not None
                yield Record(0, offset, at_ms, told)
    except OSError as error:
        raise Sentence(f"cannot read {path}: {error.strerror}.", NO) from None


def _in_order(file: Any, path: Path) -> Iterator[tuple[int, int]]:
    """Yield for each record the time that its series has come to, and its place in the file."""
    newest: dict[tuple[str, str], int] = {}
    place = number = 0
    for number, line in enumerate(file, 1):
        here, place = place, place + len(line)
        if not line.strip():
            continue
        told = read_aggregate(line)
        if told is None:
            hint = "record one with `opwatch tail --json --from-beginning > FILE`"
            raise Sentence(f"{path}:{number} is no aggregate: {hint}.", NO)
        window, key = told.window, (kind_of(told), name_of(told))
        come_to = window.end_ms if told.final else window.start_ms if window.size == "1m" else 0
        newest[key] = max(newest.get(key, 0), come_to)
        yield newest[key], here
    if not newest:
        raise Sentence(f"{path} has no aggregates.", NO)


async def of_topic(since_ms: int) -> AsyncIterator[Record]:
    """Yield the records that were published since then, up to now; each partition in its order."""
    from agents.cli.kafka import reader
    from agents.cli.running import settings
    from schemas.topics import AGGREGATES

    chosen = settings()
    async with reader(chosen, chosen.topic(AGGREGATES)) as topic:
        await topic.from_time(since_ms)
        async for record in topic.to_the_end():
            told = read_aggregate(record.value or b"", record.timestamp)
            if told is not None:
                yield Record(record.partition, record.offset, record.timestamp, told)
