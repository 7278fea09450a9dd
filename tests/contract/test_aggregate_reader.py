"""Rules read aggregates with structs of their own; they hold to the published schema."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.aggregates import AggregateRecord
from schemas.breaches import Breach
from streams.rules.aggregate_reader import (
    OperationsRecord,
    ServiceRecord,
    labels_of,
    name_of,
    read_aggregate,
)
from tests.unit.streams.rules.worlds import World, operations, service, threshold


@pytest.mark.parametrize(
    "value",
    [
        operations(0, 10, 3, platform="lever", confidence=0.5, confidence_count=4),
        operations(0, 10, 3, cache={"lookups": 3, "average_ttl_s": 1.5}),
        service(0, "down", silent=True, message="no"),
    ],
)
def test_what_the_tests_make_is_as_published_and_is_read(value: bytes) -> None:
    published = AggregateRecord.model_validate_json(value).root.model_dump()
    told = read_aggregate(value)
    assert isinstance(told, OperationsRecord | ServiceRecord)
    for field in ("revision", "final"):
        assert getattr(told, field) == published[field]
    assert told.window.size == published["window"]["size"]


@given(st.binary(max_size=50))
def test_what_is_no_aggregate_is_no_concern(value: bytes) -> None:
    assert read_aggregate(value) is None


def test_names_and_labels() -> None:
    told = read_aggregate(operations(0, 1, operation="parse", platform='a"b'))
    assert told is not None
    assert name_of(told) == 'parse{platform="a\\"b"}'
    assert labels_of(told) == {"operation": "parse", "platform": 'a"b'}
    overall = read_aggregate(operations(0, 1))
    assert overall is not None
    assert labels_of(overall) == {}


def test_breaches_are_as_the_schema_says_strictly() -> None:
    world = World(threshold())
    (told,) = world.read(operations(0, 10, 9))
    assert Breach.model_validate_json(told.model_dump_json()) == told
