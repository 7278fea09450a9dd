"""Run the job parser: the crawler and the sites that it crawls, in one process.

It prints what happens on stdout, one JSON object per line; the demo reads that. By hand:
`OPWATCH_KAFKA_BOOTSTRAP=… python -m examples.job_parser.service`.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import opwatch_client as opwatch
from examples.job_parser.analyst import Analyst
from examples.job_parser.crawling import Crawler
from examples.job_parser.fetching import Fetcher
from examples.job_parser.site import LOOPBACK, Site

#: The platforms whose sites get into trouble.
TROUBLED = ("lever", "workday")
#: The platforms whose posts a broken release analyses meanwhile.
BADLY_ANALYSED = ("ashby", "greenhouse")
#: How long a page may take that is analysed again.
PATIENT_S = 10.0
#: It is silent after three: by then the demo has counted what it published last, and ended.
_BEAT_S = 20.0
_SAY_EVERY_S = 0.5
_FLUSH_S = 4.0


async def serve(
    stopped: asyncio.Event, *, trouble_after_s: float | None, trouble_for_s: float
) -> None:
    """Crawl until stopped; with `trouble_after_s` the sites get into trouble for a while."""
    site = Site()
    port = await site.start()
    fetcher, patient = Fetcher(LOOPBACK, port), Fetcher(LOOPBACK, port, PATIENT_S)
    failing: set[str] = set()

    def failed(platform: str) -> None:
        if platform in site.in_trouble and platform not in failing:
            failing.add(platform)
            say("failing", platform=platform)

    analyst = Analyst(patient.get)
    for action in ("reanalyse", "bypass_cache", "another_model"):
        opwatch.remediation(action)(analyst.again)
    crawler = Crawler(fetcher, analyst, failed)
    crawl = asyncio.create_task(crawler.run(stopped))
    beside = [asyncio.create_task(_report(crawler))]
    if trouble_after_s is not None:
        beside.append(asyncio.create_task(_trouble(site, analyst, trouble_after_s, trouble_for_s)))
    say("serving")
    try:
        async with opwatch.heartbeat("job-parser", every=_BEAT_S):
            await crawl
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        fetcher.close()
        patient.close()
        await site.stop()


async def _trouble(site: Site, analyst: Analyst, after_s: float, for_s: float) -> None:
    await asyncio.sleep(after_s)
    site.in_trouble = TROUBLED
    analyst.broken_for = BADLY_ANALYSED
    say("trouble", platforms=TROUBLED)
    await asyncio.sleep(for_s)
    site.in_trouble = analyst.broken_for = ()
    say("recovered", platforms=TROUBLED)


async def _report(crawler: Crawler) -> None:
    while True:
        say("stats", **_stats(), jobs=crawler.jobs, skipped=crawler.skipped)
        await asyncio.sleep(_SAY_EVERY_S)


def _stats() -> dict[str, Any]:
    return dataclasses.asdict(opwatch.stats())


def say(what: str, **more: object) -> None:
    """Print an event for the process that started this."""
    at_ms = int(time.time() * 1000)
    print(json.dumps({"what": what, "at_ms": at_ms} | more), flush=True)


async def _run(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if options.until_eof:
        # The process at the other end is gone, so nobody else would end us.
        loop.add_reader(sys.stdin, stopped.set)
    await serve(stopped, trouble_after_s=options.trouble_after, trouble_for_s=options.trouble_for)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, then flush and print the final counts."""
    parser = argparse.ArgumentParser(prog="python -m examples.job_parser.service")
    parser.add_argument("--trouble-after", type=float, metavar="S", help="when the trouble starts")
    parser.add_argument("--trouble-for", type=float, default=18.0, metavar="S")
    parser.add_argument("--until-eof", action="store_true", help="end when stdin is closed")
    options = parser.parse_args(arguments)
    opwatch.configure(service="job-parser")
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(_run(options))
        opwatch.close(timeout_s=_FLUSH_S)
        say("ended", **_stats())


if __name__ == "__main__":
    main()
