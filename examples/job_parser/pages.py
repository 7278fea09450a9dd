"""Render a job post as each platform's page would: JSON-LD, plain HTML, or data in a script."""

import json
from collections.abc import Callable
from html import escape

from examples.job_parser.postings import Posting


def linkedin(post: Posting) -> str:
    """JSON-LD in the head, and the same once more as HTML."""
    return _document(
        post,
        head=_json_ld(post),
        body=f'<h1 class="topcard__title">{escape(post.title)}</h1>'
        f'<a class="topcard__org">{escape(post.company)}</a>{_html_paragraphs(post)}',
    )


def lever(post: Posting) -> str:
    """HTML, with JSON-LD at the very end."""
    body = (
        f'<div class="posting-headline"><h2>{escape(post.title)}</h2></div>'
        f'<div class="posting-categories"><div class="location">{escape(post.city)}</div></div>'
        f'<div class="section">{_html_paragraphs(post)}</div>{_json_ld(post)}'
    )
    return _document(post, body=body)


def greenhouse(post: Posting) -> str:
    """HTML alone."""
    footer = f"<footer>Posted <time datetime='{post.posted_on}'></time></footer>"
    return _document(
        post,
        body=f'<div id="header"><h1 class="app-title">{escape(post.title)}</h1>'
        f'<div class="location">{escape(post.city)}</div></div>'
        f'<div id="content">{_html_paragraphs(post)}</div>'
        f'<span class="company-name">at {escape(post.company)}</span>{footer}',
    )


def ashby(post: Posting) -> str:
    """An empty page whose script holds the data."""
    content = {
        "organization": {"name": post.company},
        "posting": {
            "title": post.title,
            "descriptionHtml": _html_paragraphs(post),
            "locationName": post.city or None,
            "publishedDate": post.posted_on,
            "employmentType": post.contract,
            "compensation": post.salary,
        },
    }
    data = _flawed(json.dumps(content), post)
    return _document(post, body=f'<div id="root"></div><script>window.__appData = {data};</script>')


def workday(post: Posting) -> str:
    """JSON-LD below a heap of scripts that nobody needs."""
    ballast = "".join(f"<script>window.wd{n}={{on:{n % 2}}};</script>" for n in range(120))
    return _document(post, head=ballast + _json_ld(post), body='<div id="root"></div>')


RENDER: dict[str, Callable[[Posting], str]] = {
    "linkedin": linkedin,
    "lever": lever,
    "greenhouse": greenhouse,
    "ashby": ashby,
    "workday": workday,
}


def _json_ld(post: Posting) -> str:
    content: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "JobPosting",
        "title": post.title,
        "hiringOrganization": {"@type": "Organization", "name": post.company},
        "description": _html_paragraphs(post),
        "datePosted": post.posted_on,
        "employmentType": post.contract,
    }
    if post.city:
        content["jobLocation"] = {"@type": "Place", "address": {"addressLocality": post.city}}
    if post.salary:
        content["baseSalary"] = {"currency": "EUR", "value": {"value": post.salary}}
    # As platforms do it: what would end the script early is escaped.
    text = _flawed(json.dumps(content, ensure_ascii=False), post).replace("</", "<\\/")
    return f'<script type="application/ld+json">{text}</script>'


def _flawed(text: str, post: Posting) -> str:
    return text.replace("<p>", "<p>\n", 1) if post.raw_newline else text


def _html_paragraphs(post: Posting) -> str:
    return "".join(f"<p>{escape(paragraph)}</p>" for paragraph in post.paragraphs)


def _document(post: Posting, *, body: str, head: str = "") -> str:
    return (
        f"<!doctype html><html><head><title>Job {post.number}</title>{head}</head>"
        f"<body>{body}</body></html>"
    )
