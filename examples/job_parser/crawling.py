"""Fetch, parse, score and analyse job posts, and measure each step."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from typing import NamedTuple

import opwatch_client as opwatch
from examples.job_parser import parsing
from examples.job_parser.analyst import Analyst, Post
from examples.job_parser.cache import TtlCache
from examples.job_parser.fetching import Fetcher
from examples.job_parser.site import PLATFORMS

#: How many pages are cached, and for how long. There are more posts, so some are evicted.
CACHED_PAGES = 600
PAGE_TTL_S = 10.0
#: Posts of a platform that are worked on at once.
CRAWLERS = 24
_QUEUE = 48
_TICK_S = 0.01
#: A tick that comes this late shows a busy machine: fewer posts are visited.
_LATE_S = 0.03
_SLOWEST = 0.02

Parse = Callable[[bytes], parsing.Job]


class _Crawl(NamedTuple):
    platform: str
    parse: Parse
    queue: asyncio.Queue[int]


class Crawler:
    """Visits posts at each platform's pace, slower where the machine has no time for it."""

    def __init__(
        self, fetcher: Fetcher, analyst: Analyst, on_failure: Callable[[str], None]
    ) -> None:
        """Visit nothing yet; `on_failure` is called with the platform of each failed post."""
        self._analyst = analyst
        self.jobs = 0
        self._on_failure = on_failure
        self.skipped = 0
        self._fetcher = fetcher
        self._pages: TtlCache[bytes] = TtlCache(CACHED_PAGES)
        self._crawls = [
            _Crawl(name, _measured_parser(name), asyncio.Queue(_QUEUE)) for name in PLATFORMS
        ]

    async def run(self, stopped: asyncio.Event) -> None:
        """Crawl until stopped, and finish the posts that were begun."""
        async with asyncio.TaskGroup() as group:
            crawlers = [
                group.create_task(self._work(crawl))
                for crawl, _ in itertools.product(self._crawls, range(CRAWLERS))
            ]
            await self._feed(stopped)
            for crawl in self._crawls:
                await crawl.queue.join()
            for crawler in crawlers:
                crawler.cancel()

    async def _feed(self, stopped: asyncio.Event) -> None:
        """Choose the posts to visit: the popular ones more often."""
        chance = random.Random("visits")
        weights = {
            name: list(itertools.accumulate((n + 1) ** -it.skew for n in range(it.jobs)))
            for name, it in PLATFORMS.items()
        }
        due = dict.fromkeys(PLATFORMS, 0.0)
        pace, before = _SLOWEST, time.monotonic()
        while not stopped.is_set():
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            elapsed_s, before = now - before, now
            is_late = elapsed_s > _TICK_S + _LATE_S
            pace = max(_SLOWEST, 0.8 * pace) if is_late else min(1.0, pace + 0.01)
            for crawl in self._crawls:
                name, site = crawl.platform, PLATFORMS[crawl.platform]
                due[name] += pace * elapsed_s * site.jobs_per_s
                count = int(due[name])
                due[name] -= count
                for number in chance.choices(range(site.jobs), cum_weights=weights[name], k=count):
                    try:
                        crawl.queue.put_nowait(number)
                    except asyncio.QueueFull:
                        self.skipped += 1

    async def _work(self, crawl: _Crawl) -> None:
        while True:
            number = await crawl.queue.get()
            try:
                page = await self.fetch_page(crawl.platform, number)
                began_s = time.perf_counter()
                job = crawl.parse(page)
                score(crawl.platform, job)
                self._analyst.analyse(Post(crawl.platform, number), page, job, began_s)
                self.jobs += 1
            except Exception:  # noqa: BLE001 - measured where it happened; the next post waits
                self._on_failure(crawl.platform)
            crawl.queue.task_done()

    async def fetch_page(self, platform: str, number: int) -> bytes:
        """Return a post's page, from the cache if it is there."""
        path = f"/{platform}/{number}"
        async with opwatch.operation("fetch_page", platform=platform) as op:
            if hit := self._pages.get(path):
                op.cache_hit(ttl_s=hit.ttl_s)
                return hit.value
            op.cache_miss()
            page = await self._fetcher.get(path)
            op.cache_miss(ttl_s=PAGE_TTL_S, evictions=self._pages.put(path, page, ttl_s=PAGE_TTL_S))
            return page


def score(platform: str, job: parsing.Job) -> float:
    """Return the confidence in a job, and record it with the operation."""
    with opwatch.operation("score_confidence", platform=platform) as op:
        op.confidence = parsing.confidence(job)
        return op.confidence


def _measured_parser(platform: str) -> Parse:
    @opwatch.operation("parse_job_data", platform=platform)
    def parse(page: bytes) -> parsing.Job:
        return parsing.parse(platform, page)

    return parse
