"""Count how often reading of a partition began at one offset and ended there with its process.

The count is in the metadata of the consumer group's commit, since a worker may have no disk.
Reading begins with a commit of the same offset and a higher count. A commit of a later offset sets
the count to 0; a worker that ends normally lowers it again. So three starts mean three crashes,
whatever caused them. The metadata also has the offsets of records that end a worker, until the
commit is behind them, and how far beyond the commit records are counted, so that nothing is counted
twice when Kafka removes what is in between.

Offsets only grow here. Where a log was cut (an unclean leader election), Kafka gives offsets to new
records that others had before. From the cut on a number is added, so that no offset names two
records:

    Kafka   0 .......... 120 | cut, 150 were read      120 ......
    here    0 .......... 120 ..... 149 | 150: the gap | 151 ......     moved by 31
"""

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from agents.kafka.commit_metadata import CommitMetadata, CommitProgress, parse
from agents.kafka.fetch_unpacking import Gap

log = structlog.get_logger()

#: After this many starts at one offset, records are tried in a child process before they are read.
SUSPICIOUS = 3


class Begin(NamedTuple):
    """Where reading of a partition begins in an assignment."""

    offset: int
    gap: Gap | None = None
    """The records that Kafka removed before they were read."""
    read_to: int = 0
    """The first offset that was not counted at the last commit."""
    epoch: int = -1
    """The epoch of the leader that took the record before it."""
    moved: int = 0
    """The number that is added to Kafka's offsets."""


@dataclass(kw_only=True)
class Start:
    """Where reading of a partition began in this assignment."""

    offset: int
    """The committed offset then."""
    end: int
    """The log's end then: a later record has not ended a worker yet."""
    count: int = 0
    """The number of starts at this offset, with this one."""
    poison: set[int] = field(default_factory=set)
    """Offsets of records that end a worker."""
    committed: int = 0
    progress: CommitProgress | None = None
    moved: int = 0
    """The number that is added to Kafka's offsets."""
    cut_at: int = 0
    """The first offset after a cut: no earlier one is committed any more."""
    epoch: int = -1
    """The epoch of the leader that took the last record that was read."""

    @property
    def got_on(self) -> bool:
        """Whether more was committed since."""
        return self.committed > self.offset

    def is_suspect(self, offset: int) -> bool:
        """Return whether the record at an offset may be what ended the starts before."""
        return self.count >= SUSPICIOUS and offset < self.end


class Starts:
    """The starts of one consumer; its commits pass through here."""

    def __init__(self, topic_ids: Callable[[], Mapping[str, str]] = dict) -> None:
        """Begin with none.

        Args:
            topic_ids: of the topics that the role reads, by their names without prefix.
        """
        self._topic_ids = topic_ids
        self._of: dict[TP, Start] = {}
        self._ended: dict[TP, Start] = {}
        """For a last commit after the end of reading: its metadata must be complete."""
        self._commit: Any = None

    def of(self, tp: TP) -> Start:
        """Return a partition's start; one without suspects if it has not begun."""
        return self._of.get(tp) or Start(offset=0, end=0)

    def watch(self, consumer: Any) -> None:
        """Add metadata to the commits of an aiokafka consumer."""
        self._commit = consumer.commit
        consumer.commit = self._commit_all

    async def begin(
        self,
        begins: Mapping[TP, Begin],
        committed: Mapping[TP, OffsetAndMetadata],
        ends: Mapping[TP, int],
    ) -> None:
        """Commit where reading of partitions begins. Call it in the consumer's thread.

        From now on the group has the topics' ids, and what Kafka removes is noticed, also where
        nothing is counted for a long time.
        """
        for tp, begin in begins.items():
            commit, end = committed.get(tp), ends[tp] + begin.moved
            start = Start(offset=begin.offset, end=end, moved=begin.moved, epoch=begin.epoch)
            if commit is not None and commit.offset >= 0:
                metadata = parse(commit.metadata)
                start.offset = commit.offset + begin.moved
                start.count = min(metadata.starts, SUSPICIOUS)
                start.poison, start.progress = set(metadata.poison), metadata.progress
            elif begin.offset:
                log.warning(
                    "the group has no commit, and records were removed: they may not be counted",
                    topic=tp.topic,
                    partition=tp.partition,
                    first_offset=begin.offset,
                )
            offset = start.offset
            start.committed = offset
            start.count += end > offset
            self._of[tp] = start
            if start.count >= SUSPICIOUS:
                log.warning(
                    "reading began here again and again: each record is tried before it is read",
                    topic=tp.topic,
                    partition=tp.partition,
                    offset=offset,
                    starts=start.count,
                )
        await self.write(*begins)

    def move(self, tp: TP, offset: int, found: int) -> int:
        """Rename the offset where a log was cut, and those after it; return what is added."""
        by = offset - found
        if start := self._of.get(tp):
            start.moved, start.cut_at = start.moved + by, offset
        return by

    async def isolate(self, tp: TP, offset: int) -> None:
        """Commit that a record ends a worker. Call it in the consumer's thread."""
        if start := self._of.get(tp):
            start.poison.add(offset)
            await self.write(tp)

    def end(self, tps: Collection[TP]) -> dict[TP, Start]:
        """Forget partitions; return the starts whose counts are to be lowered by `take_back`."""
        ended = {tp: start for tp in tps if (start := self._of.pop(tp, None))}
        self._ended |= ended
        return {tp: start for tp, start in ended.items() if start.count and not start.got_on}

    async def take_back(self, ended: dict[TP, Start]) -> None:
        """Commit lower counts: these starts ended normally. Call it in the consumer's thread."""
        for start in ended.values():
            start.count -= 1
        with contextlib.suppress(KafkaError, IllegalStateError):  # another worker has the partition
            await self._commit_all({tp: start.committed for tp, start in ended.items()})

    async def write(self, *tps: TP) -> None:
        """Commit the same offsets again, with the metadata as it is now."""
        with contextlib.suppress(KafkaError, IllegalStateError):  # another worker has the partition
            await self._commit_all({tp: self._of[tp].committed for tp in tps if tp in self._of})

    async def _commit_all(self, offsets: Mapping[Any, Any]) -> None:
        commits, topic_ids = {}, self._topic_ids()
        for place, at in offsets.items():
            offset, tp = at if isinstance(at, int) else at[0], TP(*place)
            start = self._of.get(tp) or self._ended.get(tp) or Start(offset=offset, end=offset)
            if offset < start.cut_at:  # of the log before it was cut
                continue
            start.committed = offset  # before the await, so that no later call commits less
            text = _metadata_of(start, topic_ids).text()
            commits[TopicPartition(*tp)] = OffsetAndMetadata(offset - start.moved, text)
        if commits:
            await self._commit(commits)


def _metadata_of(start: Start, topic_ids: Mapping[str, str]) -> CommitMetadata:
    progress = start.progress
    return CommitMetadata(
        topic_ids,
        0 if start.got_on else start.count,
        frozenset(offset for offset in start.poison if offset >= start.committed),
        progress if progress is not None and progress.read_to > start.committed else None,
        start.moved,
        start.epoch,
    )


def begin_of(commit: OffsetAndMetadata | None, earliest: int, end: int) -> Begin:
    """Return where reading begins, by a commit and by the start and end of Kafka's log."""
    if commit is None or commit.offset < 0:
        return Begin(earliest)
    metadata = parse(commit.metadata)
    moved, progress, epoch = metadata.moved, metadata.progress, metadata.epoch
    offset = commit.offset + moved
    read_to = max(offset, progress.read_to if progress else 0)
    earliest += moved
    if earliest <= offset and read_to <= end + moved:
        return Begin(offset, None, read_to, epoch, moved)
    # A part of the open block is gone: what was counted of it is not read again.
    if read_to >= earliest:
        return Begin(read_to, None, read_to, epoch, moved)
    gap = Gap(read_to, earliest, progress.time_ms if progress else None)
    return Begin(earliest, gap, earliest, epoch, moved)
