"""Put tables aside by new partitions: windows, services, and what rules know."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from aiokafka import TopicPartition

from agents.folding.expired_minutes import expired_minute
from agents.kafka.commit_metadata import Commit
from agents.kafka.producer import OutgoingRecord
from agents.kafka.reader import UnusableTopic
from agents.kafka.role_topics import changelog
from agents.reshard.logs import PartitionLogs
from agents.reshard.staging import Staging
from agents.runtime.settings import Settings
from schemas.topics import (
    AGGREGATES,
    ANALYSES,
    BEATS,
    OPERATIONS,
    PARTIALS,
    QUALITY_PARTIALS,
    Topic,
)
from streams.measure.digests import ENGINES
from streams.measure.moved_partitions import is_overflow, moved_states, target_of
from streams.measure.partials import BlockRows, read_partial
from streams.measure.series import partition_of, partition_of_id
from streams.measure.window_kind import OPERATIONS_WINDOWS, WindowKind
from streams.measure.window_state import (
    STATE_PREFIX,
    RemovedRecords,
    revision_of,
    unpack_window,
)
from streams.measure.window_times import SeriesWindow
from streams.measure.windows import Windows
from streams.quality.quality_aggregate import QUALITY_WINDOWS
from streams.rules.aggregate_reader import read_aggregate
from streams.rules.moved_rules import MovedRules, UnreadAggregate, in_order
from streams.rules.series_state import version_of
from streams.services.passed_beats import is_passed_beat
from streams.services.service_state import version_of as service_version_of
from streams.validation import NotFit

#: More than this is read by rules, in a minute, faster than it is moved.
_MOST_UNREAD = 200_000

Say = Callable[[str], None]
Commits = Mapping[TopicPartition, Commit]


class CannotReshard(UnusableTopic):
    """The number of partitions cannot be changed now; the sentence says what to do about it."""


class FoldedWindows(NamedTuple):
    """A role's windows."""

    role: str
    source: Topic
    partials: Topic
    kind: WindowKind


FOLDED = (
    FoldedWindows("measure", OPERATIONS, PARTIALS, OPERATIONS_WINDOWS),
    FoldedWindows("quality", ANALYSES, QUALITY_PARTIALS, QUALITY_WINDOWS),
)
_KINDS = {"operations": OPERATIONS_WINDOWS, "quality": QUALITY_WINDOWS}


class Mover:
    """Puts what the partitions of one number hold aside for those of another."""

    def __init__(
        self,
        settings: Settings,
        logs: PartitionLogs,
        staging: Staging,
        counts: tuple[int, int],
        say: Say,
    ) -> None:
        """Move from the first count of partitions to the second."""
        self._settings = settings
        self._logs = logs
        self._staging = staging
        self._before, self._after = counts
        self._say = say

    # ------------------------------------------------------------------ windows

    async def windows(self, folded: FoldedWindows, sources: int, commits: Commits) -> None:
        """Put a role's windows aside, with all that its partials say.

        Raises:
            CannotReshard: a series beyond the limit counts in overflow, which cannot be moved.
        """
        topic = changelog(self._settings, folded.role, "windows").name
        states: list[dict[bytes, bytes]] = []
        for partition in range(self._before):
            rows = await self._logs.rows(topic, partition, revision_of)
            await self._apply(folded, partition, sources, rows, commits)
            states.append({key: row for key, row in rows.items() if key.startswith(STATE_PREFIX)})
            for target, key, row in self._moved(folded.kind, partition, rows):
                await self._staging.put(topic, target, key, row)
            self._say(
                f"{folded.role}: windows of partition {partition + 1} of {self._before} are aside,"
                f" {len(rows):,} rows"
            )
        for target, own in enumerate(moved_states(states, self._after)):
            for key, row in own:
                await self._staging.put(topic, target, key, row)

    async def _apply(
        self,
        folded: FoldedWindows,
        partition: int,
        sources: int,
        rows: dict[bytes, bytes],
        commits: Commits,
    ) -> None:
        """Apply what no worker has taken from the partials."""
        settings = self._settings
        windows = Windows(
            partition,
            sources,
            rows,
            settings.time_limits,
            ENGINES[settings.digest_engine],
            -(-settings.series_limit // self._before),
            kind=folded.kind,
        )
        topic = settings.topic(folded.partials)
        commit = commits.get(TopicPartition(topic, partition))
        letters: list[OutgoingRecord] = []
        async for records in self._logs.read(topic, partition, commit and commit.offset):
            for record in records:
                letters += _take(settings, folded, windows, record.value or b"")
        for letter in letters:
            await self._logs.write(
                letter.topic, letter.partition, letter.key, letter.value, headers=letter.headers
            )
        windows.take_changes()  # into the rows

    def _moved(
        self, kind: WindowKind, partition: int, rows: Mapping[bytes, bytes]
    ) -> Iterator[tuple[int, bytes, bytes]]:
        for key, row in rows.items():
            if key.startswith(STATE_PREFIX):
                continue
            window = SeriesWindow.of_key(key)
            if (
                window.size == "5m"
                and is_overflow(kind, window.series, partition)
                and not unpack_window(row).sealed
            ):
                message = (
                    f"series beyond OPWATCH_SERIES_LIMIT count in {window.series}, which cannot be"
                    " moved while it can change: nothing was changed. Raise the limit, let the"
                    " workers run until what they count is OPWATCH_LATENESS_S further, then try"
                    " again."
                )
                raise CannotReshard(message)
            yield target_of(kind, window.series, partition, self._after), key, row

    # ------------------------------------------------------------------ services

    async def services(self, commits: Commits) -> None:
        """Put the services aside, and the heartbeats that they have not got."""
        topic = changelog(self._settings, "measure", "services").name
        for partition in range(self._before):
            rows = await self._logs.rows(topic, partition, service_version_of)
            for key, row in rows.items():
                await self._staging.put(topic, partition_of_id(key, self._after), key, row)
        name = self._settings.topic(BEATS)
        for partition in range(self._before):
            commit = commits.get(TopicPartition(name, partition))
            async for records in self._logs.read(name, partition, commit and commit.offset):
                for record in records:
                    if is_passed_beat(record.value or b""):
                        target = partition_of_id(record.key or b"", self._after)
                        await self._staging.put(name, target, record.key, record.value)
        self._say("services: all are aside")

    # ------------------------------------------------------------------ rules

    async def rules(self, begins: list[int], commits: Commits) -> None:
        """Put what rules know aside, and the aggregates that they have not read.

        Args:
            begins: where rules begin to read each new partition of `aggregates`.
            commits: of the measure role.

        Raises:
            CannotReshard: they have not read too much.
        """
        topic = changelog(self._settings, "measure", "rules").name
        own = []
        for partition in range(self._before):
            rows = await self._logs.rows(topic, partition, version_of)
            own.append({key: row for key, row in rows.items() if key.startswith(b"~")})
        moved = MovedRules(own, begins)
        for partition in range(self._before):
            rows = await self._logs.rows(topic, partition, version_of)
            for target, key, row in moved.series(rows, partition, self._target_of):
                await self._staging.put(topic, target, key, row)
            self._say(f"rules: partition {partition + 1} of {self._before} is aside")
        for target in range(self._after):
            for key, row in moved.of_partition(target):
                await self._staging.put(topic, target, key, row)
        await self._unread(commits)

    async def _unread(self, commits: Commits) -> None:
        topic = self._settings.topic(AGGREGATES)
        unread: list[tuple[int, UnreadAggregate]] = []
        for partition in range(self._before):
            commit = commits.get(TopicPartition(topic, partition))
            async for records in self._logs.read(topic, partition, commit and commit.offset):
                for record in records:
                    aggregate = read_aggregate(record.value or b"", record.timestamp)
                    if aggregate is not None:
                        place = record.key or b"", record.value, record.timestamp
                        unread.append((partition, UnreadAggregate(*place, aggregate)))
            if len(unread) > _MOST_UNREAD:
                message = (
                    f"rules have not read more than {_MOST_UNREAD:,} aggregates: nothing was"
                    " changed. Start the workers, let them catch up, then try again."
                )
                raise CannotReshard(message)
        partitions = {record.series: partition for partition, record in unread}
        for record in in_order(record for _, record in unread):
            target = self._target_of(*record.series, partitions[record.series])
            await self._staging.put(topic, target, record.key, record.value, record.timestamp_ms)
        self._say(f"rules: {len(unread):,} aggregates that they have not read are aside")

    def _target_of(self, kind: str, series: str, partition: int) -> int:
        if kind not in _KINDS:
            return partition_of(series, self._after)
        return target_of(_KINDS[kind], series, partition, self._after)


def _take(
    settings: Settings, folded: FoldedWindows, windows: Windows, value: bytes
) -> Iterator[OutgoingRecord]:
    """Apply a record of the partials; yield the dead letters of what comes too late."""
    try:
        partial = read_partial(value, folded.kind.is_series)
    except NotFit:
        return  # no worker takes it either
    if isinstance(partial, RemovedRecords):
        windows.missing(partial)
    elif isinstance(partial, BlockRows):
        late = windows.apply(partial.source, partial.block, partial.rows, 0, partial.next_offset)
        for row in late:
            if row.series == folded.kind.all_events:
                yield expired_minute(settings, folded.source, folded.kind, partial, row)
