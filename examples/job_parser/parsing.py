"""Find a job's fields in a page, whichever way its platform hides them."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from selectolax.lexbor import LexborHTMLParser


class NoJobPosting(Exception):
    """The page holds no job post in any form we know."""


class MissingField(Exception):
    """A job post without this field is none."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a page says of a job; only the first three are certain to be there."""

    title: str
    company: str
    description: str
    location: str | None = None
    posted_on: date | None = None
    contract: str | None = None
    salary: float | None = None
    salvaged: bool = False
    """Torn out of a broken page."""


Found = dict[str, Any]

_REQUIRED = ("title", "company", "description")
#: What each field adds to the confidence in a job; together 1.
_WEIGHTS = {
    "title": 0.2,
    "company": 0.15,
    "description": 0.2,
    "location": 0.15,
    "posted_on": 0.1,
    "contract": 0.1,
    "salary": 0.1,
}
_SHORT_DESCRIPTION = 200


def parse(platform: str, page: bytes) -> Job:
    """Return the job on a page.

    Raises:
        NoJobPosting: nothing on it looks like one.
        MissingField: it lacks what every job has.
        ValueError: its JSON or its date is broken beyond salvage.
    """
    salvaged = False
    try:
        found = _READ[platform](page)
    except json.JSONDecodeError as broken:
        found = salvage(page)
        salvaged = True
        if not found:
            raise broken from None
    for name in _REQUIRED:
        if not found.get(name):
            raise MissingField(name)
    posted_on = found.pop("posted_on", None)
    return Job(
        **found, posted_on=date.fromisoformat(posted_on) if posted_on else None, salvaged=salvaged
    )


def confidence(job: Job) -> float:
    """Return how sure we may be of a job, from 0 to 1, by what was found of it."""
    score = sum(_WEIGHTS[field.name] for field in fields(job) if _counts(job, field.name))
    if len(job.description) < _SHORT_DESCRIPTION:
        score -= _WEIGHTS["description"] / 2
    return round(score / 2 if job.salvaged else score, 3)


def _counts(job: Job, name: str) -> bool:
    return name in _WEIGHTS and bool(getattr(job, name))


# ---------------------------------------------------------------- one reader a platform


def _json_ld(page: bytes) -> Found:
    for script in LexborHTMLParser(page).css('script[type="application/ld+json"]'):
        content = json.loads(script.text())
        if content.get("@type") == "JobPosting":
            place = content.get("jobLocation") or {}
            return {
                "title": content.get("title"),
                "company": (content.get("hiringOrganization") or {}).get("name"),
                "description": _text(content.get("description")),
                "location": (place.get("address") or {}).get("addressLocality"),
                "posted_on": content.get("datePosted"),
                "contract": content.get("employmentType"),
                "salary": (content.get("baseSalary") or {}).get("value", {}).get("value"),
            }
    raise NoJobPosting("no JSON-LD of a job")


def _lever(page: bytes) -> Found:
    """JSON-LD says more than the HTML, where it has arrived."""
    return _json_ld(page)


def _greenhouse(page: bytes) -> Found:
    tree = LexborHTMLParser(page)
    time = tree.css_first("footer time")
    company = _first(tree, "span.company-name")
    return {
        "title": _first(tree, "h1.app-title"),
        "company": company and company.removeprefix("at "),
        "description": _first(tree, "#content"),
        "location": _first(tree, "#header .location"),
        "posted_on": time.attributes.get("datetime") if time else None,
    }


_APP_DATA = "window.__appData = "


def _ashby(page: bytes) -> Found:
    for script in LexborHTMLParser(page).css("script"):
        text = script.text()
        if text.startswith(_APP_DATA):
            content = json.loads(text.removeprefix(_APP_DATA).removesuffix(";"))
            post = content["posting"]
            return {
                "title": post["title"],
                "company": content["organization"]["name"],
                "description": _text(post["descriptionHtml"]),
                "location": post["locationName"],
                "posted_on": post["publishedDate"],
                "contract": post["employmentType"],
                "salary": post["compensation"],
            }
    raise NoJobPosting("no application data")


_READ: dict[str, Callable[[bytes], Found]] = {
    "linkedin": _json_ld,
    "lever": _lever,
    "greenhouse": _greenhouse,
    "ashby": _ashby,
    "workday": _json_ld,
}


def _first(tree: LexborHTMLParser, selector: str) -> str | None:
    node = tree.css_first(selector)
    return node.text(strip=True) if node else None


def _text(html: str | None) -> str | None:
    if not html:
        return None
    body = LexborHTMLParser(html).body
    return body.text(separator=" ", strip=True) if body else None


# ---------------------------------------------------------------- the last resort

# Written in a hurry one night, as such things are: no pattern begins with a letter it could be
# looked up by, so each is tried, and backtracks, at every place of the page.
_SALVAGE = {
    "title": re.compile(r'(?is)(?:\w+\W+)?\W?title"\s*:\s*"([^"<>]{2,200})"'),
    "company": re.compile(r'(?is)(?:\w+\W+)?organization"?[^}]*?"name"\s*:\s*"([^"<>]{2,200})"'),
    "description": re.compile(r'(?is)(?:\w+\W+)?\W?description(?:html)?"\W+p>([^"]{2,})"'),
}
_MOST = 60_000


def salvage(page: bytes) -> Found:
    """Return what can be torn out of a page whose JSON is broken; slow."""
    text = page[:_MOST].decode(errors="replace")
    found: Found = {}
    for name, pattern in _SALVAGE.items():
        if match := pattern.search(text):
            found[name] = match[1].strip()
    return found
