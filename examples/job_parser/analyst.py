"""Publish what is found in posts as analyses, label them later, and analyse again on request."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any, NamedTuple

import opwatch_client as opwatch
from examples.job_parser import parsing
from examples.job_parser.analysing import Verdict, judge, label_of, text_of
from examples.job_parser.cache import TtlCache
from examples.job_parser.faults import Answer, worsen
from examples.job_parser.postings import posting

#: A post is analysed again after this.
ANSWER_TTL_S = 10.0
_ANSWERS = 5_000
#: Requests come seconds after their analysis.
_INPUT_TTL_S = 600.0
#: Of these platforms a directory names each post's company.
_LISTED = ("ashby", "greenhouse", "lever")
#: One post in this many is labelled, and how long that takes: people answer sooner or later.
_LABELLED = 8
_SOONEST_S = 1.0
_LATEST_S = 30.0
#: One post in this many is beyond the careful release too.
_INCURABLE = 10

RELEASE = "2.0"
CAREFUL_RELEASE = "1.9"


class Post(NamedTuple):
    """Where a post is."""

    platform: str
    number: int


class Analyst:
    """Analyses each post at most every ten seconds."""

    def __init__(self, fetch: Callable[[str], Awaitable[bytes]]) -> None:
        """Publish nothing yet; `fetch` gets a page past every cache."""
        self.broken_for: Collection[str] = ()
        """Platforms whose posts a broken release analyses."""
        self._fetch = fetch
        self._answers: TtlCache[Answer] = TtlCache(_ANSWERS)
        self._inputs: TtlCache[Post] = TtlCache(_ANSWERS)
        self._last: dict[str, Answer] = {}

    def analyse(self, post: Post, page: bytes, job: parsing.Job, began_s: float) -> None:
        """Publish the analysis of a parsed post, unless it was analysed a moment ago."""
        path = f"/{post.platform}/{post.number}"
        if self._answers.get(path) is not None:
            return
        verdict, how = judge(job), {"model_version": RELEASE}
        if post.platform in self.broken_for:
            verdict, cached = worsen(verdict, post.number, self._last.get(post.platform))
            how |= _BROKEN | {"cached": cached}
        analysis = self._publish(post, page, verdict, began_s, **how)
        answer = Answer(analysis, verdict)
        self._answers.put(path, answer, ANSWER_TTL_S)
        self._last[post.platform] = answer
        if post.number % _LABELLED == 0:
            later_s = _SOONEST_S + (post.number % 97) / 97 * (_LATEST_S - _SOONEST_S)
            asyncio.get_running_loop().call_later(later_s, _label, post, analysis)

    async def again(self, request: opwatch.RemediationRequest) -> None:
        """Fetch the page anew, past the caches, and let the careful release analyse it."""
        hit = self._inputs.get(request.input_hash)
        if hit is None:
            raise LookupError(f"no post has the input {request.input_hash[:12]}")
        post = hit.value
        page = await self._fetch(f"/{post.platform}/{post.number}")
        began_s = time.perf_counter()
        verdict = judge(parsing.parse(post.platform, page))
        how: dict[str, Any] = {"model_version": CAREFUL_RELEASE}
        if post.number % _INCURABLE == 0:
            verdict, _ = worsen(verdict, post.number, None)
            how |= _BROKEN
        self._publish(post, page, verdict, began_s, remediates=request.analysis, **how)

    def _publish(
        self, post: Post, page: bytes, verdict: Verdict, began_s: float, **how: Any
    ) -> str:
        text = text_of(page)
        corpus = posting(*post)
        listed = {"company": corpus.company} if post.platform in _LISTED else None
        input_hash = hashlib.sha256(page).hexdigest()
        self._inputs.put(input_hash, post, _INPUT_TTL_S)
        return opwatch.analysis(
            operation="analyze_job",
            platform=post.platform,
            model="rules",
            duration_ms=1000 * (time.perf_counter() - began_s),
            text=text.text,
            is_excerpt=text.is_excerpt,
            input_hash=input_hash,
            facts=listed,
            **verdict._asdict(),
            **how,
        )


_BROKEN: dict[str, Any] = {
    "attempt": 3,
    "fallback": "salvage",
    "errors": ["the answer was cut off"],
}


def _label(post: Post, analysis: str) -> None:
    """Publish what people found out about a post."""
    corpus = posting(*post)
    truth = label_of(is_ghost=corpus.ghost)
    opwatch.label(analysis, truth=truth, verified=True, source="applicants")
    opwatch.label(analysis, about="company", truth=corpus.company, verified=True, source="support")
