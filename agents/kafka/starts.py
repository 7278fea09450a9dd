"""Count how often reading of a partition began at one offset and ended there with its process.

The count stands in the consumer group's commit, beside the offset, since a worker may have no
disk: reading begins by committing the same offset with a higher count. A commit that gets on
begins anew at nought; who gives a partition back alive takes the count back. So three starts mean
three deaths, whatever brought them. The offsets of records that are known to end a worker stand
there too, until the commit has passed them; and how far beyond the commit records are counted, so
that nothing is counted twice where Kafka removes what lies in between.

Offsets here only grow. Where a log was cut (an unclean leader election), Kafka's begin anew at the
cut: from there on they are moved, so that no offset names two records:

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

from agents.kafka.chunks import Gap
from agents.kafka.commit_metadata import CommitMetadata, CommitProgress, parse

log = structlog.get_logger()

#: From so many starts at one offset on, what stood in the log by then is tried before it is read.
SUSPICIOUS = 3


class Begin(NamedTuple):
    """Where reading of a partition begins in an assignment."""

    offset: int
    gap: Gap | None = None
    """What Kafka removed of it before it was read."""
    read_to: int = 0
    """The first offset that was not read, or not counted, when it was committed."""
    epoch: int = -1
    """Which leader took the record before it."""
    moved: int = 0
    """What is added to Kafka's offsets."""


@dataclass(kw_only=True)
class Start:
    """Where reading of a partition began in this assignment."""

    offset: int
    """What was committed then."""
    end: int
    """The log's end then: a record beyond it has ended nobody yet."""
    count: int = 0
    """Starts at this offset, this one included."""
    poison: set[int] = field(default_factory=set)
    """Offsets of records that end a worker."""
    committed: int = 0
    progress: CommitProgress | None = None
    moved: int = 0
    """What is added to Kafka's offsets."""
    cut_at: int = 0
    """The first offset that was moved: no earlier one is committed any more."""
    epoch: int = -1
    """Which leader of the partition took the last record that was read."""

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
        """A last commit may follow an end: it must not lack anything."""
        self._commit: Any = None

    def of(self, tp: TP) -> Start:
        """Return a partition's start; one that nothing is known of is no suspect."""
        return self._of.get(tp) or Start(offset=0, end=0)

    def watch(self, consumer: Any) -> None:
        """Let the commits of an aiokafka consumer carry how often reading began."""
        self._commit = consumer.commit
        consumer.commit = self._commit_all

    async def begin(
        self,
        begins: Mapping[TP, Begin],
        committed: Mapping[TP, OffsetAndMetadata],
        ends: Mapping[TP, int],
    ) -> None:
        """Note where reading of partitions begins. Call it in the consumer's thread.

        All of them are committed at once, so that the topics' ids are remembered, and what Kafka
        removes from now on is noticed, also where nothing is counted for long.
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
        """Name an offset, and those after it, anew: the log was cut there. Return by how much."""
        by = offset - found
        if start := self._of.get(tp):
            start.moved, start.cut_at = start.moved + by, offset
        return by

    async def isolate(self, tp: TP, offset: int) -> None:
        """Note a record that ends a worker. Call it in the consumer's thread."""
        if start := self._of.get(tp):
            start.poison.add(offset)
            await self.write(tp)

    def end(self, tps: Collection[TP]) -> dict[TP, Start]:
        """Forget partitions; return the starts that are to be taken back, see `take_back`."""
        ended = {tp: start for tp in tps if (start := self._of.pop(tp, None))}
        self._ended |= ended
        return {tp: start for tp, start in ended.items() if start.count and not start.got_on}

    async def take_back(self, ended: dict[TP, Start]) -> None:
        """Note that these starts ended alive. Call it in the consumer's thread."""
        for start in ended.values():
            start.count -= 1
        with contextlib.suppress(KafkaError, IllegalStateError):  # another owner counts on
            await self._commit_all({tp: start.committed for tp, start in ended.items()})

    async def write(self, *tps: TP) -> None:
        """Commit what is committed once more, with the counts of now."""
        with contextlib.suppress(KafkaError, IllegalStateError):  # another owner counts on
            await self._commit_all({tp: self._of[tp].committed for tp in tps if tp in self._of})

    async def _commit_all(self, offsets: Mapping[Any, Any]) -> None:
        commits, topic_ids = {}, self._topic_ids()
        for place, at in offsets.items():
            offset, tp = at if isinstance(at, int) else at[0], TP(*place)
            start = self._of.get(tp) or self._ended.get(tp) or Start(offset=offset, end=offset)
            if offset < start.cut_at:  # of the log before it was cut
                continue
            start.committed = offset  # before anything is awaited: no later call goes back
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
    """Return where reading begins by a commit, and by where Kafka's log starts and ends."""
    if commit is None or commit.offset < 0:
        return Begin(earliest)
    metadata = parse(commit.metadata)
    moved, progress, epoch = metadata.moved, metadata.progress, metadata.epoch
    offset = commit.offset + moved
    read_to = max(offset, progress.read_to if progress else 0)
    earliest += moved
    if earliest <= offset and read_to <= end + moved:
        return Begin(offset, None, read_to, epoch, moved)
    # Of an open block not all is there: what is counted of it stands, and is not read again.
    if read_to >= earliest:
        return Begin(read_to, None, read_to, epoch, moved)
    gap = Gap(read_to, earliest, progress.time_ms if progress else None)
    return Begin(earliest, gap, earliest, epoch, moved)
