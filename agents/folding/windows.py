"""Run the windows of this worker's target partitions, in beats.

Once a second: publish what is due and wait for the broker; in between only minutes that change
after a pause. Every half minute: write the rows that changed to the table's changelog, wait for the
broker, commit the input. In between the partials are the log: after a kill they are read again, and
the same revisions are published again under the same keys.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import structlog
from faust.types import TP

from agents.folding.expired_minutes import expired_minute
from agents.folding.folded_topic import FoldedTopic
from agents.folding.window_reports import BY_PARTITION, measure
from agents.kafka.fetch_unpacking import Chunk
from agents.kafka.producer import OutgoingRecord, Producer
from agents.kafka.table import TableRows
from agents.runtime import failpoints, metrics
from agents.runtime.settings import Settings
from schemas.topics import AGGREGATES
from streams.measure.digests import ENGINES
from streams.measure.partials import read_partial
from streams.measure.schedule import PAST_INTERVAL_MS
from streams.measure.watermarks import Reached
from streams.measure.window_state import RemovedRecords
from streams.measure.windows import WindowRevision, Windows
from streams.validation import NotFit

log = structlog.get_logger()

BEAT_S = 1.0
#: Between beats minutes that change after a pause are published: a breach waits for them.
QUICK_S = 0.2
#: Rows are written this often, each as a whole. After a crash all partials since are read again, …
WRITE_S = 30.0
#: … so a partition with many changed rows is written sooner, for a restart to be quick.
_MANY_ROWS, _WRITE_MANY_S = 2_000, 10.0
#: Beats may be this much less than that apart.
_JITTER_MS = 50
#: Past this much of a beat only finals are published; the rest waits for the next one, unless
#: reading waits for it.
_BUDGET_S = 0.4
#: Publications sent together; the loop is let go in between.
_TOGETHER = 100
#: Partitions that wait for the broker together: their records go in the same requests.
_PARTITIONS_TOGETHER = 16
#: Records applied before the loop is let go.
_APPLIED_TOGETHER = 20
_LARGE_BYTES = 64 * 1024
#: Changed minutes per series, on average, that may wait to be published before reading waits: a
#: replay is read faster than its windows are published, and what waits takes memory.
_WAITING_A_SERIES = 2
_ROOM_AGAIN_S = 0.02


class WindowsBeat:
    """The target partitions of this worker."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        consumer: Any,
        rows: TableRows,
        folded: FoldedTopic,
    ) -> None:
        """Begin without partitions.

        Args:
            settings: the worker's.
            producer: publishes.
            consumer: returns the ChunkConsumer.
            rows: of the table of windows.
            folded: whose partials these are.
        """
        self._settings = settings
        self._producer = producer
        self._consumer = consumer
        self._rows = rows
        self._folded = folded
        self._source = settings.topic(folded.source)
        self._kind = folded.windows
        self._limits = settings.time_limits
        self._most_due = _WAITING_A_SERIES * settings.series_limit
        self._beaten_ms = 0
        self._beat_at = 0.0
        self._windows: dict[TP, Windows] = {}
        self._read_to: dict[TP, int] = {}
        self._expired: dict[TP, list[OutgoingRecord]] = {}
        self._written: dict[TP, float] = {}
        self._due: dict[TP, int] = {}
        self._all_due = 0
        self._most_sources = 0
        self._losses = 0

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once."""
        self._losses += 1
        for tp in tps:
            if self._windows.pop(tp, None) is not None:
                metrics.forget(BY_PARTITION, tp.partition)
            self._read_to.pop(tp, None)
            self._expired.pop(tp, None)
            self._written.pop(tp, None)
            self._weigh(tp, None)

    def _of(self, tp: TP) -> Windows:
        windows = self._windows.get(tp)
        if windows is None:
            settings = self._settings
            windows = self._windows[tp] = Windows(
                tp.partition,
                self._sources(),
                self._rows.of(tp.partition),
                self._limits,
                ENGINES[settings.digest_engine],
                -(-settings.series_limit // settings.partitions),
                int(time.time() * 1000),
                self._kind,
            )
        return windows

    def _sources(self) -> int:
        """Return how many partitions the source topic has, which only grow; 0 while unknown."""
        self._most_sources = max(self._most_sources, self._consumer().count_of(self._source))
        return self._most_sources

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Apply a chunk of partials."""
        losses = self._losses
        while not self._sources():  # noqa: ASYNC110 - Kafka's next answer has it
            await asyncio.sleep(_ROOM_AGAIN_S)
        if losses != self._losses:
            return
        windows = self._of(tp)
        now_ms = self._beaten_ms  # so that a minute's interval ends with the next beat
        for i, record in enumerate(chunk.records):
            self._take(tp, windows, record, now_ms)
            if i % _APPLIED_TOGETHER == 0 or len(record.value or b"") > _LARGE_BYTES:
                await self._room()
                if self._windows.get(tp) is not windows:
                    return  # lost meanwhile
        if self._windows.get(tp) is windows:
            self._read_to[tp] = chunk.end

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Apply records and nothing else; yield after each."""
        for record in records:
            self._take(tp, self._windows[tp], record, self._beaten_ms)
            yield

    def _take(self, tp: TP, windows: Windows, record: Any, now_ms: int) -> None:
        try:
            partial = read_partial(record.value or b"", self._kind.is_series)
        except NotFit as unfit:
            partition, offset = tp.partition, record.offset
            log.warning("not a partial", partition=partition, offset=offset, error=str(unfit))
            return
        if isinstance(partial, Reached):
            windows.progress(partial.until(int(time.time() * 1000) + self._limits.future_ms))
            return
        if isinstance(partial, RemovedRecords):
            windows.missing(partial)
            return
        late = windows.apply(
            partial.source, partial.block, partial.rows, now_ms, partial.next_offset
        )
        if late:
            expired = self._expired.setdefault(tp, [])
            everything = self._kind.all_events
            expired += [
                expired_minute(self._settings, self._folded.source, self._kind, partial, row)
                for row in late
                if row.series == everything
            ]
        self._weigh(tp, windows)

    async def _room(self) -> None:
        """Let the loop go on, and wait while too much is to be published."""
        await asyncio.sleep(0)
        while self._too_much:  # noqa: ASYNC110 - beats bring it down in many small steps
            await asyncio.sleep(_ROOM_AGAIN_S)

    @property
    def _too_much(self) -> bool:
        return self._all_due > self._most_due

    def _weigh(self, tp: TP, windows: Windows | None) -> None:
        """Note how many minutes of a partition are to be published; None: it is lost."""
        due = 0 if windows is None else windows.minutes_due
        self._all_due += due - self._due.pop(tp, 0)
        if windows is not None:
            self._due[tp] = due

    async def beat(self) -> None:
        """Publish; if a beat is due, also write and commit. Call it each QUICK_S."""
        began = time.monotonic()
        if began < self._beat_at:
            if self._all_due:  # else nothing changed since the last time
                await self._together(self._publish_urgent, began)
            return
        self._beaten_ms = int(time.time() * 1000) - _JITTER_MS
        with metrics.beat_seconds.time():
            await self._together(self._beat, began)
        rows = {tp.partition: len(self._rows.of(tp.partition)) for tp in self._windows}
        by_partition = {tp.partition: windows for tp, windows in self._windows.items()}
        measure(by_partition, rows, self._settings.series_limit)
        # On a busy machine beats take long: then reading gets as much of the time as they do.
        ended = time.monotonic()
        rested = ended if self._too_much else ended + (ended - began)
        self._beat_at = max(began + BEAT_S - _JITTER_MS / 1000, rested)

    async def _together(self, do: Callable[[TP, Windows, float], Any], began: float) -> None:
        partitions = list(self._windows.items())
        for at in range(0, len(partitions), _PARTITIONS_TOGETHER):
            together = partitions[at : at + _PARTITIONS_TOGETHER]
            await asyncio.gather(*(do(tp, windows, began) for tp, windows in together))

    async def _publish_urgent(self, tp: TP, windows: Windows, began: float) -> None:
        if windows.minutes_due:
            await self._publish(tp, windows, began + QUICK_S, urgent_only=True)

    async def _beat(self, tp: TP, windows: Windows, began: float) -> None:
        if self._windows.get(tp) is not windows:
            return  # lost while others were published
        windows.watermarks.expect(self._sources())
        windows.advance(int(time.time() * 1000))
        await self._publish(tp, windows, began + _BUDGET_S)
        if self._windows.get(tp) is windows:
            self._weigh(tp, windows)
            if dead_letters := self._expired.pop(tp, []):
                await self._producer.publish(dead_letters)
                metrics.dead_letters.labels("window_expired").inc(len(dead_letters))
            if tp in self._read_to and began >= self._write_at(tp, windows):
                # After the first time neighbours are written at different beats.
                early_s = 0.0 if tp in self._written else tp.partition % WRITE_S
                self._written[tp] = began - early_s
                await self._write(tp, windows)

    def _write_at(self, tp: TP, windows: Windows) -> float:
        """Return when a partition is to be written.

        The first time at once, so that crashes in a row do not look like a record that ends
        workers.
        """
        written = self._written.get(tp)
        if written is None:
            return 0.0
        return written + (_WRITE_MANY_S if windows.rows_changed > _MANY_ROWS else WRITE_S)

    async def _publish(
        self, tp: TP, windows: Windows, until: float, *, urgent_only: bool = False
    ) -> None:
        topic = self._settings.topic(AGGREGATES)
        revisions: list[WindowRevision] = []

        async def send() -> None:
            if self._windows.get(tp) is not windows:
                revisions.clear()  # another worker's now
                return
            await self._producer.publish(
                OutgoingRecord(topic, tp.partition, revision.key, revision.value)
                for revision in revisions
            )
            failpoints.reached("windows_after_publish")
            for revision in revisions:
                windows.confirm(revision)
            self._weigh(tp, windows)
            finals = sum(revision.published % 2 for revision in revisions)
            metrics.aggregates.labels(True).inc(finals)
            metrics.aggregates.labels(False).inc(len(revisions) - finals)
            revisions.clear()

        if self._windows.get(tp) is not windows:
            return  # lost while others were published
        now_ms = int(time.time() * 1000)
        finals_only = time.monotonic() > until and not self._too_much
        if self._too_much:  # also what is to wait for its interval
            now_ms += PAST_INTERVAL_MS
        for revision in windows.collect(now_ms, finals_only=finals_only, urgent_only=urgent_only):
            revisions.append(revision)
            if len(revisions) >= _TOGETHER:
                await send()
        if revisions:
            await send()
        windows.retire()

    async def _write(self, tp: TP, windows: Windows) -> None:
        """Write what changed, then commit the input that is in it."""
        read_to = self._read_to[tp]
        await self._rows.write(tp.partition, windows.take_changes())
        failpoints.reached("windows_after_rows")
        if self._windows.get(tp) is windows:
            self._consumer().done(tp, read_to)
            failpoints.reached("windows_before_commit")
