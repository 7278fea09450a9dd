"""Each platform's page yields its job; a broken page fails for a reason, or is salvaged."""

import dataclasses
import json
from datetime import date

import pytest

from examples.job_parser import parsing
from examples.job_parser.pages import RENDER
from examples.job_parser.postings import Posting, posting

POST = Posting(
    number=7,
    title='Senior "Baker" & Co',
    company="Nordlicht & Söhne",
    city="Gdańsk",
    paragraphs=("Bake bread <daily>. " * 20, "Sleep late."),
    posted_on="2026-03-04",
    contract="FULL_TIME",
    salary=42_000,
    gone=False,
    raw_newline=False,
    ghost=False,
)


def page(platform: str, **changes: object) -> bytes:
    return RENDER[platform](dataclasses.replace(POST, **changes)).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize("platform", RENDER)
def test_what_the_author_wrote_is_found(platform: str):
    job = parsing.parse(platform, page(platform))

    assert job.title == POST.title
    assert job.company == POST.company
    assert job.location == POST.city
    assert job.posted_on == date(2026, 3, 4)
    assert "Bake bread <daily>." in job.description
    assert "Sleep late." in job.description
    assert not job.salvaged


@pytest.mark.parametrize("platform", ["linkedin", "lever", "ashby", "workday"])
def test_json_also_says_contract_and_salary(platform: str):
    job = parsing.parse(platform, page(platform))

    assert (job.contract, job.salary) == ("FULL_TIME", 42_000)
    assert parsing.confidence(job) == 1.0


@pytest.mark.parametrize("platform", RENDER)
def test_a_job_without_a_title_is_none(platform: str):
    with pytest.raises(parsing.MissingField, match="title"):
        parsing.parse(platform, page(platform, title=""))


@pytest.mark.parametrize("platform", RENDER)
def test_a_page_without_a_job_is_told_apart_from_a_broken_one(platform: str):
    with pytest.raises((parsing.NoJobPosting, parsing.MissingField)):
        parsing.parse(platform, b"<html><body>Log in to go on</body></html>")


@pytest.mark.parametrize("platform", ["lever", "greenhouse", "ashby", "workday"])
def test_a_cut_page_fails(platform: str):
    whole = page(platform, paragraphs=("Bread. " * 2000,))

    with pytest.raises((parsing.MissingField, parsing.NoJobPosting, json.JSONDecodeError)):
        parsing.parse(platform, whole[: int(len(whole) * 0.55)])


def test_a_control_character_in_json_is_salvaged_with_little_confidence():
    job = parsing.parse("linkedin", page("linkedin", raw_newline=True, title="Baker"))

    assert job.salvaged
    assert job.title == "Baker"
    assert parsing.confidence(job) <= 0.5


def test_an_impossible_date_is_an_error():
    with pytest.raises(ValueError, match="day"):
        parsing.parse("lever", page("lever", posted_on="2026-02-30"))


def test_confidence_falls_with_what_is_missing():
    known = parsing.parse("lever", page("lever"))
    less = dataclasses.replace(known, location=None, salary=None)
    short = dataclasses.replace(known, description="Bread.")

    assert parsing.confidence(known) > parsing.confidence(short) > parsing.confidence(less) > 0


def test_the_corpus_is_the_same_every_time_and_mostly_sound():
    posting.cache_clear()
    first = [RENDER["lever"](posting("lever", number)) for number in range(200)]
    posting.cache_clear()
    assert first == [RENDER["lever"](posting("lever", number)) for number in range(200)]

    failed = 0
    for text in first:
        try:
            parsing.parse("lever", text.encode())
        except Exception:  # noqa: BLE001 - counted
            failed += 1
    assert 0 < failed < 20
