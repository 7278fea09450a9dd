"""Say what the dashboard takes with many viewers and series, and how late they see a change.

    python -m stack run -- python -m benchmarks.dashboard_load --viewers 50 --series 300

Every series gets a new revision of its minute each second. The viewers look at the overview, some
of them at another span. A change is late from the record's publication to the viewer's message.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiokafka import AIOKafkaProducer

from schemas.topics import AGGREGATES, PARTIALS
from tests.dashboard_samples import MINUTE_MS, PLATFORMS, traffic
from tests.dashboard_scene import Dashboard, Scene, dashboard

_WARM_S = 5.0


def main() -> None:
    """Fill, look, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--series", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    scene = Scene(os.environ["OPWATCH_KAFKA_BOOTSTRAP"])
    scene.make()
    with (
        tempfile.TemporaryDirectory() as folder,
        # A process of its own, whose memory is its own.
        dashboard(scene.settings, Path(folder), before=["env"]) as running,
    ):
        asyncio.run(_measure(scene, running, arguments))
    scene.remove()


def series_templates(series: int) -> list[dict[str, Any]]:
    """Return an aggregate of a minute for each series."""
    now_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    part = traffic((now_ms, now_ms + MINUTE_MS), 300, dict(list(PLATFORMS.items())[:1]))
    values = [json.loads(value) for value in part.aggregates if b'"size":"1m"' in value]
    platform = next(it for it in values if it["series"]["platform"])
    total = next(it for it in values if it["series"] == {**it["series"], "operation": "*"})
    total["series"]["platform"] = None
    found = [total]
    for number in range(series - 1):
        fields = json.loads(json.dumps(platform))
        fields["series"] |= {"operation": "*", "platform": f"site-{number}"}
        found.append(fields)
    return found


async def _measure(scene: Scene, running: Dashboard, arguments: argparse.Namespace) -> None:
    templates = series_templates(arguments.series)
    process = psutil.Process(running.process.pid)
    late_ms: list[float] = []
    received = [0]
    producer = AIOKafkaProducer(bootstrap_servers=scene.settings.kafka_bootstrap)
    await producer.start()
    async with aiohttp.ClientSession() as session:
        viewers = [
            asyncio.create_task(_view(session, running.url, number, late_ms, received))
            for number in range(arguments.viewers)
        ]
        publishing = asyncio.create_task(_publish(scene, producer, templates))
        await asyncio.sleep(_WARM_S)
        late_ms.clear()
        received[0] = 0
        began, cpu = time.monotonic(), _cpu_s(process)
        await asyncio.sleep(arguments.seconds)
        took_s, cpu_s = time.monotonic() - began, _cpu_s(process) - cpu
        memory_mb = process.memory_info().rss / 1e6
        for task in (publishing, *viewers):
            task.cancel()
        await asyncio.gather(publishing, *viewers, return_exceptions=True)
    await producer.stop()
    kilobytes = received[0] / 1e3 / took_s / max(arguments.viewers, 1)
    print(
        f"{arguments.viewers} viewers, {arguments.series} series each second:"
        f" {100 * cpu_s / took_s:.0f} % of a core, {memory_mb:.0f} MB,"
        f" {kilobytes:.1f} KB/s a viewer, changes seen after"
        f" {statistics.median(late_ms):.0f} ms (median), {max(late_ms):.0f} ms (most)"
    )


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _publish(
    scene: Scene, producer: AIOKafkaProducer, templates: list[dict[str, Any]]
) -> None:
    """Publish a revision of each series every second: the total says in `failures` when."""
    name = scene.settings.topic(AGGREGATES)
    revision = 1_000
    while True:
        began_s = time.monotonic()
        now_ms = int(time.time() * 1000)
        start_ms = now_ms // MINUTE_MS * MINUTE_MS
        revision += 1
        for fields in templates:
            fields["window"] |= {"start_ms": start_ms, "end_ms": start_ms + MINUTE_MS}
            fields |= {"revision": revision, "final": False}
            if fields["series"]["platform"] is None:
                # Within the minute, so that it reads as a count of failures.
                fields |= {"count": 1_000_000, "failures": now_ms - start_ms}
            key = json.dumps(fields["series"]).encode()
            await producer.send(name, json.dumps(fields).encode(), key=key)
        await producer.send(scene.settings.topic(PARTIALS), b"{}", partition=0)
        await producer.flush()
        await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - began_s)))


_FAILURES = re.compile(r"([\d,]+) failures</span>")


async def _view(
    session: aiohttp.ClientSession,
    url: str,
    number: int,
    late_ms: list[float],
    received: list[int],
) -> None:
    span = "6h" if number % 5 == 4 else "1h"  # noqa: PLR2004, RUF100 - every fifth
    headers = {"Origin": url}
    async with session.ws_connect(f"{url}/live?page=/&span={span}", headers=headers) as socket:
        async for message in socket:
            received[0] += len(message.data)
            found = _FAILURES.search(json.loads(message.data)["sections"].get("failures", ""))
            if found is not None and number == 0:
                seen_ms = time.time() * 1000 % MINUTE_MS
                published_ms = int(found[1].replace(",", ""))
                if seen_ms >= published_ms:
                    late_ms.append(seen_ms - published_ms)


if __name__ == "__main__":
    main()
