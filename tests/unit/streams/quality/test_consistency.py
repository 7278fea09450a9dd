"""A result agrees with earlier ones of its input and with itself, or a finding says where not."""

from typing import Any

from schemas.quality_config import QualityConfig
from streams.quality.assessor import Assessed, Context, EarlierResult
from streams.quality.consistency import Consistency
from streams.quality.earlier import earlier_of
from tests.unit.streams.quality.analyses import analysis


def earlier(label: str | None, score: float | None = None, name: str = "e", **fields: str):
    return EarlierResult(1, name, label, score, fields)


def assess(
    result: dict[str, Any], *before: EarlierResult, config: QualityConfig | None = None, **more: Any
) -> Assessed | None:
    context = Context(earlier=before, config=config or QualityConfig())
    return Consistency().assess(analysis(result, **more), context)


def codes(result: dict[str, Any], *before: EarlierResult, **more: Any) -> list[str]:
    answer = assess(result, *before, **more)
    assert answer is not None
    return [finding.code for finding in answer.findings]


def test_the_first_of_an_input_without_anything_to_contradict_is_not_judged():
    assert assess({"label": "spam", "score": 0.9}) is None


def test_the_same_again_is_consistent():
    assert codes({"label": "spam", "score": 0.9}, earlier("Spam", 0.82)) == []


def test_a_changed_label_costs_by_the_share_of_earlier_ones_that_differ():
    one_of_two = assess({"label": "spam"}, earlier("spam"), earlier("ham"))
    all_of_two = assess({"label": "spam"}, earlier("ham"), earlier("ham"))
    assert one_of_two is not None
    assert all_of_two is not None
    assert all_of_two.score < one_of_two.score < 1
    assert all_of_two.findings[0].message == (
        "the label is spam: for the same input it was ham 2 of 2 times"
    )


def test_a_score_beyond_the_tolerance_is_found():
    assert codes({"score": 0.5}, earlier(None, 0.62)) == ["changed_score"]
    loose = QualityConfig.model_validate({"consistency": {"score_tolerance": 0.2}})
    assert codes({"score": 0.5}, earlier(None, 0.62), config=loose) == []


def test_fields_that_change_or_go_are_found():
    before = earlier("x", company="Acme", city="Ulm", pay="$90k")
    fields = {"company": "Globex", "city": None, "pay": 90000}
    assert codes({"label": "x", "fields": fields}, before) == ["changed_field", "lost_field"]


def test_a_cached_answer_is_no_evidence():
    cached = {"cached": "e"}
    assert assess({"label": "spam"}, earlier("ham"), **cached) is None
    assert earlier_of(analysis({"label": "spam"}, **cached), 7) is None
    contradicts = {"label": "likely_ghost", "score": 0.1}
    assert codes(contradicts, **cached) == ["label_contradicts_score"]


def test_a_repeat_is_not_compared_with_what_it_mends():
    assert assess({"label": "spam"}, earlier("ham", name="bad"), remediates="bad") is None


def test_factors_contradict_a_score_or_a_label_on_the_other_side():
    factors = [{"description": "names its manager", "direction": "lowers", "weight": 0.9}]
    assert codes({"score": 0.9, "factors": factors}) == ["factors_contradict_score"]
    assert codes({"label": "likely_ghost", "factors": factors}) == ["factors_contradict_score"]
    assert codes({"label": "likely_real", "score": 0.2, "factors": factors}) == []


def test_ranges_of_labels_are_configured():
    config = QualityConfig.model_validate({"operations": [{"labels": {"open": [0.0, 0.3]}}]})
    assert codes({"label": "Open", "score": 0.9}, config=config) == ["label_contradicts_score"]


def test_confidence_in_the_whole_and_in_its_fields_agree():
    unsure = {"title": 0.2, "company": 0.3}
    assert codes({"confidence": 0.95, "field_confidence": unsure}) == [
        "confidence_contradicts_fields"
    ]
    assert codes({"confidence": 0.4, "field_confidence": unsure}) == []


def test_light_factors_may_be_on_the_other_side():
    factors = [{"description": "names no salary", "direction": "raises", "weight": 0.2}]
    assert codes({"label": "likely_real", "score": 0.2, "factors": factors}) == []


def test_a_quote_may_support_that_there_is_no_value():
    evidence = [{"quote": "Salary: competitive", "field": "salary"}]
    assert codes({"fields": {"salary": None}, "evidence": evidence}) == []
    evidence = [{"quote": "Salary: $90k", "field": "salary"}]
    assert codes({"fields": {"salary": None}, "evidence": evidence}) == [
        "evidence_contradicts_field"
    ]
