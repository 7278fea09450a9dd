"""An analysis or a label that is refused has the reason."""

import json
from typing import Any

import msgspec
import pytest

from streams.measure.window_times import TimeLimits
from streams.quality.agreement import is_true
from streams.quality.analyses import read_analysis
from streams.quality.labels import counting, note_truth, read_label, truth_of
from streams.record_limits import MAX_RECORD_BYTES, RefusedRecord
from tests.unit.streams.analysis_samples import (
    NOW_MS,
    SampleRecord,
    analysis,
    analysis_record,
    label,
)

LIMITS = TimeLimits(3_600_000, 60_000)


def reason_of(found: Any) -> str:
    assert isinstance(found, RefusedRecord)
    return found.reason


def test_an_analysis_is_read():
    found = read_analysis(analysis_record(), LIMITS)
    assert msgspec.to_builtins(found) == analysis().model_dump()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (analysis_record()._replace(value=None), "null_value"),
        (analysis_record()._replace(value=b"{"), "invalid_json"),
        (analysis_record()._replace(value=b"\xff\xfe"), "invalid_json"),
        (analysis_record()._replace(value=b"[" * 300 + b"]" * 300), "invalid_json"),
        (analysis_record()._replace(value=b" " * (MAX_RECORD_BYTES + 1)), "too_large"),
        (analysis_record(duration_ms=-1), "invalid_analysis"),
        (analysis_record(result={"score": 1.5}), "invalid_analysis"),
        (analysis_record()._replace(key=None), "wrong_key"),
        (analysis_record()._replace(key=b"other"), "wrong_key"),
        (analysis_record(occurred_at=NOW_MS - 3_600_001), "too_old"),
        (analysis_record(occurred_at=NOW_MS + 60_001), "from_future"),
    ],
)
def test_a_refused_analysis_has_the_reason(record: SampleRecord, reason: str):
    assert reason_of(read_analysis(record, LIMITS)) == reason


def label_record(key: bytes | None = b"a-1", **changed: Any) -> SampleRecord:
    fields = {"analysis": "a-1", "truth": "real", "at": NOW_MS} | changed
    value = json.dumps({name: value for name, value in fields.items() if value is not ...})
    return SampleRecord(0, NOW_MS, key, value.encode())


def test_a_label_may_be_of_any_age():
    found = read_label(label_record(at=1), LIMITS)

    assert not isinstance(found, RefusedRecord)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (label_record()._replace(value=None), "null_value"),
        (label_record()._replace(value=b"nothing"), "invalid_json"),
        (label_record(input_hash="both"), "invalid_label"),
        (label_record(truth=...), "invalid_label"),
        (label_record(key=None), "wrong_key"),
        (label_record(key=b"other"), "wrong_key"),
        (label_record(at=NOW_MS + 60_001), "from_future"),
        (label_record(truth="x" * 70_000), "too_large"),
    ],
)
def test_a_refused_label_has_the_reason(record: SampleRecord, reason: str):
    assert reason_of(read_label(record, LIMITS)) == reason


def test_of_one_source_the_later_label_counts_in_whatever_order_they_come():
    early, late = label(truth="ghost", at=NOW_MS - 5), label(truth="real", at=NOW_MS)
    for order in ((early, late), (late, early), (late, early, late)):
        truths: dict = {}
        for found in order:
            note_truth(truths, found.about, found.source, truth_of(found))
        assert counting(truths)["verdict"].truth == '"real"'


def test_a_verified_label_counts_before_a_later_one_that_is_not():
    truths: dict = {}
    for found in (label(source="a", verified=True), label(source="b", truth="x", at=NOW_MS + 5)):
        note_truth(truths, found.about, found.source, truth_of(found))

    assert counting(truths)["verdict"].truth == '"likely_real"'


def test_a_label_that_says_nothing_new_changes_nothing():
    truths: dict = {}

    assert note_truth(truths, "verdict", "ada", truth_of(label()))
    assert not note_truth(truths, "verdict", "ada", truth_of(label()))


@pytest.mark.parametrize(
    ("found", "truth", "same"),
    [
        ("Lever  Bakery", "lever bakery", True),
        ("ACME, Inc.", "Acme Inc", True),
        ("Lever", "Bakery", False),
        (None, None, True),
        (None, "x", False),
        (1, 1.0, True),
        (["A", "b"], ["a", "B"], True),
        ({"a": "X"}, {"a": "x"}, True),
    ],
)
def test_what_is_found_is_compared_with_the_truth_as_accuracy_does(
    found: Any, truth: Any, same: bool
):
    assert is_true(found, truth) is same
