"""Make analyses of job posts with 4 KB of text each, as many different ones as are asked for."""

import json
import random
from collections.abc import Callable
from typing import Any

#: Characters of an input's text.
TEXT = 4096
#: Posts that are written out; of each any number of inputs is made, with another reference.
_POSTS = 500
#: One in this many has a quote that the post does not have; another one a company.
_FAULTY = 10
_TITLES = ("Backend Engineer", "Head Nurse", "Tax Advisor", "Crane Operator", "Data Analyst")
_GRADES = ("Senior", "Junior", "Lead", "Staff")
_COMPANIES = ("Northwind Traders", "Halden Labs", "Quarry Street Clinic", "Müller & Söhne")
_CITIES = ("Austin", "Oslo", "Leipzig", "Lyon", "Porto")
_PLATFORMS = ("greenhouse", "lever", "linkedin", "indeed")
_MODELS = ("llama-3.1-8b", "gpt-4o-mini", "rules")
_WORDS = [
    "you",
    "will",
    "own",
    "the",
    "rollout",
    "of",
    "our",
    "next",
    "line",
    "and",
    "keep",
    "what",
    "runs",
    "running",
    "together",
    "with",
    "a",
    "small",
    "team",
    "that",
    "writes",
    "things",
    "down",
    "we",
    "look",
    "for",
    "somebody",
    "curious",
    "who",
    "has",
    "shipped",
    "repaired",
    "or",
    "built",
    "something",
    "before",
    "and",
    "can",
    "tell",
    "what",
    "went",
    "wrong",
    "benefits",
    "include",
    "time",
    "tools",
    "training",
    "a",
    "fair",
    "salary",
    "quiet",
    "afternoons",
    "customers",
    "partners",
    "reports",
    "deadlines",
    "machines",
    "patients",
    "ledgers",
    "reviews",
    "planning",
    "quality",
    "safety",
    "responsibility",
    "experience",
    "certificate",
    "degree",
    "language",
]
_NUMBER = "%012d"
_WHEN = 1_111_111_111_111

Make = Callable[[int, int], tuple[bytes, bytes]]


def makers(seed: int = 1) -> list[Make]:
    """Return what makes the key and the value of an analysis, of a number and a time each."""
    chance = random.Random(seed)
    return [_maker(chance, number) for number in range(_POSTS)]


def _maker(chance: random.Random, post: int) -> Make:
    body = json.dumps(_analysis(chance, post)).encode()
    form = body.replace(b"%", b"%%").replace(_NUMBER.encode().replace(b"%", b"%%"), b"%(n)012d")
    form = form.replace(str(_WHEN).encode(), b"%(at)d")

    def make(number: int, now_ms: int) -> tuple[bytes, bytes]:
        return b"input-%012d" % number, form % {b"n": number, b"at": now_ms}

    return make


def _analysis(chance: random.Random, post: int) -> dict[str, Any]:
    title = f"{chance.choice(_GRADES)} {chance.choice(_TITLES)}"
    company, city = chance.choice(_COMPANIES), chance.choice(_CITIES)
    low = chance.randrange(60, 120) * 1000
    sentences = [_sentence(chance) for _ in range(80)]
    head = (
        f"{title}\n{company}, {city} (hybrid) · Posted March {chance.randrange(1, 29)}, 2026\n"
        f"Reference {_NUMBER}. Compensation: ${low:,} – ${low + 20_000:,} per year, plus equity.\n"
    )
    text = head + "\n".join(sentences)
    quotes = [(title, "title"), (f"Compensation: ${low:,} - ${low + 20_000:,} per year", "salary")]
    quotes += [(sentences[place], None) for place in (2, 7)]
    if post % _FAULTY == 0:
        quotes.append(("visa sponsorship for each applicant from overseas is guaranteed", None))
    if post % _FAULTY == 1:
        company = "Contoso Shipping"
    return {
        "id": f"analysis-{_NUMBER}",
        "service": "job-parser",
        "operation": "analyze_job",
        "platform": chance.choice(_PLATFORMS),
        "model": chance.choice(_MODELS),
        "occurred_at": _WHEN,
        "input": {"hash": f"input-{_NUMBER}", "text": text[:TEXT]},
        "result": {
            "label": "likely_real",
            "score": 0.2,
            "confidence": 0.9,
            "field_confidence": {"title": 0.95, "company": 0.9},
            "fields": {
                "title": title,
                "company": company,
                "location": city,
                "salary": low,
                "employment_type": "full_time",
                "remote": False,
                "reference": _NUMBER,
                "visa": None,
            },
            "evidence": [{"quote": it, "field": field} for it, field in quotes],
            "factors": [
                {"description": "names a salary", "direction": "lowers", "weight": 0.7},
                {"description": "is recent", "direction": "lowers", "weight": 0.4},
            ],
        },
        "duration_ms": 812.5,
        "tokens": 2150,
    }


def _sentence(chance: random.Random) -> str:
    words = " ".join(chance.choice(_WORDS) for _ in range(chance.randrange(9, 16)))
    return f"{words.capitalize()}."
