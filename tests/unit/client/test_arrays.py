"""Operations travel in arrays of bounded length, and one alone as an object."""

import json

from opwatch_client import worker
from tests.unit.client.fakes import FakeKafka, publisher
from tests.unit.client.numbered_operations import numbers, one


def test_operation_alone_is_an_object_and_several_are_an_array():
    kafka = FakeKafka()
    ours = publisher(kafka)

    ours.append(one())
    assert ours.flush(5)
    for number in range(3):
        ours.append(one(number))
    assert ours.close(5)

    assert [type(json.loads(record)) for record in kafka.records] in ([dict, list], [dict] * 4)
    assert numbers(kafka) == [0, 0, 1, 2]


def test_arrays_hold_500_operations_in_order():
    kafka = FakeKafka()
    kafka.go_away()
    ours = publisher(kafka)
    for number in range(1600):
        ours.append(one(number))
    kafka.come_back()

    assert ours.close(5)

    lengths = [len(content) for r in kafka.records if isinstance(content := json.loads(r), list)]
    assert max(lengths) == 500
    assert numbers(kafka) == list(range(1600))


def test_arrays_hold_half_a_megabyte():
    kafka = FakeKafka()
    kafka.go_away()
    ours = publisher(kafka)
    for number in range(300):
        ours.append(one(number, "x" * 5000))
    kafka.come_back()

    assert ours.close(5)

    assert len(kafka.records) >= 3
    assert max(map(len, kafka.records)) < worker.ARRAY_BYTES + 10_000
    assert numbers(kafka) == list(range(300))


def test_array_a_topic_refuses_is_halved_until_it_fits():
    kafka = FakeKafka()
    kafka.go_away()
    kafka.largest = 2_000
    ours = publisher(kafka)
    for number in range(100):
        ours.append(one(number, "x" * 5000 if number == 50 else ""))
    kafka.come_back()

    assert ours.flush(5)

    assert numbers(kafka) == [*range(50), *range(51, 100)]
    stats = ours.stats()
    assert (stats.published, stats.dropped, stats.pending) == (99, 1, 0)
    ours.close(5)
