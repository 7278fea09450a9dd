"""With PostgreSQL the dashboard shows a month; without it everything but that, and says so."""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from streams.channels.text_format import rfc3339
from tests.acceptance.tcp_proxy import proxy_of
from tests.dashboard_samples import HOUR_MS, MINUTE_MS, Traffic, traffic
from tests.dashboard_scene import Scene, dashboard
from tests.history import store

DAY_MS = 24 * HOUR_MS


@pytest.fixture
def scene(kafka: str) -> Iterator[Scene]:
    made = Scene(kafka)
    made.make()
    yield made
    made.remove()


def stored(url: str, now_ms: int) -> Traffic:
    """Store forty days of an operation of every other hour; return its operations."""
    start_ms = now_ms // HOUR_MS * HOUR_MS - 40 * DAY_MS
    found = traffic((start_ms, now_ms // MINUTE_MS * MINUTE_MS), 1, {"lever": 0.1}, every=120)

    async def fill() -> None:
        connection = await asyncpg.connect(url)
        await store(connection, found.aggregates)
        await connection.close()

    asyncio.run(fill())
    return found


def health(running: Any, span: str) -> dict[str, Any]:
    answer: dict[str, Any] = running.get(f"/api/v1/health?span={span}&platform=lever").json()
    return answer


def between(running: Any, start_ms: int) -> str:
    """Return the page of a day that is over."""
    since, until = (rfc3339(it) for it in (start_ms, start_ms + DAY_MS))
    place = f"/series?platform=lever&from={since}&to={until}"
    text: str = running.get(place, Accept="text/html").text
    return text


def test_a_span_of_a_month_has_all_operations_of_the_history(
    scene: Scene, history: str, tmp_path: Path
):
    now_ms = int(time.time() * 1000)
    found = stored(history, now_ms)
    with dashboard(scene.settings, tmp_path, METRICS_DATABASE_URL=history) as running:
        running.loaded().until(lambda: "the history is read" in running.log.read_text())
        for span in ("7d", "30d"):
            answer = health(running, span)
            since_ms = int(datetime.fromisoformat(answer["from"]).timestamp() * 1000)
            counted = found.counted(since_ms)
            assert (answer["attempts"], answer["failures"]) == counted, span
            assert answer["p95_ms"] > answer["p50_ms"] > 0
        before = running.get("/api/v1/series?span=7d&platform=lever").json()["before"]
        assert before["attempts"] > 0
        assert running.health()["history"] == "ok"
        start_ms = now_ms // DAY_MS * DAY_MS - 20 * DAY_MS
        counted = found.counted(start_ms)[0] - found.counted(start_ms + DAY_MS)[0]
        running.until(lambda: "Drawn by windows" not in between(running, start_ms))
        assert f"of {counted} succeeded from" in between(running, start_ms)


def test_a_database_that_is_away_is_named_and_read_once_it_is_back(
    scene: Scene, history: str, tmp_path: Path
):
    stored(history, int(time.time() * 1000))
    proxy, url = proxy_of(history)
    proxy.cuts()
    proxy.hangs()
    with dashboard(scene.settings, tmp_path, METRICS_DATABASE_URL=url) as running:
        running.until(lambda: "The history is not shown" in str(running.health()["notices"]))
        assert running.get("/", Accept="text/html").status_code == 200
        assert "postgresql://" not in str(running.health())
        proxy.passes()
        running.until(lambda: running.health()["history"] == "ok")
        running.until(lambda: health(running, "30d").get("attempts"))
    proxy.close()


def test_without_a_database_it_says_what_is_missing(scene: Scene, tmp_path: Path):
    with dashboard(scene.settings, tmp_path) as running:
        assert "METRICS_DATABASE_URL" in running.loaded().health()["history"]
        assert health(running, "30d")["attempts"] == 0
        page = between(running, int(time.time() * 1000) - 9 * DAY_MS)
        assert "No operation of this series is known from" in page
        assert "METRICS_DATABASE_URL is not set" in page
