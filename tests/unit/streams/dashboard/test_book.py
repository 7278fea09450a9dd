"""The newest windows of each series are remembered: a bounded number, whoever publishes what."""

import json

import pytest

from streams.dashboard.book import BOUNDS
from streams.dashboard.points import sum_operations, sum_quality
from streams.dashboard.records import read_shown
from streams.dashboard.series_rows import read_exemplars
from tests.unit.streams.dashboard.samples import (
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    books,
    operations,
    quality,
    read,
    service,
)


def test_of_two_records_of_a_window_the_larger_revision_stands():
    made = books(
        operations(NOON_MS, count=20), operations(NOON_MS, count=10), operations(NOON_MS, count=30)
    )
    point = made.operations["*"].find("1m", NOON_MS)
    assert point is not None
    assert point.count == 30


def test_a_final_record_of_the_same_revision_replaces_a_provisional_one():
    made = books(operations(NOON_MS, final=False), operations(NOON_MS, final=True))
    assert made.operations["*"].find("1m", NOON_MS).final  # type: ignore[union-attr]


def test_windows_are_bounded_and_the_oldest_go_first():
    most = BOUNDS["1m"].windows
    made = books(*(operations(NOON_MS + step * MINUTE_MS) for step in range(most + 5)))
    book = made.operations["*"]
    assert len(book) == most
    assert book.find("1m", NOON_MS + 4 * MINUTE_MS) is None
    assert book.find("1m", NOON_MS + 5 * MINUTE_MS) is not None


@pytest.mark.parametrize("order", [1, -1])
def test_only_young_windows_have_a_digest_in_whatever_order_they_come(order: int):
    most = BOUNDS["1h"].digests
    starts = [NOON_MS + step * HOUR_MS for step in range(most + 10)][::order]
    book = books(*(operations(start_ms, "1h") for start_ms in starts)).operations["*"]
    digests = [bool(point.digest) for _, point in book.points("1h", 0, 1 << 60)]
    assert digests == [False] * 10 + [True] * most


def test_percentiles_of_several_windows_are_those_of_all_their_durations():
    made = books(
        operations(NOON_MS, durations=[1.0] * 90),
        operations(NOON_MS + MINUTE_MS, durations=[1000.0] * 10),
    )
    points = [point for _, point in made.operations["*"].points("1m", 0, 1 << 60)]
    found = sum_operations(points).percentiles
    assert found is not None
    assert (found.p50_ms, found.p99_ms) == (1.0, 1000.0)


def test_series_past_the_limit_are_left_out_and_counted():
    made = books(
        *(operations(NOON_MS, platform=f"p{number}") for number in range(15)), most_series=10
    )
    assert len(made.operations) == 10
    assert len(made.left_out) == 5


def test_a_series_without_windows_for_longer_than_a_week_is_forgotten():
    made = books(operations(NOON_MS))
    made.forget(NOON_MS + 7 * 24 * HOUR_MS)
    assert made.operations
    made.forget(NOON_MS + 9 * 24 * HOUR_MS)
    assert not made.operations


def test_a_window_that_begins_days_after_its_record_is_refused():
    made = books()
    made.take(read(operations(NOON_MS + 3 * 24 * HOUR_MS)), NOON_MS)
    assert made.refused == 1
    assert not made.operations


def test_how_a_service_stands_is_what_the_latest_moment_says():
    made = books(
        service(NOON_MS + MINUTE_MS, final=False, down_ms=1, revision=NOON_MS + MINUTE_MS + 30_000),
        service(NOON_MS),  # the final of the minute before comes later
    )
    record = made.services['service{name="crawler"}'].service
    assert record is not None
    assert record.status == "down"


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"nonsense",
        b'{"kind":"calibration"}',
        b"\xff\xfe",
        operations(NOON_MS, count=-1),
        operations(NOON_MS, count=10, failures=11),
        operations(NOON_MS, cache={"lookups": 1, "hits": 2}),
        operations(NOON_MS, window={"size": "2m", "start_ms": NOON_MS, "end_ms": NOON_MS}),
        operations(NOON_MS, window={"size": "1m", "start_ms": -5, "end_ms": NOON_MS}),
        operations(NOON_MS, exemplars=["x" * 300_000]),
        b"[" * 100_000,
    ],
)
def test_what_is_no_aggregate_is_nothing_to_be_shown(value: bytes | None):
    assert read_shown(value) is None


def test_a_digest_or_exemplars_that_cannot_be_read_take_nothing_else_along():
    made = books(operations(NOON_MS, digest={"centroids": "?"}, exemplars=[{"id": 5}]))
    point = made.operations["*"].find("1m", NOON_MS)
    assert point is not None
    assert point.count == 100
    assert read_exemplars(point.exemplars) == []


def test_quality_is_weighted_by_how_many_were_scored():
    made = books(
        quality(NOON_MS, count=10, mean=1.0), quality(NOON_MS + MINUTE_MS, count=30, mean=0.6)
    )
    points = [point for _, point in made.quality["overall:*"].points("1m", 0, 1 << 60)]
    found = sum_quality(points)
    assert found.mean == pytest.approx(0.7)
    assert found.findings == (("invented_quote", 2),)


def test_an_unknown_field_changes_nothing():
    fields = json.loads(operations(NOON_MS)) | {"new": {"deep": [1]}}
    assert read_shown(json.dumps(fields).encode()) is not None


@pytest.mark.parametrize(("digested", "has_percentiles"), [(4, True), (3, True), (2, False)])
def test_percentiles_of_a_part_are_not_those_of_the_whole(digested: int, has_percentiles: bool):
    values = [operations(NOON_MS + at * MINUTE_MS) for at in range(4)]
    points = [point for _, point in books(*values).operations["*"].points("1m", 0, 1 << 60)]
    some = [*points[:digested], *(point.without_digest() for point in points[digested:])]
    assert (sum_operations(some).percentiles is not None) == has_percentiles
