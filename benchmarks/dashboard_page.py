"""Say how fast a page of the dashboard is in a real browser, and whether memory stays flat.

    python -m stack run -- python -m benchmarks.dashboard_page --series 1000 --minutes 6

Every series gets a new revision of its minute each second. Measured are: the largest contentful
paint of the overview, each time in a new browser context; the time from an input to the next paint
(the browser's own Event Timing, which rounds to 8 ms) while the overview changes each second; and
the memory of the server and of an overview that stays open, after a garbage collection.

For the memory the data's time runs faster: each second brings another minute of the last 26 hours,
so that what is remembered of a series reaches its bounds.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import psutil
from aiokafka import AIOKafkaProducer
from playwright.sync_api import Browser, Page

from benchmarks.dashboard_load import series_templates
from schemas.topics import AGGREGATES, PARTIALS
from tests.browser import Watched, browser
from tests.dashboard_samples import MINUTE_MS
from tests.dashboard_scene import Dashboard, Scene, dashboard

_PAINTS = 9
_INPUTS = 60
_GOAL_PAINT_MS, _GOAL_INPUT_MS = 1_500, 200
_SAMPLE_S = 10.0
_LARGEST_PAINT = """() => new Promise(done => new PerformanceObserver(
  list => done(list.getEntries().at(-1).startTime)
).observe({type: "largest-contentful-paint", buffered: true}))"""
_WATCH_INPUTS = """() => {
  window.inputs = [];
  new PerformanceObserver(list => {
    for (const it of list.getEntries()) if (it.interactionId) window.inputs.push(it.duration);
  }).observe({type: "event", durationThreshold: 16});
}"""


class Sample(NamedTuple):
    """Memory at a time."""

    at_s: float
    server_mb: float
    page_mb: float
    nodes: int


def main() -> None:
    """Publish, look, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=6.0, help="of looking at memory")
    parser.add_argument("--memory-series", type=int, default=100)
    arguments = parser.parse_args()
    with _scene(arguments.series, 0.0) as (running, chromium):
        _speed(running, chromium, arguments.series)
    if arguments.minutes:
        with _scene(arguments.memory_series, 1.0) as (running, chromium):
            _memory(running, chromium, arguments)


@contextmanager
def _scene(series: int, minutes_a_second: float) -> Iterator[tuple[Dashboard, Browser]]:
    """Run a dashboard over series that change each second."""
    scene = Scene(os.environ["OPWATCH_KAFKA_BOOTSTRAP"])
    scene.make()
    ended = threading.Event()
    work = _publish(scene, series, minutes_a_second, ended)
    publishing = threading.Thread(target=asyncio.run, args=[work], daemon=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        # A process of its own, whose memory is its own.
        dashboard(scene.settings, Path(folder), before=["env"]) as running,
        browser() as chromium,
    ):
        publishing.start()
        running.until(
            lambda: len(running.get("/api/v1/series/names").json().get("operations", ())) >= series
        )
        yield running, chromium
        ended.set()
        publishing.join()
    scene.remove()


async def _publish(
    scene: Scene, series: int, minutes_a_second: float, ended: threading.Event
) -> None:
    """Publish a revision of each series every second."""
    producer = AIOKafkaProducer(bootstrap_servers=scene.settings.kafka_bootstrap)
    await producer.start()
    name, templates = scene.settings.topic(AGGREGATES), series_templates(series)
    revision, began_s = 1_000, time.monotonic()
    while not ended.is_set():
        step_s = time.monotonic()
        revision += 1
        ahead = int(minutes_a_second * (step_s - began_s))
        # Towards now, so that the present minute is always there, too.
        minutes = {0} if not minutes_a_second else {0, -(ahead % (26 * 60)) - 1}
        for minute in minutes:
            start_ms = (int(time.time() * 1000) // MINUTE_MS + minute) * MINUTE_MS
            for number, fields in enumerate(templates):
                fields["window"] |= {"start_ms": start_ms, "end_ms": start_ms + MINUTE_MS}
                failures = (revision * 7 + number) % (fields["count"] // 2)
                fields |= {"revision": revision, "final": minute < 0, "failures": failures}
                key = orjson.dumps(fields["series"])
                await producer.send(name, orjson.dumps(fields), key=key)
        await producer.send(scene.settings.topic(PARTIALS), b"{}", partition=0)
        await producer.flush()
        await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - step_s)))
    await producer.stop()


def _speed(running: Dashboard, chromium: Browser, series: int) -> None:
    paints_ms = []
    for _ in range(_PAINTS):
        watched = Watched(chromium, running.url)
        paints_ms.append(float(watched.open("/").evaluate(_LARGEST_PAINT)))
        watched.close()
    # The first is of a browser that has just begun, too.
    print("paints:", *(f"{it:.0f}" for it in paints_ms), "ms", flush=True)
    _print("first meaningful paint of the overview", paints_ms, _GOAL_PAINT_MS, series)
    watched = Watched(chromium, running.url)
    page = watched.open("/")
    page.evaluate(_WATCH_INPUTS)
    for number in range(_INPUTS):
        _act(page, number)
        # Never in step with the changes, which come each second.
        page.wait_for_timeout(170)
    page.wait_for_timeout(500)
    slow_ms = [float(it) for it in page.evaluate("window.inputs")]
    # An input that is painted within 16 ms has no entry.
    quick = max(0, _INPUTS - len(slow_ms))
    _print("input to paint on the overview", [*slow_ms, *[16.0] * quick], _GOAL_INPUT_MS, series)
    assert watched.complaints == [], watched.complaints
    watched.close()


def _act(page: Page, number: int) -> None:
    """Do what people do: change the theme, walk through the page, scroll."""
    if number % 3 == 0:
        page.locator("#theme").click()
    else:
        page.keyboard.press("Tab" if number % 3 == 1 else "PageDown")


def _print(what: str, found_ms: list[float], goal_ms: int, series: int) -> None:
    verdict = "reached" if max(found_ms) < goal_ms else "MISSED"
    print(
        f"{what}, {series:,} series: {statistics.median(found_ms):.0f} ms (median),"
        f" {max(found_ms):.0f} ms (most of {len(found_ms)}); goal {goal_ms:,} ms: {verdict}",
        flush=True,
    )


def _memory(running: Dashboard, chromium: Browser, arguments: argparse.Namespace) -> None:
    process = psutil.Process(running.process.pid)
    watched = Watched(chromium, running.url)
    page = watched.open("/")
    session: Any = watched.context.new_cdp_session(page)
    session.send("Performance.enable")
    began_s, samples = time.monotonic(), []
    while time.monotonic() - began_s < 60 * arguments.minutes:
        session.send("HeapProfiler.collectGarbage")
        metrics = {
            it["name"]: it["value"] for it in session.send("Performance.getMetrics")["metrics"]
        }
        samples.append(
            Sample(
                time.monotonic() - began_s,
                process.memory_info().rss / 1e6,
                metrics["JSHeapUsedSize"] / 1e6,
                int(metrics["Nodes"]),
            )
        )
        page.wait_for_timeout(1000 * _SAMPLE_S)
    watched.close()
    later = samples[len(samples) // 2 :]
    hour = [
        3_600 * statistics.linear_regression([it.at_s for it in later], values).slope
        for values in ([it.server_mb for it in later], [it.page_mb for it in later])
    ]
    first, last = samples[0], samples[-1]
    print(
        f"memory over {arguments.minutes:g} minutes, {arguments.memory_series} series, a minute of"
        f" data each second: server {first.server_mb:.0f} → {last.server_mb:.0f} MB"
        f" ({hour[0]:+.1f} MB an hour in the later half), page {first.page_mb:.2f} →"
        f" {last.page_mb:.2f} MB of heap ({hour[1]:+.2f}), {first.nodes} → {last.nodes} nodes"
    )


if __name__ == "__main__":
    main()
