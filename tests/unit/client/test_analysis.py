"""An analysis reaches opwatch as the schema wants it, whatever a host passes."""

import hashlib
import json
import math
import time
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from annotated_types import MaxLen
from hypothesis import example, given, settings
from hypothesis import strategies as st

import opwatch_client as opwatch
from opwatch_client import current, fitting, records
from schemas import analyses, labels
from schemas.analyses import Analysis, AnalysisInput, AnalysisResult, Evidence
from schemas.labels import Label
from tests.unit.client.analysis_samples import GOOD, NOW_MS, published
from tests.unit.client.fakes import FakeKafka, publisher
from tests.unit.client.test_bad_values import ANYTHING, Spiteful

FULL: dict[str, Any] = GOOD | {
    "input_hash": "h",
    "is_excerpt": True,
    "url": "https://jobs.example/1",
    "facts": {"company": "Acme"},
    "label": "likely_real",
    "score": 0.2,
    "confidence": 0.9,
    "field_confidence": {"title": 0.8},
    "fields": {"title": "Baker", "company": None},
    "evidence": [{"quote": "Baker wanted", "field": "title"}, "wanted"],
    "factors": [{"description": "a salary", "direction": "lowers", "weight": 0.5}],
    "notes": "n",
    "platform": "lever",
    "model": "llama",
    "model_version": "3",
    "service": "s",
    "occurred_at_ms": NOW_MS,
    "tokens": 10,
    "attempt": 2,
    "extraction_method": "webllm",
    "fallback": "salvage",
    "errors": ["timeout"],
    "degraded": ["gpu"],
    "cached": "a1",
    "remediates": "a2",
}


def test_every_field_of_the_schema_can_be_published(kafka: FakeKafka):
    opwatch.analysis(**FULL)

    [analysis] = published(kafka)
    sent = kafka.analyses[0]
    assert set(sent) == set(Analysis.model_fields)
    assert set(sent["input"]) == set(AnalysisInput.model_fields)
    assert set(sent["result"]) == set(AnalysisResult.model_fields)
    assert analysis.result.evidence == [
        Evidence(quote="Baker wanted", field="title"),
        Evidence(quote="wanted"),
    ]
    assert (analysis.occurred_at, analysis.attempt, analysis.cached) == (NOW_MS, 2, "a1")
    assert opwatch.stats().bad_values == 0


def test_the_id_is_returned_and_the_key_is_the_hash_of_the_text(kafka: FakeKafka):
    before_ms = int(time.time() * 1000)
    identity = opwatch.analysis(**GOOD | {"text": "caf\u00e9"})

    [analysis] = published(kafka)
    expected = hashlib.sha256("caf\u00e9".encode()).hexdigest()
    assert (analysis.id, analysis.input.hash) == (identity, expected)
    assert kafka.lanes["analyses"][0][0] == expected.encode()
    assert analysis.service == "unit"
    assert before_ms <= analysis.occurred_at <= time.time() * 1000
    assert opwatch.stats().analyses == opwatch.Outcomes(published=1)


def test_a_long_text_is_cut_to_an_excerpt_and_keeps_the_hash_of_the_whole(kafka: FakeKafka):
    text = "x" * 300_000
    opwatch.analysis(**GOOD | {"text": text})

    [analysis] = published(kafka)
    assert analysis.input.text == "x" * fitting.INPUT_LENGTH
    assert analysis.input.is_excerpt
    assert analysis.input.hash == hashlib.sha256(text.encode()).hexdigest()


def test_a_text_whose_record_would_be_too_large_is_cut_until_it_fits(kafka: FakeKafka):
    opwatch.analysis(**GOOD | {"text": "\x01" * 250_000})

    [analysis] = published(kafka)
    assert analysis.input.text
    assert analysis.input.is_excerpt
    assert len(json.dumps(kafka.analyses[0])) < records.LARGEST_BYTES


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("label", [Spiteful()]),
        ("score", [7, -0.1, math.nan, "0.8", True, Spiteful()]),
        ("confidence", [2, Spiteful()]),
        ("field_confidence", [{"title": 7}, [1], {"": 0.5}, Spiteful()]),
        ("facts", [7, {"a": Spiteful()}, {"a": math.nan}, {"a": 2**63}, {"a": b"x"}]),
        ("fields", [7, {"a": Spiteful()}, {"": 1}]),
        ("evidence", [7, [""], [{"field": "title"}], [Spiteful()]]),
        ("factors", [["x"], [{"description": "d", "direction": "up"}], [{"direction": "raises"}]]),
        ("errors", [[Spiteful()], 5]),
        ("degraded", [[""], 5]),
        ("notes", [Spiteful()]),
        ("tokens", [-1, 1.5, "9", True]),
        ("attempt", [-1, 2000, "2"]),
        ("occurred_at_ms", [-1, "2024-01-01"]),
    ],
)
def test_what_does_not_fit_is_left_out_and_counted(kafka: FakeKafka, field: str, values: list):
    for value in values:
        opwatch.analysis(**GOOD | {field: value})

    found = published(kafka)
    assert len(found) == len(values)
    plain = {
        "errors": [], "degraded": [], "evidence": [], "factors": [], "fields": {}, "attempt": 1,
    }  # fmt: skip
    for analysis in found:
        place = next(
            (
                it
                for it in (analysis, analysis.result, analysis.input)
                if field in type(it).model_fields
            ),
            None,
        )
        assert place is None or getattr(place, field) in (None, {}, plain.get(field))
    assert opwatch.stats().bad_values == len(values)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"duration_ms": -1}, "duration_ms"),
        ({"duration_ms": "1"}, "duration_ms"),
        ({"text": None}, "input"),
        ({"text": Spiteful()}, "text"),
    ],
)
def test_without_duration_or_input_there_is_nothing_to_score(
    kafka: FakeKafka, caplog: pytest.LogCaptureFixture, changed: dict, field: str
):
    identity = opwatch.analysis(**GOOD | changed)

    assert len(identity) == 32
    assert published(kafka) == []
    assert opwatch.stats().analyses == opwatch.Outcomes(dropped=1)
    assert field in caplog.text


def test_values_of_other_kinds_are_json(kafka: FakeKafka):
    opwatch.analysis(
        **GOOD
        | {
            "fields": {
                "posted_on": date(2026, 1, 2),
                "salary": Decimal("1.5"),
                "count": np.int64(3),
                "tags": ("a", {"b"}),
                7: True,
            },
            "evidence": "a quote alone",
            "tokens": np.int64(5),
        }
    )

    [analysis] = published(kafka)
    assert analysis.result.fields == {
        "posted_on": "2026-01-02", "salary": 1.5, "count": 3, "tags": ["a", ["b"]], "7": True,
    }  # fmt: skip
    assert analysis.result.evidence[0].quote == "a quote alone"
    assert opwatch.stats().bad_values == 0


def test_a_value_that_contains_itself_is_left_out(kafka: FakeKafka):
    endless: list[Any] = []
    endless.append(endless)
    opwatch.analysis(**GOOD | {"fields": {"a": endless, "b": [0] * 20_000, "c": 1}})

    [analysis] = published(kafka)
    assert analysis.result.fields == {"c": 1}


PARTS = st.one_of(
    ANYTHING,
    st.lists(ANYTHING, max_size=3),
    st.dictionaries(st.text(max_size=3) | st.integers(), ANYTHING, max_size=3),
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "quote": ANYTHING,
                "field": ANYTHING,
                "description": ANYTHING,
                "direction": st.sampled_from(["raises", "lowers"]) | ANYTHING,
                "weight": ANYTHING,
            },
        ),
        max_size=3,
    ),
)


# No deadline: each example starts a thread, and a busy machine says nothing about values.
@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FULL, PARTS)))
@example({"text": "\ud800", "input_hash": "\udcff", "notes": "\x00"})
def test_no_value_raises_or_makes_an_analysis_that_the_schema_refuses(values: dict):
    fake = FakeKafka()
    ours = publisher(fake)
    before, current._publisher = current._publisher, ours
    try:
        identity = opwatch.analysis(**GOOD | values)
        opwatch.label(identity, truth=values.get("fields"), about=values.get("label"))  # type: ignore[arg-type]
        assert ours.close(5)
    finally:
        current._publisher = before

    for key, analysis in fake.lanes["analyses"]:
        assert Analysis.model_validate_json(json.dumps(analysis)).input.hash.encode() == key
    for label in fake.labels:
        Label.model_validate_json(json.dumps(label))
    assert len(fake.analyses) + ours.stats().analyses.dropped == 1
    assert len(fake.labels) + ours.stats().labels.dropped == 1


def test_bounds_are_the_schemas():
    def bound(annotation: Any, kind: type, name: str) -> Any:
        return next(
            getattr(it, name)
            for field in annotation.__metadata__
            for it in [field, *getattr(field, "metadata", ())]
            if isinstance(it, kind)
        )

    assert bound(analyses.Identity, MaxLen, "max_length") == fitting.ID_LENGTH
    assert bound(analyses.Sentence, MaxLen, "max_length") == fitting.SENTENCE_LENGTH
    assert bound(analyses.FieldName, MaxLen, "max_length") == fitting.FIELD_NAME_LENGTH
    assert analyses.MAX_TEXT == fitting.INPUT_LENGTH
    assert (analyses.MAX_FIELDS, analyses.MAX_LIST) == (fitting.MOST_FIELDS, fitting.MOST_ITEMS)
    quote = Evidence.model_json_schema()["properties"]["quote"]
    assert quote["maxLength"] == fitting.QUOTE_LENGTH
    schema = Analysis.model_json_schema()["properties"]
    assert schema["attempt"]["maximum"] == fitting.MOST_ATTEMPTS
    assert schema["tokens"]["anyOf"][0]["maximum"] == fitting.MOST_TOKENS
    url = AnalysisInput.model_json_schema()["properties"]["url"]
    assert url["anyOf"][0]["maxLength"] == fitting.URL_LENGTH
    assert labels.VERDICT == "verdict"
