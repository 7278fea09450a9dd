"""Judge whether a job post is meant, and name the passages that say so."""

import json
import re
from typing import Any, NamedTuple

from selectolax.lexbor import LexborHTMLParser

from examples.job_parser.parsing import Job

#: A text is sent with the analysis: the beginning and the end of a long page.
_BEGINNING = 3_000
_END = 300
_VALUE = 1_500
_QUOTE = 80
_LONG_DESCRIPTION = 2_000
_TAGS = re.compile(r"<[^>]+>")
_APP_DATA = "window.__appData = "


class Text(NamedTuple):
    """What a reader of the page sees, and whether that is all of it."""

    text: str
    is_excerpt: bool


class Verdict(NamedTuple):
    """What the analysis found."""

    label: str
    score: float
    """How likely it is that nobody is to be hired."""
    confidence: float
    fields: dict[str, Any]
    evidence: list[dict[str, str]]
    factors: list[dict[str, Any]]


def text_of(page: bytes) -> Text:
    """Return the text of a page, also what its scripts hold."""
    tree = LexborHTMLParser(page)
    parts: list[str] = []
    for script in tree.css("script"):
        content = script.text()
        if "JobPosting" in content or content.startswith(_APP_DATA):
            parts += _values(content)
    parts += [time.attributes.get("datetime") or "" for time in tree.css("time")]
    tree.strip_tags(["script"])
    parts.append(tree.body.text(separator=" ", strip=True) if tree.body else "")
    cut = [_cut(part, _VALUE) for part in parts[:-1]] + [_cut(parts[-1], _BEGINNING)]
    return Text("\n".join(filter(None, cut)), cut != parts)


def judge(job: Job) -> Verdict:
    """Return the verdict on a job."""
    factors = [
        _factor("it names a salary", -0.3) if job.salary else _factor("it names no salary", 0.15),
        _factor("it says much", -0.1)
        if len(job.description) > _LONG_DESCRIPTION
        else _factor("it says little", 0.1),
    ]
    score = 0.5 + sum(points for points, _ in factors)
    return Verdict(
        label=label_of(is_ghost=score > 0.5),
        score=round(score, 3),
        confidence=round(max(score, 1 - score), 3),
        fields={
            "title": job.title,
            "company": job.company,
            "location": job.location or None,
            "posted_on": job.posted_on and job.posted_on.isoformat(),
            "contract": job.contract,
            "salary": job.salary,
        },
        evidence=[
            {"quote": job.title, "field": "title"},
            {"quote": job.company, "field": "company"},
            {"quote": job.description[:_QUOTE]},
        ],
        factors=[factor for _, factor in factors],
    )


def label_of(*, is_ghost: bool) -> str:
    """Return the verdict's label."""
    return "likely_ghost" if is_ghost else "likely_real"


def _factor(description: str, points: float) -> tuple[float, dict[str, Any]]:
    direction = "raises" if points > 0 else "lowers"
    return points, {"description": description, "direction": direction, "weight": abs(points)}


def _values(script: str) -> list[str]:
    """Return the values in a script's JSON; the script itself if it is broken."""
    try:
        found: Any = json.loads(script.removeprefix(_APP_DATA).removesuffix(";"))
    except json.JSONDecodeError:
        return [script]
    values: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                walk(inner)
        elif value is not None:
            values.append(_TAGS.sub(" ", str(value)).strip())

    walk(found)
    return values


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most + _END else f"{text[:most]} … {text[-_END:]}"
