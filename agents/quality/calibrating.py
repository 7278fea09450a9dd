"""Run this worker's partitions of `calibration`, in beats: join labels with scores, sum them up.

Once a second: publish what follows and wait for the broker, write the rows and wait, commit.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
import structlog
from faust.types import TP

from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.producer import OutgoingRecord
from agents.kafka.table import TableRows
from agents.quality.input_tables import InputTables
from agents.quality.score_publisher import ScorePublisher
from agents.runtime import failpoints, metrics
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from schemas.topics import AGGREGATES, CALIBRATION
from streams.measure.series import partition_of
from streams.quality.label_joins import Calibrations, series_of
from streams.quality.label_records import (
    AnalysisLabel,
    CalibrationSample,
    InputLabel,
    PartitionSums,
    decode,
    encode,
)

log = structlog.get_logger()

BEAT_S = 1.0


class _CalibrationPartition:
    """A partition: its rows, how far it was read, and what is to be published."""

    def __init__(self, calibrations: Calibrations, read_to: int) -> None:
        self.calibrations = calibrations
        self.read_to = read_to
        self.committed = read_to
        self.outgoing: list[OutgoingRecord] = []


class CalibrationBeat:
    """The partitions of `calibration` that are this worker's."""

    def __init__(
        self,
        settings: Settings,
        plane_partitions: int,
        consumer: Any,
        rows: TableRows,
        inputs: InputTables,
        publisher: ScorePublisher,
    ) -> None:
        """Begin without partitions.

        Args:
            settings: the worker's, with the number of partitions of `calibration`.
            plane_partitions: how many `aggregates` has.
            consumer: returns the ChunkConsumer.
            rows: of the table of labels.
            inputs: by input hash.
            publisher: publishes.
        """
        self._settings = settings
        self._plane_partitions = plane_partitions
        self._consumer = consumer
        self._rows = rows
        self._inputs = inputs
        self._publisher = publisher
        self._topic = settings.topic(CALIBRATION)
        self._limit = -(-settings.quality_inputs // settings.partitions)
        self._partitions: dict[TP, _CalibrationPartition] = {}

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once."""
        for tp in tps:
            self._partitions.pop(tp, None)

    async def skip(self, tp: TP, gap: Gap) -> None:
        """Go on behind records that Kafka removed."""
        self._begin_at(tp, gap.end).read_to = gap.end

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Apply a chunk of `calibration`."""
        partition, pace = self._begin_at(tp, chunk.start), Pace()
        for _ in self._steps(tp, partition, chunk.records):
            await pace.rest()
            if self._partitions.get(tp) is not partition:
                return  # lost meanwhile
        partition.read_to = chunk.end

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Apply records and nothing else; yield after each."""
        return self._steps(tp, self._partitions[tp], records)

    def _begin_at(self, tp: TP, start: int) -> _CalibrationPartition:
        partition = self._partitions.get(tp)
        if partition is None:
            number = tp.partition
            calibrations = Calibrations(number, self._rows.of(number), self._limit)
            partition = self._partitions[tp] = _CalibrationPartition(calibrations, start)
        return partition

    def _steps(
        self, tp: TP, partition: _CalibrationPartition, records: Sequence[Any]
    ) -> Iterator[None]:
        now_ms = int(time.time() * 1000)
        calibrations = partition.calibrations
        for record in records:
            try:
                found = decode(record.value or b"")
            except msgspec.MsgspecError as error:
                place = {"partition": tp.partition, "offset": record.offset}
                log.warning("not a record of calibration", **place, error=str(error))
                yield
                continue
            match found:
                case CalibrationSample():
                    for label in calibrations.sample(found, now_ms):
                        partition.outgoing.append(self._of_input(found.partition, label))
                case AnalysisLabel():
                    for source, label in calibrations.label(found, now_ms):
                        partition.outgoing.append(self._of_input(source, label))
                case InputLabel():
                    state = self._inputs.of(tp.partition).change(found.input_hash, now_ms)
                    state.note_label(found.about, found.source, found.truth)
                case PartitionSums():
                    calibrations.sums(found)
            yield

    def _of_input(self, partition: int, label: InputLabel) -> OutgoingRecord:
        partition %= self._settings.partitions
        return OutgoingRecord(self._topic, partition, label.input_hash.encode(), encode(label))

    async def beat(self) -> None:
        """Publish, write, commit."""
        beats = (self._beat(tp, partition) for tp, partition in self._partitions.items())
        await asyncio.gather(*list(beats))

    async def _beat(self, tp: TP, partition: _CalibrationPartition) -> None:
        read_to, calibrations = partition.read_to, partition.calibrations
        outgoing, partition.outgoing = partition.outgoing, []
        outgoing += map(self._sums, calibrations.take_sums(read_to))
        revisions = calibrations.collect(int(time.time() * 1000))
        topic, partitions = self._settings.topic(AGGREGATES), self._plane_partitions
        outgoing += [
            OutgoingRecord(
                topic, partition_of(revision.series, partitions), revision.key, revision.value
            )
            for revision in revisions
        ]
        changes = calibrations.take_changes()
        if not outgoing and not changes and read_to == partition.committed:
            return
        await self._publisher.follow(tp.partition, outgoing)
        failpoints.reached("calibration_after_publish")
        metrics.aggregates.labels(False).inc(len(revisions))
        if self._partitions.get(tp) is not partition:
            return  # lost meanwhile
        await self._rows.write(tp.partition, changes)
        failpoints.reached("calibration_after_rows")
        if self._partitions.get(tp) is partition:
            partition.committed = read_to
            self._consumer().done(tp, read_to)

    def _sums(self, sums: PartitionSums) -> OutgoingRecord:
        series = series_of(*sums.series)
        partition = partition_of(series, self._settings.partitions)
        return OutgoingRecord(self._topic, partition, series.encode(), encode(sums))
