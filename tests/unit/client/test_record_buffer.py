"""Analyses and labels wait in bounded buffers, and no topic waits for another."""

import opwatch_client as opwatch
from opwatch_client.records import Record, RecordBuffer
from tests.unit.client.analysis_samples import GOOD, published
from tests.unit.client.fakes import FakeKafka


def test_no_topic_waits_for_another_that_does_not_exist(kafka: FakeKafka):
    kafka.missing_lanes = {"analyses"}
    opwatch.analysis(**GOOD)
    opwatch.label("a1", truth=1)
    opwatch.record(operation="a", success=True, duration_ms=1)

    assert opwatch.flush(0.5) is False
    assert len(kafka.labels) == len(kafka.operations) == 1
    assert opwatch.stats().analyses.pending == 1
    kafka.missing_lanes = set()
    assert opwatch.flush(5)
    assert len(kafka.analyses) == 1


def test_what_kafka_never_takes_is_dropped_alone(kafka: FakeKafka):
    kafka.go_away()
    kafka.largest = 2_000
    for length in (10, 10, 5_000, 10):
        opwatch.analysis(**GOOD | {"text": "x" * length})
    kafka.come_back()

    assert len(published(kafka)) == 3
    assert opwatch.stats().analyses == opwatch.Outcomes(published=3, dropped=1)


def test_at_the_end_what_cannot_be_sent_is_dropped_and_counted(kafka: FakeKafka):
    kafka.missing_lanes = {"labels"}
    opwatch.label("a1", truth=1)

    assert opwatch.close(1) is False
    assert opwatch.stats().labels == opwatch.Outcomes(dropped=1)


def test_the_buffer_is_bounded_in_number_and_in_bytes():
    few, small = RecordBuffer(limit=3), RecordBuffer(limit_bytes=100)
    for number in range(5):
        few.append(Record(b"k", b"%d" % number))
        small.append(Record(b"k", b"x" * 40))

    assert few.take_together(10, 10**6) == [
        Record(b"k", b"2"),
        Record(b"k", b"3"),
        Record(b"k", b"4"),
    ]
    assert few.outcomes() == opwatch.Outcomes(pending=3, dropped=2)
    assert small.outcomes() == opwatch.Outcomes(pending=2, dropped=3)
