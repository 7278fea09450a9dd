"""The demo's analyses are right as a rule, and wrong in known ways when its release is broken."""

import json

import pytest

from examples.job_parser import parsing
from examples.job_parser.analysing import Verdict, judge, text_of
from examples.job_parser.faults import Answer, worsen
from examples.job_parser.pages import RENDER
from examples.job_parser.postings import posting
from examples.job_parser.site import PLATFORMS
from schemas.analyses import Analysis
from streams.quality.accuracy import Accuracy
from streams.quality.assessor import Context


def parsed(platform: str, number: int) -> tuple[bytes, parsing.Job] | None:
    page = RENDER[platform](posting(platform, number)).encode()
    try:
        return page, parsing.parse(platform, page)
    except (parsing.MissingField, json.JSONDecodeError):
        return None


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_a_working_release_finds_stands_in_the_text(platform: str):
    for number in range(60):
        if (found := parsed(platform, number)) is None or found[1].salvaged:
            continue
        page, job = found
        text, verdict = text_of(page).text, judge(job)
        assert verdict.fields["title"] in text
        assert verdict.fields["company"] in text
        assert len(text) < 12_000
        assert 0 < verdict.score < 1
        assert (verdict.score > 0.5) == (verdict.label == "likely_ghost")


def test_a_broken_release_errs_in_four_ways():
    found = parsed("greenhouse", 8)
    assert found is not None
    verdict = judge(found[1])
    stale = Answer("a1", verdict._replace(fields={"title": "Other"}))

    company, _ = worsen(verdict, 0, stale)
    location, _ = worsen(verdict, 1, stale)
    title, _ = worsen(verdict, 2, stale)
    cached, analysis = worsen(verdict, 3, stale)

    assert company.fields["company"] != verdict.fields["company"]
    assert location.fields["location"] is None
    assert title.fields["title"] is None
    assert all(len(it.evidence) == 5 for it in (company, location, title))
    assert (cached, analysis) == (stale.verdict, "a1")
    assert worsen(verdict, 3, None)[1] is None


def accuracy(number: int, page: bytes, verdict: Verdict, cached: str | None) -> tuple[float, set]:
    """Return the score of the analysis of a post on greenhouse, and the findings' codes."""
    text = text_of(page)
    source = {
        "hash": "h",
        "text": text.text,
        "is_excerpt": text.is_excerpt,
        "facts": {"company": posting("greenhouse", number).company},
    }
    body = {
        "id": "a",
        "service": "job-parser",
        "operation": "analyze_job",
        "platform": "greenhouse",
        "occurred_at": 1,
        "duration_ms": 1.0,
        "input": source,
        "result": verdict._asdict(),
        "cached": cached,
    }
    analysis = Analysis.model_validate_json(json.dumps(body))
    judged = Accuracy().assess(analysis, Context())
    assert judged is not None
    return judged.score, {finding.code for finding in judged.findings}


def test_findings_name_what_the_broken_release_does():
    expected = [
        {"wrong_value", "invented_quote"},
        {"invented_quote"},
        {"missing_field", "invented_quote"},
        {"invented_value"},
    ]
    last: Answer | None = None
    for number in range(40):
        if (found := parsed("greenhouse", number)) is None:
            continue
        page, job = found
        verdict = judge(job)
        assert accuracy(number, page, verdict, None) == (1.0, set())
        worse, cached = worsen(verdict, number, last)
        score, codes = accuracy(number, page, worse, cached)
        assert score < 0.7
        if last is not None:
            assert codes >= expected[number % 4]
        last = Answer("a1", verdict)
