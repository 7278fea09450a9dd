"""Whatever a host says, nothing raises and opwatch's schema accepts what is published."""

import json
import logging
import math
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import opwatch_client as opwatch
from opwatch_client import wire
from schemas.operations import Operation
from tests.unit.client.fakes import FakeKafka, publisher

GOOD: dict[str, Any] = {"operation": "a", "success": True, "duration_ms": 1.0}


class Spiteful:
    def _no(self, *_: object) -> Any:
        raise RuntimeError("never")

    __str__ = __repr__ = __float__ = __index__ = __bool__ = __eq__ = __hash__ = _no


class Platform(Enum):
    LEVER = "lever"


class Named(StrEnum):
    LEVER = "lever"


def published(kafka: FakeKafka) -> list[Operation]:
    assert opwatch.flush(5)
    for operation in kafka.operations:
        Operation.model_validate_json(json.dumps(operation))
    return [Operation.model_validate(operation) for operation in kafka.operations]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("confidence", [7, -0.1, math.nan, math.inf, "0.8", True, 10**400, Spiteful(), [], 1j]),
        ("cache", ["HIT", "", 1, True, Spiteful(), ["hit"]]),
        ("cache_ttl_s", [-1, math.nan, 1e10, "60", Spiteful()]),
        ("cache_evictions", [-1, 1.5, True, 10**10, "1", Spiteful()]),
        ("occurred_at_ms", [-1, 1.5, 10**18, "2024-01-01", Spiteful()]),
        ("trace_id", [Spiteful()]),
        ("error_type", [Spiteful()]),
        ("error_message", [Spiteful()]),
    ],
)
def test_value_that_does_not_fit_is_left_out_counted_and_said_once(
    kafka: FakeKafka, caplog: pytest.LogCaptureFixture, field: str, values: list[object]
):
    for value in values:
        opwatch.record(**GOOD | {field: value})

    operations = published(kafka)

    assert len(operations) == len(values)
    assert field == "occurred_at_ms" or all(getattr(o, field) is None for o in operations)
    assert opwatch.stats().bad_values == len(values)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert field.removesuffix("_ms") in said[0]


@pytest.mark.parametrize("duration", [-1, math.nan, math.inf, 1e11, "1", None, True, Spiteful()])
def test_without_a_duration_there_is_no_operation(kafka: FakeKafka, duration: object):
    opwatch.record(**GOOD | {"duration_ms": duration})

    assert published(kafka) == []
    assert opwatch.stats().dropped == 1


def test_success_that_is_neither_is_no_operation(kafka: FakeKafka):
    opwatch.record(**GOOD | {"success": Spiteful()})

    assert published(kafka) == []
    assert opwatch.stats().dropped == 1


def test_numbers_of_other_kinds_are_numbers(kafka: FakeKafka):
    opwatch.record(
        operation="a",
        success=np.bool_(True),
        duration_ms=np.float32(2),
        confidence=Decimal("0.5"),
        cache_evictions=np.int64(2),
        occurred_at_ms=np.int64(1_790_000_000_005),
    )

    (operation,) = published(kafka)

    assert (operation.duration_ms, operation.confidence) == (2.0, 0.5)
    assert (operation.cache_evictions, operation.occurred_at) == (2, 1_790_000_000_005)


@pytest.mark.parametrize(
    ("given_name", "sent"),
    [
        ("lever", "lever"),
        ("a\nb\x7f", "a?b?"),
        ("x" * 200, "x" * 128),
        ("{a}", "{a}"),
        ("*a", "*a"),
        ("\ud800", "?"),
        (Named.LEVER, "lever"),
        (Platform.LEVER, "Platform.LEVER"),
        (7, "7"),
        ("", "generic"),
        ("*", "generic"),
        (None, "generic"),
        (Spiteful(), "generic"),
    ],
)
def test_names_are_made_to_fit(kafka: FakeKafka, given_name: Any, sent: str):
    with opwatch.operation("a", platform=given_name):
        pass

    (operation,) = published(kafka)

    assert operation.platform == sent


def test_operation_without_a_name_is_unnamed(kafka: FakeKafka):
    with opwatch.operation(""):
        pass

    assert published(kafka)[0].operation == "unnamed"


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=600),
    st.binary(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.builds(Spiteful),
)
FIELDS = [
    "operation", "success", "duration_ms", "platform", "occurred_at_ms", "confidence", "cache",
    "cache_ttl_s", "cache_evictions", "error_type", "error_message", "service", "trace_id",
]  # fmt: skip


# No deadline: each example starts a thread, and a busy machine says nothing about values.
@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, ANYTHING)))
@example({"error_message": "\udcff"})
@example({"platform": "\x00"})
def test_no_value_at_all_raises_or_makes_a_record_the_schema_refuses(given_values: dict):
    fake = FakeKafka()
    ours = publisher(fake)
    before, opwatch.current._publisher = opwatch.current._publisher, ours
    try:
        opwatch.record(**GOOD | given_values)
        assert ours.close(5)
    finally:
        opwatch.current._publisher = before

    for record in fake.records:
        Operation.model_validate_json(record)
    assert len(fake.operations) + ours.stats().dropped == 1


def test_bounds_are_the_schemas():
    schema = Operation.model_json_schema()["properties"]

    assert schema["duration_ms"]["maximum"] == wire.MAX_DURATION_MS
    assert schema["operation"]["maxLength"] == wire.NAME_LENGTH
    assert schema["occurred_at"]["anyOf"][0]["maximum"] == wire.MAX_EPOCH_MS
    assert schema["cache_ttl_s"]["anyOf"][0]["maximum"] == wire.MAX_TTL_S
    assert schema["cache_evictions"]["anyOf"][0]["maximum"] == wire.MAX_EVICTIONS


def test_every_field_of_the_schema_can_be_said(kafka: FakeKafka):
    opwatch.record(
        operation="a",
        success=False,
        duration_ms=1.5,
        platform="p",
        occurred_at_ms=1,
        confidence=1,
        cache="miss",
        cache_ttl_s=1,
        cache_evictions=0,
        error_type="E",
        error_message="m",
        service="s",
        trace_id="t",
    )

    assert opwatch.flush(5)
    assert set(kafka.operations[0]) == set(Operation.model_fields)


def test_logging_of_bad_values_never_shows_the_value(kafka: FakeKafka, caplog):
    caplog.set_level(logging.DEBUG)

    opwatch.record(**GOOD | {"cache": "my-secret"})

    assert "my-secret" not in caplog.text
