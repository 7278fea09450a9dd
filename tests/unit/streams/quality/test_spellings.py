"""A quote or value is found again in every spelling that a model may give it."""

import html
import sys
import unicodedata
from typing import Any

import pytest

from streams.quality.accuracy import Accuracy
from streams.quality.assessor import Assessed, Context
from streams.quality.text import words_of
from tests.unit.streams.quality.analyses import analysis

TEXT = """About Meridian Health Systems
Meridian Health Systems is a non-profit network of 14 clinics across Oregon and Washington.
We believe in "care without corners".

Position: Clinical Data Analyst (Job #48213)
Where: Portland, OR — 2 days/week in office
Salary: $72,400–$88,900 (grade 11), DOE
Opened: March 2nd, 2026. Closes: March 27th, 2026, 5 p.m. PT

You will build Tableau dashboards, clean EHR extracts, and present to physicians. Must have a
bachelor's degree and SQL. Not eligible for sponsorship.
Questions? Ask Robert O'Malley-Reyes, (503) 555-0177."""
QUOTES = (
    "Meridian Health Systems is a non-profit network of 14 clinics across Oregon",
    'We believe in "care without corners"',
    "Salary: $72,400–$88,900 (grade 11), DOE",
    "You will build Tableau dashboards, clean EHR extracts, and present to physicians",
    "Not eligible for sponsorship",
    "Closes: March 27th, 2026, 5 p.m. PT",
)
SPELLINGS = {
    "shouted": str.upper,
    "in small letters": str.lower,
    "in quotation marks": lambda text: f"“{text}”",
    "with wide gaps": lambda text: text.replace(" ", " \n "),
    "with other dashes": lambda text: text.replace("–", "-").replace('"', "'"),
    "escaped": html.escape,
    "unbreakable": lambda text: text.replace(" ", "\u00a0"),
    "cut at its ends": lambda text: f"… {text[5:]} …",
    "cut in a word": lambda text: text[: len(text) // 2] + "...",
    "cut in the middle": lambda text: (
        f"{' '.join(text.split()[:4])} [...] {' '.join(text.split()[-3:])}"
    ),
    "in Markdown": lambda text: f"**{text}**",
    "with an ampersand": lambda text: text.replace(" and ", " & "),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "misspelt": lambda text: text.replace("e", "é", 1),
}
RIGHT: dict[str, tuple[Any, ...]] = {
    "title": ("clinical data analyst", "Data Analyst, Clinical", "Clinical Data-Analyst"),
    "company": ("MERIDIAN HEALTH SYSTEMS, INC.", "Meridian Health", "Meridian Health System"),
    "location": ("Portland, Oregon, USA", "Portland (hybrid)", "PORTLAND"),
    "salary": ("72400-88900 USD", "72.4k–88.9k", {"low": 72400, "high": 88900}),
    "salary_min": (72400, "72,400", "$72.4K"),
    "posted_at": ("2026-03-02", "02.03.2026", "2 March 2026", "2026-03-02T09:00:00Z"),
    "contact": ("Robert O’Malley Reyes", "O'Malley-Reyes, Robert"),
    "phone": ("503-555-0177", "+1 503 555 0177"),
    "job_id": ("#48213", 48213),
    "remote": ("Hybrid", False),
}
WRONG: dict[str, tuple[Any, ...]] = {
    "title": ("Registered Nurse", "Senior Data Engineer", "Clinical Trials Manager"),
    "company": ("Providence Health", "Kaiser Permanente", "Meridian Bank"),
    "location": ("Seattle, WA", "Boise"),
    "salary": ("$92,400 - $108,900", "65k"),
    "salary_min": (62400, "$80k"),
    "posted_at": ("2026-02-03", "April 2, 2026", "2026-03-12"),
    "contact": ("Robert Miller", "Jane Doe"),
    "phone": ("503-555-0199",),
    "job_id": ("48231",),
}


def assess(result: dict[str, Any]) -> Assessed:
    answer = Accuracy().assess(analysis({"label": "x"} | result, text=TEXT), Context())
    assert answer is not None
    return answer


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("quote", QUOTES)
def test_a_quote_is_real_in_every_spelling(quote: str, spell: Any):
    assert assess({"evidence": [{"quote": spell(quote)}]}).findings == ()


@pytest.mark.parametrize("name", RIGHT)
def test_a_value_is_right_in_every_spelling(name: str):
    assert [it for it in RIGHT[name] if assess({"fields": {name: it}}).score < 0.95] == []


@pytest.mark.parametrize("name", WRONG)
def test_a_value_of_another_post_is_found(name: str):
    assert [it for it in WRONG[name] if assess({"fields": {name: it}}).score >= 0.85] == []


def test_no_character_keeps_its_capital_whatever_stands_beside_it():
    characters = (chr(code) for code in range(sys.maxunicode + 1))
    capitals = (it for it in characters if unicodedata.normalize("NFKD", it).casefold() != it)
    folded = {it: words_of(f"ƀ {it}") for it in capitals}
    assert [it for it, words in folded.items() if words != words.casefold()] == []
