"""What is known of an input when its analysis comes: the same when it is read again."""

from typing import Any

import pytest

from schemas.quality_config import QualityConfig
from streams.quality.arrival import arrive
from streams.quality.assessor import Truth
from streams.quality.earlier import MAX_FIELDS, MAX_VALUE, earlier_of
from streams.quality.input_state import InputState
from streams.quality.labels import SourceTruth, truth_of
from streams.quality.publication import scored_value
from streams.quality.remedies import Place
from tests.unit.streams.analysis_samples import NOW_MS, analysis, analysis_fields, label

CONFIG = QualityConfig()


def come(state: InputState, offset: int, name: str, **changed: Any) -> Any:
    return arrive(state, analysis(id=name, **changed), Place(offset, NOW_MS), CONFIG)


def test_an_analysis_knows_the_earlier_ones_of_its_operation_and_no_later_ones():
    state = InputState()
    assert come(state, 0, "a").earlier == ()
    assert [found.id for found in come(state, 1, "b").earlier] == ["a"]
    assert come(state, 2, "other", operation="summarise").earlier == ()
    assert come(state, 3, "other", service="elsewhere").earlier == ()
    assert [found.id for found in come(state, 4, "c").earlier] == ["a", "b"]
    # Read again after a crash, each finds what it found.
    assert come(state, 0, "a").earlier == ()
    assert [found.id for found in come(state, 1, "b").earlier] == ["a"]


def test_no_more_than_the_configured_earlier_ones_are_compared():
    state = InputState()
    most = CONFIG.consistency.earlier
    for offset in range(most + 3):
        come(state, offset, f"a-{offset}")
    found = come(state, most + 3, "last").earlier
    assert [each.id for each in found] == [f"a-{offset}" for offset in range(3, most + 3)]


def test_a_cached_answer_is_no_evidence():
    state = InputState()
    come(state, 0, "a", cached="exact")
    assert come(state, 1, "b").earlier == ()


def test_an_analysis_knows_the_labels_that_came_before_it_and_no_later_ones():
    state = InputState()
    assert come(state, 0, "a").labels == {}
    state.note_label("verdict", "ada", truth_of(label(truth="ghost", verified=True)))
    state.note_label("title", "bob", truth_of(label(truth=["x", 1])))
    known = {"verdict": Truth("ghost", True), "title": Truth(["x", 1], False)}
    assert come(state, 1, "b").labels == known
    assert come(state, 0, "a").labels == {}
    state.note_label("verdict", "ada", SourceTruth(NOW_MS + 1, '"real"', True))
    assert come(state, 2, "c").labels == known | {"verdict": Truth("real", True)}


def test_what_is_kept_of_a_result_is_short():
    fields = {
        "title": " Baker ",
        "salary": 42_000,
        "remote": True,
        "nothing": "N/A",
        "absent": None,
        "tags": ["a"],
        "long": "x" * (MAX_VALUE + 1),
    }
    kept = earlier_of(analysis(result={"fields": fields}), 7)
    assert kept is not None
    assert (kept.offset, kept.id, kept.label, kept.score) == (7, "a-1", "likely_real", 0.9)
    assert kept.fields == {"title": "Baker", "salary": "42000", "remote": "True"}
    many = earlier_of(analysis(result={"fields": {f"f{n}": n for n in range(MAX_FIELDS + 5)}}), 0)
    assert many is not None
    assert len(many.fields) == MAX_FIELDS


@pytest.mark.parametrize(
    ("quality", "end"),
    [(None, b'"quality":null}'), (b'{"overall":1}', b'"quality":{"overall":1}}')],
)
def test_what_is_published_holds_the_analysis_as_it_came(quality: bytes | None, end: bytes):
    value = b'{"id": "a-1", "unknown":  [1.50]}'
    published = scored_value(value, analysis(), quality)
    assert published == b'{"version":1,"analysis":' + value + b"," + end


def test_numbers_that_readers_of_json_do_not_agree_on_are_published_by_the_schema():
    value = b'{"id": "a-1", "unknown": NaN}'
    published = scored_value(value, analysis(), None)
    assert b"NaN" not in published
    assert analysis_fields()["input"]["hash"].encode() in published
