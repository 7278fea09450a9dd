"""The name of a series of scores is read back as what it was made of."""

import pytest

from streams.measure.series import is_series, series_name
from streams.measure.series_limit import Admission
from streams.quality.quality_aggregate import QUALITY_WINDOWS
from streams.quality.score_events import counted_faults, fault_of
from streams.quality.score_series import (
    is_score_series,
    parse_score_series,
    score_series_name,
)

NOON_MS = 43_200_000


@pytest.mark.parametrize("operation", ["*", "parse", "GET /jobs/{id}", 'x{model="y"}', "overall:x"])
@pytest.mark.parametrize(
    ("label", "value"), [(None, None), ("platform", "le}ver"), ("model", 'm"\\{2}')]
)
def test_a_name_is_read_back(operation, label, value):
    name = score_series_name("accuracy", series_name(operation, label, value))
    series = parse_score_series(name)
    assert (series.dimension, series.operation) == ("accuracy", operation)
    assert series.model_dump(include={"platform", "model"}) == {
        "platform": None,
        "model": None,
        **({label: value} if label else {}),
    }


def test_what_has_no_dimension_is_no_series_of_scores():
    assert not is_score_series("parse")
    assert not is_score_series("beauty:parse")
    assert not is_series('*{confidence="beauty"}')


def test_each_dimension_has_its_own_overflow_and_total():
    admission = Admission(3, 1, QUALITY_WINDOWS)
    admission.enter("overall:parse")
    assert admission.place("accuracy:*", NOON_MS) == "accuracy:*"
    for series, overflow in (
        ("accuracy:op", "accuracy:overflow-3"),
        ("overall:op", "overall:overflow-3"),
        ('overall:op{model="m"}', 'overall:overflow-3{model="overflow-3"}'),
        ('overall:*{platform="p"}', 'overall:*{platform="overflow-3"}'),
    ):
        assert admission.place(series, NOON_MS) == overflow
        assert admission.place(overflow, NOON_MS) == overflow


def test_a_fault_names_a_finding_and_an_action():
    assert fault_of("invented_quote > reanalyse") == ("invented_quote", "reanalyse")
    assert fault_of(" > reanalyse") == ("", "reanalyse")
    assert fault_of("TimeoutError") == ("TimeoutError", "")
    assert fault_of(None) == ("", "")
    counts = [("a > x", 2), ("a > y", 3), (" > x", 4), ("b > ", 5)]
    assert counted_faults(counts) == ({"a": 5, "b": 5}, {"x": 6, "y": 3})
