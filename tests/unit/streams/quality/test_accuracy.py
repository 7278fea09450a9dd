"""What stands in the input in other words is right; what does not stand there is found."""

from typing import Any

import pytest

from schemas.quality_config import QualityConfig
from streams.quality.accuracy import Accuracy
from streams.quality.assessor import Assessed, Context, Truth
from tests.unit.streams.quality.analyses import analysis

TEXT = """Senior Data Engineer — Kraft & Söhne GmbH
Location: Gdańsk   |   Salary: competitive   |   Start: 1 April 2026
We pay $95k-$120k. You report to the Chief Technology Officer. No agencies."""


def assess(result: dict[str, Any], **more: Any) -> Assessed:
    labels = more.pop("labels", {})
    answer = Accuracy().assess(analysis(result, **{"text": TEXT} | more), Context(labels=labels))
    assert answer is not None
    return answer


def codes(result: dict[str, Any], **more: Any) -> list[str]:
    return [finding.code for finding in assess(result, **more).findings]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", "SENIOR DATA ENGINEER"),
        ("title", "Sr. Data Engineer"),
        ("company", "Kraft and Soehne"),
        ("company", "Kraft &amp; Söhne"),
        ("location", "Gdansk, PL"),
        ("location", "Remote"),
        ("location", "Gdańsk, Polska"),
        ("salary_min", 95000),
        ("salary", "95,000 - 120,000 USD"),
        ("reports_to_title", "CTO"),
        ("start_date", "2026-04-01"),
        ("start_date", "04/01/2026"),
        ("remote", True),
        ("employment_type", "FULL_TIME"),
        ("summary", "They look for somebody who moves data about."),
        ("salary", None),
        ("benefits", []),
    ],
)
def test_what_the_input_says_is_right_however_it_is_written(name: str, value: Any):
    assert codes({"label": "x", "fields": {name: value}}) == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("title", "Junior Accountant", "invented_value"),
        ("company", "Kowalski Logistics", "invented_value"),
        ("salary_min", 85000, "invented_value"),
        ("salary", "$150k", "invented_value"),
        ("salary", "$72,095 to $83,120", "invented_value"),
        ("start_date", "2026-05-01", "invented_value"),
        ("start_date", "30 February 2026", "malformed_value"),
        ("posted_at", "2026-00-12", "malformed_value"),
        ("company", "undefined", "malformed_value"),
        ("email", "none given", "malformed_value"),
        ("location", None, "missed_value"),
        ("start", "n/a", "missed_value"),
    ],
)
def test_what_the_input_does_not_say_is_found(name: str, value: Any, code: str):
    answer = assess({"label": "x", "fields": {name: value}})
    assert [(it.code, it.field) for it in answer.findings] == [(code, name)]


def test_a_least_above_the_most_is_found():
    found = assess({"label": "x", "fields": {"salary_min": 120000, "salary_max": 95000}})
    assert [it.message for it in found.findings] == [
        "salary_min 120000 is above salary_max, which is 95000"
    ]


def test_what_an_excerpt_lacks_costs_less():
    result = {"label": "x", "fields": {"company": "Kowalski Logistics"}}
    whole = assess(result).score
    assert assess(result, input={"text": TEXT, "is_excerpt": True}).score > whole


def test_a_value_that_a_label_confirms_is_not_looked_for():
    result = {"label": "x", "fields": {"company": "KSG Holding"}}
    assert codes(result) == ["invented_value"]
    assert codes(result, labels={"company": Truth("KSG Holding", verified=True)}) == []


def test_an_unverified_label_costs_less_than_a_verified_one():
    result = {"label": "likely_real"}
    unverified = assess(result, labels={"verdict": Truth("likely_ghost")}).score
    assert unverified > assess(result, labels={"verdict": Truth("likely_ghost", True)}).score


def test_a_label_corrects_a_fact():
    result = {"label": "x", "fields": {"company": "Kraft & Söhne"}}
    facts = {"text": TEXT, "facts": {"company": "Globex"}}
    assert codes(result, input=facts) == ["wrong_value"]
    assert codes(result, input=facts, labels={"company": Truth("Kraft & Soehne", True)}) == []


def test_formats_are_configured():
    config = QualityConfig.model_validate({"operations": [{"formats": {"pay": "number"}}]})
    result = {"label": "x", "fields": {"pay": "a lot"}}
    answer = Accuracy().assess(analysis(result, text=TEXT), Context(config=config))
    assert answer is not None
    assert answer.findings[0].message == "pay 'a lot' is not a number such as 120000"


def test_without_text_fields_facts_and_labels_there_is_nothing_to_judge():
    assert Accuracy().assess(analysis({"label": "x"}), Context()) is None


@pytest.mark.parametrize(
    "quote",
    [
        "We pay $95k–$120k",
        "you report to the chief technology officer",
        "Senior Data Engineer … No agencies.",
        "“No agencies”",
        "Kraft and Söhne GmbH",
        "<b>We pay</b>&nbsp;$95k-$120k.",
        "🙂",
    ],
)
def test_a_quote_is_real_however_it_is_written(quote: str):
    assert codes({"label": "x", "evidence": [{"quote": quote}]}) == []


@pytest.mark.parametrize(
    ("quote", "code"),
    [
        ("We pay $95k-$140k", "altered_quote"),
        ("You do not report to the Chief Technology Officer", "altered_quote"),
        ("Free lunch and unlimited vacation for all", "invented_quote"),
        ("Senior Data Engineer … unlimited vacation for all of us", "invented_quote"),
    ],
)
def test_a_quote_that_the_input_does_not_say_is_found(quote: str, code: str):
    assert codes({"label": "x", "evidence": [{"quote": quote}]}) == [code]


def test_a_required_field_that_the_input_withholds_is_not_missing():
    result = {"label": "x", "fields": {"title": "Data Entry Clerk", "company": None}}
    text = "Data Entry Clerk. Company: {}. Start at once."
    hidden = text.format("confidential")
    assert codes(result, text=hidden, operation="analyze_job") == []
    found = codes(result, text=text.format("Globex"), operation="analyze_job")
    assert found == ["missing_field"]
