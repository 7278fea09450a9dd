"""A sample keeps what labels are compared with, and says whether it was right."""

from typing import Any

import pytest

from streams.quality.labels import SourceTruth
from tests.unit.streams.quality.calibrations import sample


def test_a_sample_keeps_simple_fields_and_says_which_it_drops():
    fields = {"title": "Baker", "salary": 42_000, "remote": None, "tags": ["a"], "long": "x" * 301}
    kept = sample(result={"fields": fields})
    assert kept.fields == {"title": "Baker", "salary": 42_000, "remote": None}
    assert kept.dropped == ["tags", "long"]
    assert (kept.confidence, kept.overall, kept.label) == (0.8, 0.6, "likely_real")
    many = sample(result={"fields": {f"f{n}": n for n in range(60)}})
    assert (len(many.fields), many.dropped) == (50, [f"f{n}" for n in range(50, 60)])


@pytest.mark.parametrize(
    ("truths", "right"),
    [
        ({}, None),
        ({"verdict": {}}, None),
        ({"tags": {"ada": SourceTruth(1, '["a"]', False)}}, None),
        ({"verdict": {"ada": SourceTruth(1, '"Likely Real"', False)}}, True),
        ({"verdict": {"ada": SourceTruth(1, '"ghost"', False)}}, False),
        ({"salary": {"ada": SourceTruth(1, "42000", False)}}, True),
        ({"salary": {"ada": SourceTruth(1, "50000", False)}}, False),
        ({"unknown": {"ada": SourceTruth(1, "null", False)}}, True),
        ({"unknown": {"ada": SourceTruth(1, '"x"', False)}}, False),
    ],
)
def test_an_analysis_is_right_if_all_that_can_be_compared_agrees(truths: Any, right: bool | None):
    of = sample(result={"fields": {"salary": 42_000, "tags": ["b"]}})
    assert of.is_right(truths) is right


def test_without_a_verdict_none_is_right():
    silent = sample(result={"label": None, "score": 0.5})
    assert silent.is_right({"verdict": {"ada": SourceTruth(1, '"ghost"', False)}}) is False
