"""A broker that dies is named on open pages, which go on by themselves once it is back."""

import time
from pathlib import Path

from stack.kafka import LocalKafka
from tests.browser import Watched, browser
from tests.dashboard_samples import MINUTE_MS, traffic
from tests.dashboard_scene import Scene, dashboard


def test_a_page_outlives_its_broker(tmp_path: Path):
    with LocalKafka(tmp_path / "kafka") as kafka:
        scene = Scene(kafka.bootstrap)
        scene.make()
        start_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
        minute_ms = start_ms, start_ms + MINUTE_MS
        scene.aggregates(traffic(minute_ms).aggregates)
        with dashboard(scene.settings, tmp_path) as running, browser() as chromium:
            watched = Watched(chromium, running.loaded().url)
            page = watched.open("/")
            samples = page.locator("#tile-success_rate .n")
            assert "n = 150" in samples.inner_text()
            kafka.kill()
            page.get_by_text("Kafka has not answered for").wait_for()
            assert running.health()["status"] == "down"
            assert running.get("/health", Accept="application/json").status_code == 503
            assert "n = 150" in samples.inner_text()  # what was known is still shown
            kafka.start()
            scene.aggregates(traffic(minute_ms, per_minute=60).aggregates)
            page.locator("#tile-success_rate .n", has_text="n = 300").wait_for(timeout=60_000)
            assert page.get_by_text("Kafka has not answered for").count() == 0
            watched.close()
            assert running.end() == 0
