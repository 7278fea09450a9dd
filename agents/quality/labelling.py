"""Read `labels`: each goes to the analyses that it is about, and to its input."""

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from faust.types import TP

from agents.kafka.dead_letters import DeadLetterBuffer
from agents.kafka.fetch_unpacking import Chunk, Gap
from agents.kafka.producer import OutgoingRecord, Producer
from agents.quality.input_tables import InputTables
from agents.quality.score_publisher import ScorePublisher
from agents.runtime import failpoints, metrics
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from schemas.labels import Label
from schemas.topics import CALIBRATION, DEAD_LETTERS, LABELS
from streams.measure.series import partition_of_id
from streams.quality.label_records import encode, label_of
from streams.quality.labels import read_label, truth_of
from streams.record_limits import RefusedRecord

#: Labels that are passed on together.
_TOGETHER = 500


class Labelling:
    """The partitions of `labels` that are this worker's."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        consumer: Any,
        inputs: InputTables,
        publisher: ScorePublisher,
    ) -> None:
        """Begin without partitions; `consumer` returns the ChunkConsumer."""
        self._settings = settings
        self._producer = producer
        self._consumer = consumer
        self._inputs = inputs
        self._publisher = publisher
        self._topic = settings.topic(LABELS)
        self._limits = settings.time_limits
        self._ours: set[TP] = set()

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once."""
        self._ours.difference_update(tps)

    async def skip(self, tp: TP, gap: Gap) -> None:
        """Go on behind labels that Kafka removed."""

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Pass a chunk of `labels` on, and commit it."""
        self._ours.add(tp)
        pace = Pace()
        letters = DeadLetterBuffer(self._settings.topic(DEAD_LETTERS), self._topic, tp.partition)
        outgoing: list[OutgoingRecord] = []
        for outcome in self._steps(tp, chunk.records):
            if isinstance(outcome, RefusedRecord):
                letters.add(outcome)
            else:
                outgoing += outcome
                metrics.labels_read.inc()
            if len(outgoing) >= _TOGETHER or letters.are_many:
                await letters.publish(self._producer)
                await self._publisher.follow(tp.partition, outgoing)
                outgoing, letters = [], letters.take()
            await pace.rest()
            if tp not in self._ours:
                return  # lost meanwhile
        await letters.publish(self._producer)
        # Nobody waits: analyses are read beside. What is written later is committed later.
        written = self._publisher.follow(tp.partition, outgoing)
        written.add_done_callback(lambda _: self._commit(tp, chunk.end))

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Read records and nothing else; yield after each."""
        for _ in self._steps(tp, records):
            yield

    def _commit(self, tp: TP, end: int) -> None:
        failpoints.reached("labels_after_publish")
        if tp in self._ours:
            self._consumer().done(tp, end)

    def _steps(
        self, tp: TP, records: Sequence[Any]
    ) -> Iterator[list[OutgoingRecord] | RefusedRecord]:
        for record in records:
            found = read_label(record, self._limits)
            yield found if isinstance(found, RefusedRecord) else self._passed_on(tp, found)

    def _passed_on(self, tp: TP, label: Label) -> list[OutgoingRecord]:
        if label.analysis is not None:
            return [self._outgoing(label.analysis, label)]
        assert label.input_hash is not None
        state = self._inputs.of(tp.partition).change(label.input_hash, int(time.time() * 1000))
        state.note_label(label.about, label.source, truth_of(label))
        return [self._outgoing(analysis, label) for analysis in state.ids]

    def _outgoing(self, analysis: str, label: Label) -> OutgoingRecord:
        key = analysis.encode()
        partition = partition_of_id(key, self._settings.partitions)
        topic = self._settings.topic(CALIBRATION)
        return OutgoingRecord(topic, partition, key, encode(label_of(analysis, label)))
