"""A window of calibration adds up the latest sums of each partition."""

import json

import pytest

from schemas.spans import DAY_MS
from streams.quality.label_joins import KEPT_MS, Calibrations, series_of
from tests.unit.streams.analysis_samples import NOW_MS
from tests.unit.streams.quality.calibrations import DAY, partition, sums

SERIES = ("detector", "analyze_job", "small")


def published(calibrations: Calibrations, now_ms: int = NOW_MS) -> list[tuple[int, int, int]]:
    """Return revision, analyses and right ones of the windows that changed."""
    windows = [json.loads(each.value) for each in calibrations.collect(now_ms)]
    return [(window["revision"], window["count"], window["right"]) for window in windows]


def test_a_window_adds_up_the_latest_sums_of_each_partition():
    reader = partition()
    reader.sums(sums(1, 5))
    assert published(reader) == [(5, 1, 1)]
    reader.sums(sums(2, 7, right=False))
    assert published(reader) == [(12, 2, 1)]
    reader.sums(sums(1, 4, right=False))  # older
    assert published(reader) == [(12, 2, 1)]
    reader.sums(sums(1, 6, right=False))
    assert published(reader) == [(13, 2, 0)]
    reader.take_changes()
    assert published(reader) == []


def test_a_window_says_what_it_is_of():
    reader = partition()
    reader.sums(sums(1, 5))
    (revision,) = reader.collect(NOW_MS)
    name = 'calibration{service="detector",operation="analyze_job",model="small"}'
    assert revision.series == series_of(*SERIES) == name
    assert revision.key == f"{name}/24h/{DAY}".encode()
    window = json.loads(revision.value)
    assert window["series"] == dict(zip(("service", "operation", "model"), SERIES, strict=True))
    assert window["window"] == {"size": "24h", "start_ms": DAY, "end_ms": DAY + DAY_MS}
    assert (window["kind"], window["final"], window["accuracy"]) == ("calibration", False, 1.0)
    assert window["overall"]["brier_score"] == pytest.approx(0.16)
    assert window["confidence"]["expected_calibration_error"] == pytest.approx(0.2)


def test_names_that_are_json_cannot_make_two_series_one():
    assert series_of('a",operation="b', "c", "d") != series_of("a", 'b",operation="c', "d")


def test_a_window_is_published_again_after_a_crash_and_forgotten_once_no_label_can_come():
    packed: dict[bytes, bytes] = {}
    reader = partition(packed)
    reader.sums(sums(1, 5))
    reader.take_changes()
    (key,) = packed
    again = partition(packed)
    assert published(again) == [(5, 1, 1)]
    last_ms = DAY + DAY_MS + KEPT_MS
    assert published(again, last_ms) == [(5, 1, 1)]
    assert published(again, last_ms + 1) == []
    assert again.take_changes() == [(key, None)]
    assert packed == {}
