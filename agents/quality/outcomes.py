"""Make the records that follow from a score: the score, the scored analysis, a remediation."""

import time

from agents.kafka.producer import OutgoingRecord
from agents.quality.analysis_partition import PendingAnalysis
from agents.runtime import metrics
from agents.runtime.settings import Settings
from schemas.quality_config import QualityConfig
from schemas.quality_scores import QualityScore
from schemas.topics import CALIBRATION, QUALITY_SCORES, REMEDIATIONS, SCORED_ANALYSES, Topic
from streams.measure.series import partition_of_id
from streams.quality.inputs import Inputs
from streams.quality.label_records import encode, sample_of
from streams.quality.publication import scored_value
from streams.quality.remedies import concerns, remedy


class Outcomes:
    """What follows from a score."""

    def __init__(self, settings: Settings, config: QualityConfig) -> None:
        """Publish to the settings' topics; `config` limits remediations."""
        self._settings = settings
        self._config = config

    def scored(self, entry: PendingAnalysis, quality: QualityScore) -> list[OutgoingRecord]:
        """Return what to publish at once: the score, and the analysis unless it is out."""
        value = quality.model_dump_json().encode()
        records = [self._record(QUALITY_SCORES, entry, value)]
        if not entry.is_out:
            entry.is_out = True
            records.append(self._scored(entry, value))
        return records

    def following(
        self, inputs: Inputs, entry: PendingAnalysis, quality: QualityScore
    ) -> list[OutgoingRecord]:
        """Return what else follows; an attempt to remedy is noted in the input's row.

        It is asked for in the log's order: which analyses are to be repeated depends on those
        before. So one that is read again asks for the same.
        """
        sample = self._sample(inputs, entry, quality)
        return [sample, *self._remediation(inputs, entry, quality)]

    def unscored(self, entry: PendingAnalysis) -> OutgoingRecord:
        """Return an analysis without its score, which follows."""
        entry.is_out = True
        return self._scored(entry, None)

    def _scored(self, entry: PendingAnalysis, quality: bytes | None) -> OutgoingRecord:
        value = scored_value(entry.to_assess.value, entry.analysis, quality)
        return self._record(SCORED_ANALYSES, entry, value)

    def _record(self, topic: Topic, entry: PendingAnalysis, value: bytes) -> OutgoingRecord:
        key = entry.analysis.id.encode()
        partition = partition_of_id(key, self._settings.partitions)
        return OutgoingRecord(self._settings.topic(topic), partition, key, value)

    def _sample(
        self, inputs: Inputs, entry: PendingAnalysis, quality: QualityScore
    ) -> OutgoingRecord:
        analysis = entry.analysis
        state = inputs.peek(analysis.input.hash)
        source, _ = entry.to_assess.source
        # A score that knows the truth is no estimate of it.
        estimate = None if entry.to_assess.labels else quality.overall
        sample = sample_of(analysis, estimate, source, {} if state is None else state.truths)
        return self._record(CALIBRATION, entry, encode(sample))

    def _remediation(
        self, inputs: Inputs, entry: PendingAnalysis, quality: QualityScore
    ) -> list[OutgoingRecord]:
        analysis = entry.analysis
        if not concerns(analysis, quality, self._config):
            return []
        state = inputs.change(analysis.input.hash, int(time.time() * 1000))
        history = state.history(analysis)
        found = remedy(analysis, quality, history, entry.place, self._config)
        for outcome in found.outcomes:
            metrics.remediations.labels(outcome).inc()
        if found.request is None:
            return []
        value = found.request.model_dump_json().encode()
        topic = self._settings.topic(REMEDIATIONS)
        return [OutgoingRecord(topic, 0, analysis.service.encode(), value)]
