"""Count how often reading of a partition began at one offset and ended there with its process.

The count stands in the consumer group's commit, beside the offset, since a worker may have no
disk: reading begins by committing the same offset with a higher count. A commit that gets on
begins anew at nought; who gives a partition back alive takes the count back. So three starts mean
three deaths, whatever brought them. The offsets of records that are known to end a worker stand
there too, until the commit has passed them; and how far beyond the commit records are counted, so
that nothing is counted twice where Kafka removes what lies in between.
"""

import contextlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from agents.kafka.chunks import Gap

log = structlog.get_logger()

#: From so many starts at one offset on, what stood in the log by then is tried before it is read.
SUSPICIOUS = 3
#: Kafka's own bound is 4,096 (offset.metadata.max.bytes), and topics' ids stand there before it, in
#: a line of their own (agents/kafka/topic_watch.py). What has no room is found again.
_METADATA_BYTES = 2_500


class CommitProgress(NamedTuple):
    """How far the records of a partition are counted."""

    read_to: int
    """The first offset that is not: the commit may stand before it."""
    time_ms: int
    """The timestamp of the last one that is."""


class Begin(NamedTuple):
    """Where reading of a partition begins in an assignment."""

    offset: int
    gap: Gap | None = None
    """What Kafka removed of it before it was read."""


@dataclass(kw_only=True)
class Start:
    """Where reading of a partition began in this assignment."""

    offset: int
    end: int
    """The log's end then: a record beyond it has ended nobody yet."""
    count: int = 0
    """Starts at this offset, this one included."""
    poison: set[int] = field(default_factory=set)
    """Offsets of records that end a worker."""
    committed: int = 0
    progress: CommitProgress | None = None

    @property
    def got_on(self) -> bool:
        """Whether more was committed since."""
        return self.committed > self.offset

    def is_suspect(self, offset: int) -> bool:
        """Return whether the record at an offset may be what ended the starts before."""
        return self.count >= SUSPICIOUS and offset < self.end


class Starts:
    """The starts of one consumer; its commits pass through here."""

    def __init__(self) -> None:
        """Begin with none."""
        self._of: dict[TP, Start] = {}
        self._ended: dict[TP, Start] = {}
        """A last commit may follow an end: it must not say less."""
        self._commit: Any = None

    def of(self, tp: TP) -> Start:
        """Return a partition's start; one that nothing is known of is no suspect."""
        return self._of.get(tp) or Start(offset=0, end=0)

    def watch(self, consumer: Any) -> None:
        """Let the commits of an aiokafka consumer say how often reading began."""
        self._commit = consumer.commit
        consumer.commit = self._commit_all

    async def begin(self, consumer: Any, offsets: Mapping[TP, int]) -> None:
        """Note where reading of partitions begins. Call it in the consumer's thread."""
        partitions = [TopicPartition(*tp) for tp in offsets]
        ends = await consumer.end_offsets(partitions)
        committed = await consumer._coordinator.fetch_committed_offsets(partitions)  # noqa: SLF001 - committed() leaves the metadata out
        begun = []
        for tp, offset in offsets.items():
            end, known = ends[TopicPartition(*tp)], committed.get(TopicPartition(*tp))
            start = Start(offset=offset, end=end, committed=offset)
            if known is not None:
                count, start.poison, start.progress = _read(known.metadata)
                start.count = count if known.offset == offset else 0
            if end > offset:
                start.count += 1
                begun.append(tp)
            self._of[tp] = start
            if start.count >= SUSPICIOUS:
                log.warning(
                    "reading began here again and again: each record is tried before it is read",
                    topic=tp.topic,
                    partition=tp.partition,
                    offset=offset,
                    starts=start.count,
                )
        if begun:
            await self.say(*begun)

    async def isolate(self, tp: TP, offset: int) -> None:
        """Note a record that ends a worker. Call it in the consumer's thread."""
        if start := self._of.get(tp):
            start.poison.add(offset)
            await self.say(tp)

    def end(self, tps: Collection[TP]) -> dict[TP, Start]:
        """Forget partitions; return the starts that are to be taken back, see `take_back`."""
        ended = {tp: start for tp in tps if (start := self._of.pop(tp, None))}
        self._ended |= ended
        return {tp: start for tp, start in ended.items() if start.count and not start.got_on}

    async def take_back(self, ended: dict[TP, Start]) -> None:
        """Note that these starts ended alive. Call it in the consumer's thread."""
        committed = {}
        for tp, start in ended.items():
            start.count -= 1
            at = OffsetAndMetadata(start.committed, _written(start))
            committed[TopicPartition(*tp)] = at
        with contextlib.suppress(KafkaError, IllegalStateError):  # another owner counts on
            await self._commit(committed)

    async def say(self, *tps: TP) -> None:
        """Commit what is committed once more, with the counts of now."""
        with contextlib.suppress(KafkaError, IllegalStateError):  # another owner counts on
            await self._commit_all({TopicPartition(*tp): self._of[tp].committed for tp in tps})

    async def _commit_all(self, offsets: Any = None) -> None:
        committed = {}
        for tp, at in (offsets or {}).items():
            offset = at if isinstance(at, int) else at[0]
            start = self._of.get(TP(*tp)) or self._ended.get(TP(*tp))
            metadata = ""
            if start is not None:
                start.committed = offset  # before anything is awaited: no later call goes back
                metadata = _written(start)
            committed[tp] = OffsetAndMetadata(offset, metadata)
        await self._commit(committed)


def _written(start: Start) -> str:
    count = 0 if start.got_on else start.count
    poison = sorted(offset for offset in start.poison if offset >= start.committed)
    while True:
        said: dict[str, Any] = {"starts": count, "poison": poison}
        if start.progress is not None and start.progress.read_to > start.committed:
            said["counted"] = start.progress
        said = {name: value for name, value in said.items() if value}
        text = json.dumps(said)
        if len(text) <= _METADATA_BYTES:
            return f"\n{text}" if said else ""
        poison = poison[: len(poison) // 2]


def _read(metadata: str | None) -> tuple[int, set[int], CommitProgress | None]:
    """Return what _written wrote, on the last line; nothing where somebody else wrote another."""
    try:
        said = json.loads((metadata or "").partition("\n")[2] or "{}")
        count, poison = int(said.get("starts", 0)), set(map(int, said.get("poison", [])))
        progress = None
        if "counted" in said:
            progress = CommitProgress(*map(int, said["counted"]))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return 0, set(), None
    return max(0, min(count, SUSPICIOUS)), poison, progress


def begin_of(commit: OffsetAndMetadata | None, earliest: int) -> Begin:
    """Return where reading begins by a commit and where the log starts."""
    if commit is None or commit.offset < 0 or commit.offset >= earliest:
        return Begin(max(earliest, commit.offset if commit else 0))
    _, _, progress = _read(commit.metadata)
    counted_to = max(commit.offset, progress.read_to if progress else 0)
    if counted_to >= earliest:
        return Begin(counted_to)
    return Begin(earliest, Gap(counted_to, earliest, progress.time_ms if progress else None))
